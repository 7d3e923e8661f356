"""What becomes of runs and their spans: pushed, refused, failed, parked, given back, found dead."""

import pytest
from retrain_story import Story, ready

from components.errors import InputError
from pipeline.retrain import outcomes


def test_a_run_that_is_pushed(story):
    story.see(ready(s1="a"))
    plan = story.train(pushed_version=4, metrics={"perplexity": 2.5})
    run = story.state.run(plan.key)
    assert (run.state, run.pushed_version, run.metrics) == ("pushed", 4, {"perplexity": 2.5})
    assert (run.window, run.new, run.attempts, run.pid) == ("1", ((1, 1, "a"),), 1, 7)
    assert run.ended == run.started + 1
    assert (story.newest(1).state, story.newest(1).run_key) == ("pushed", plan.key)


def test_a_run_that_is_refused_keeps_the_reason(story):
    story.see(ready(s1="a"))
    plan = story.train(pushed=False, reason="not blessed: perplexity")
    assert story.state.run(plan.key).reason == "not blessed: perplexity"
    assert (story.newest(1).state, story.newest(1).reason) == ("refused", "not blessed: perplexity")


def test_the_same_end_told_twice(story):
    story.see(ready(s1="a"))
    plan = story.train(pushed_version=1)
    before = story.state
    story.finish(plan.key, pushed=False)
    assert story.state == before


def test_attempts_back_off_and_end(story):
    story.see(ready(s1="a", s2="b"))
    waits = []
    for _ in range(3):
        story.fail("the disk is full")
        waits.append(story.newest(1).retry_at - story.now)
        story.now = story.newest(1).retry_at
    assert waits == [30, 60, 120]
    plan = story.fail("the disk is full")
    assert (story.newest(1).state, story.newest(1).reason) == ("parked", "the disk is full")
    assert story.state.run(plan.key).attempts == 4
    assert len(story.state.runs) == 1
    assert story.train().new == ((2, 1),)


def test_a_back_off_is_an_hour_at_most(story):
    story.retries = 5000
    story.see(ready(s1="a"))
    for _ in range(12):
        story.fail()
        wait = story.newest(1).retry_at - story.now
        story.now = story.newest(1).retry_at
    assert wait == 3600


def test_bad_input_is_parked_at_once(story):
    story.see(ready(s1="a", s2="b"))
    story.fail("rows.jsonl:3: got no text", permanent=True)
    assert story.newest(1).state == "parked"
    assert story.plan().new == ((2, 1),)


def test_retry(story):
    story.see(ready(s1="a"))
    story.fail(permanent=True)
    story.state = outcomes.retry(story.state, 1, now=story.now)
    assert (story.newest(1).state, story.newest(1).attempts) == ("pending", 0)
    story.fail()
    assert story.plan() is None
    story.state = outcomes.retry(story.state, 1, now=story.now)
    assert story.plan() is not None
    story.train()
    with pytest.raises(InputError, match="span 1: got one that is pushed, expected"):
        outcomes.retry(story.state, 1, now=story.now)
    with pytest.raises(InputError, match="span 2: got no such span"):
        outcomes.retry(story.state, 2, now=story.now)


def test_retry_takes_late_files_that_were_ignored(story):
    story.late = "ignore"
    story.see(ready(s1="a"))
    story.train()
    story.see(ready(s1="b"))
    story.state = outcomes.retry(story.state, 1, now=story.now)
    assert story.see(ready(s1="b")).train().new == ((1, 2),)


def test_retry_wants_the_files(story):
    story.see(ready(s1="a"))
    story.fail(permanent=True)
    story.see([])
    with pytest.raises(InputError, match="span 1: its folder is not there"):
        outcomes.retry(story.state, 1, now=story.now)


def test_a_claim_that_is_given_back_was_no_attempt(story):
    story.see(ready(s1="a"))
    plan = story.claim()
    story.state = outcomes.release(story.state, plan.key, now=story.now)
    assert story.newest(1).attempts == 0
    assert story.plan() == plan


def test_what_the_dead_claimed_is_pending_again_until_it_has_killed_too_often(story):
    story.see(ready(s1="a"))
    for attempt in range(1, 4):
        plan = story.claim()
        story.state = outcomes.recover(story.state, retries=2, now=story.now)
        assert story.newest(1).attempts == attempt
    assert (story.newest(1).state, story.newest(1).reason) == ("parked", "process 7 died in it")
    assert story.state.run(plan.key).state == "failed"
    assert outcomes.recover(story.state, retries=2, now=story.now) == story.state


def test_an_end_that_is_told_after_the_claim_was_given_back(story):
    story.see(ready(s1="a"))
    plan = story.claim()
    story.state = outcomes.recover(story.state, retries=3, now=story.now)
    story.see(ready(s1="a and more"))
    story.finish(plan.key)
    assert (story.newest(1).state, story.newest(1).content) == ("pushed", "a")
    story.see(ready(s1="a and more"))
    assert story.states() == {(1, 1): "pushed", (1, 2): "pending"}


def test_a_late_end_whose_version_has_gone(story):
    story.see(ready(s1="a"))
    story.train()
    story.see(ready(s1="b"))
    plan = story.claim()
    story.state = outcomes.recover(story.state, retries=3, now=story.now)
    story.see(ready(s1="a"))
    assert story.states() == {(1, 1): "pushed"}
    story.finish(plan.key)
    story.see(ready(s1="a"))
    assert story.states() == {(1, 1): "pushed", (1, 2): "pushed", (1, 3): "pending"}


def test_what_was_begun_together_is_begun_again_without_what_came_since():
    """It may have pushed before it died: then the same run finds its push, and no other one would."""
    story = Story(together=True)
    story.see(ready(s1="a"))
    plan = story.claim()
    story.state = outcomes.recover(story.state, retries=3, now=story.now)
    story.see(ready(s1="a", s2="b"))
    assert story.plan().key == plan.key
    story.train()
    assert story.plan().new == ((2, 1),)


def test_claims_that_do_not_fit_the_state(story):
    story.see(ready(s1="a"))
    plan = story.plan()
    story.see(ready(s1="b"))
    with pytest.raises(ValueError, match="expected what is pending"):
        outcomes.claim(story.state, plan, pid=1, now=0.0)
    story.claim()
    with pytest.raises(ValueError, match="another run is going on"):
        outcomes.claim(story.state, plan, pid=1, now=0.0)
    with pytest.raises(ValueError, match="the ledger does not know"):
        outcomes.finished(story.state, "?", pushed=True, now=0.0)
    with pytest.raises(ValueError, match="it was not run yet"):
        outcomes.adopt(story.state, plan, now=0.0)


def test_only_the_last_runs_are_kept_and_all_spans(story, monkeypatch):
    monkeypatch.setattr(outcomes, "KEPT_RUNS", 3)
    story.see(ready(**{f"s{span}": "a" for span in range(1, 8)}))
    plans = [story.train() for _ in range(7)]
    assert [run.key for run in story.state.runs] == [plan.key for plan in plans[4:]]
    assert story.state.folded_runs == 4
    assert set(story.states().values()) == {"pushed"}
    story.see(ready(s1="b"))
    story.train()
    story.see(ready(s1="a"))
    assert story.plan().again == ((1, 3),)  # what is known of spans outlives the list of runs
