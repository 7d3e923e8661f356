"""What the ledger makes of span folders: new, half there, changed, late, gone."""

import pytest
from retrain_story import arrival, ready

from pipeline.retrain import observing


def test_a_span_waits_until_it_is_ready(story):
    story.see([arrival(3, why="no _SUCCESS")])
    waiting = story.newest(3)
    assert (waiting.state, waiting.version, waiting.reason) == ("waiting", 1, "no _SUCCESS")
    assert story.plan() is None
    story.see([arrival(3, "x")])
    pending = story.newest(3)
    assert (pending.state, pending.version, pending.content, pending.reason) == (
        "pending", 1, "x", "",
    )  # fmt: skip
    assert pending.first_seen == waiting.first_seen < pending.since


def test_looking_twice_changes_nothing(story):
    arrivals = [arrival(1, "x"), arrival(2, why="no _SUCCESS")]
    once = story.see(arrivals).state
    assert story.see(arrivals).state == once
    assert story.state.known()[1] == ("signature of x", "x")


def test_what_was_not_trained_simply_has_new_content(story):
    story.see(ready(s1="x")).see(ready(s1="y"))
    assert story.states() == {(1, 1): "pending"}
    assert story.newest(1).content == "y"


def test_new_content_counts_its_own_attempts(story):
    story.see(ready(s1="x"))
    story.fail(permanent=True)
    assert story.newest(1).state == "parked"
    story.see(ready(s1="x"))
    assert story.newest(1).state == "parked"
    story.see(ready(s1="y"))
    assert (story.newest(1).state, story.newest(1).attempts) == ("pending", 0)
    story.train()
    assert story.states() == {(1, 1): "pushed"}


def test_new_times_alone_are_nothing_new(story):
    story.see(ready(s1="x"))
    story.fail(permanent=True)
    touched = arrival(1, "x")
    story.see([type(touched)(**(vars(touched) | {"signature": "later"}))])
    assert (story.newest(1).state, story.newest(1).signature) == ("parked", "later")


@pytest.mark.parametrize(
    ("late", "state"), [("retrain", "pending"), ("ignore", "ignored"), ("error", "parked")]
)
def test_late_files_are_a_new_version(story, late, state):
    story.late = late
    story.see(ready(s1="x"))
    story.train(pushed=False)
    story.see([arrival(1, why="no _SUCCESS")])
    assert story.states() == {(1, 1): "refused", (1, 2): "waiting"}
    story.see(ready(s1="xy"))
    assert story.states() == {(1, 1): "refused", (1, 2): state}
    assert story.newest(1).content == "xy"
    story.see(ready(s1="xyz"))
    assert story.states() == {(1, 1): "refused", (1, 2): state}
    assert (story.plan() is not None) == (late == "retrain")


@pytest.mark.parametrize("late", ["retrain", "ignore", "error"])
def test_late_files_that_are_taken_away_again_leave_no_version(story, late):
    story.late = late
    story.see(ready(s1="x"))
    story.train()
    story.see(ready(s1="xy")).see(ready(s1="x"))
    assert story.states() == {(1, 1): "pushed"}
    assert story.state.known()[1] == ("signature of x", "x")


def test_what_a_run_has_claimed_is_left_alone(story):
    story.see(ready(s1="x"))
    plan = story.claim()
    story.see(ready(s1="xy")).see([])
    assert story.newest(1).content == "x"
    story.finish(plan.key)
    story.see(ready(s1="xy"))
    assert story.states() == {(1, 1): "pushed", (1, 2): "pending"}


def test_a_folder_that_is_gone_waits_or_leaves_the_window(story):
    story.settings["window"] = None
    story.see(ready(s1="x", s2="y"))
    story.train()
    story.see([])
    assert (story.newest(1).state, story.newest(1).gone) == ("pushed", True)
    assert (story.newest(2).state, story.newest(2).reason) == (
        "waiting", "its folder is not there",
    )  # fmt: skip
    story.see(ready(s2="y"))
    assert story.plan().spans == ((2, 1, "y"),)
    story.see(ready(s1="x", s2="y"))
    assert story.plan().spans == ((1, 1, "x"), (2, 1, "y"))


def test_the_order_of_arrivals_does_not_matter(story):
    arrivals = ready(s10="a", s9="b", s2="c")
    forth = observing.observe(story.state, arrivals, late="retrain", now=5.0)
    back = observing.observe(story.state, reversed(arrivals), late="retrain", now=5.0)
    assert forth == back
    assert [one.span for one in forth.spans] == [2, 9, 10]
