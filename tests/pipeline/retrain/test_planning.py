"""Which run is next: order, window, key."""

import dataclasses
import hashlib
import json

from retrain_story import ready

from pipeline.retrain import outcomes, planning


def test_spans_are_new_one_by_one_in_the_order_of_their_numbers(story):
    story.see(ready(s10="j", s9="i", s2="b"))
    assert [story.train().new for _ in range(3)] == [((2, 1),), ((9, 1),), ((10, 1),)]
    assert story.plan() is None


def test_a_span_that_comes_late_is_not_skipped(story):
    story.see(ready(s1="a", s3="c"))
    story.train()
    story.see(ready(s1="a", s2="b", s3="c"))
    assert story.train().new == ((2, 1),)
    assert story.train().new == ((3, 1),)


def test_the_window_has_the_newest_others_whatever_the_gaps(story):
    story.settings["window"] = 3
    story.see(ready(s1="a", s4="d", s5="e", s9="i"))
    windows = [[span for span, _, _ in story.train().spans] for _ in range(4)]
    assert windows == [[1], [1, 4], [1, 4, 5], [4, 5, 9]]
    story.see(ready(s1="a2", s4="d", s5="e", s9="i"))
    assert story.train().spans == ((1, 2, "a2"), (5, 1, "e"), (9, 1, "i"))


def test_all_is_every_trained_span(story):
    story.settings["window"] = None
    story.see(ready(s1="a", s4="d", s9="i"))
    windows = [[span for span, _, _ in story.train().spans] for _ in range(3)]
    assert windows == [[1], [1, 4], [1, 4, 9]]


def test_refused_spans_stay_in_the_window_parked_and_changed_ones_do_not(story):
    story.settings["window"], story.late = None, "ignore"
    story.see(ready(s1="a", s2="b", s3="c", s4="d", s5="e"))
    story.train(pushed=False)
    story.fail(permanent=True)
    story.train()
    story.train()
    story.see(ready(s1="a", s2="b", s3="c, changed", s4="d", s5="e"))
    assert story.newest(3).state == "ignored"
    assert [span for span, _, _ in story.plan().spans] == [1, 4, 5]


def test_together_all_pending_spans_are_new_in_one_run(story):
    story.settings |= {"together": True, "window": 2}
    story.see(ready(s1="a"))
    story.train()
    story.see(ready(s1="a", s2="b"))
    assert [span for span, _, _ in story.train().spans] == [1, 2]
    story.see(ready(s1="a", s2="b", s5="e", s3="c", s4="d"))
    plan = story.train()
    assert plan.new == ((3, 1), (4, 1), (5, 1))
    assert [span for span, _, _ in plan.spans] == [3, 4, 5]
    assert story.plan() is None


def test_spans_that_failed_together_are_tried_one_by_one(story):
    story.settings["together"] = True
    story.see(ready(s1="a", s2="b"))
    story.fail(permanent=True)
    assert story.states() == {(1, 1): "pending", (2, 1): "pending"}
    story.see(ready(s1="a", s2="b", s3="c"))
    assert story.fail(permanent=True).new == ((1, 1),)
    assert story.train().new == ((2, 1),)
    assert story.train().new == ((3, 1),)
    assert story.states() == {(1, 1): "parked", (2, 1): "pushed", (3, 1): "pushed"}


def test_one_run_at_a_time(story):
    story.see(ready(s1="a", s2="b"))
    story.claim()
    assert story.plan() is None
    assert planning.wake_at(story.state, story.now) is None


def test_a_span_in_its_back_off_holds_those_behind_it(story):
    story.see(ready(s1="a", s2="b"))
    story.fail()
    assert story.plan() is None
    assert planning.wake_at(story.state, story.now) == story.now + 30
    story.now += 29
    assert story.plan() is None
    story.now += 1
    assert story.plan().new == ((1, 1),)
    assert planning.wake_at(story.state, story.now) == story.now


def test_a_clock_that_was_set_back_ends_the_back_off(story):
    story.see(ready(s1="a"))
    story.fail()
    story.now -= 500
    assert story.plan() is not None


def test_the_key_is_of_contents_new_spans_code_and_settings():
    spans = [(1, 1, "a"), (4, 2, "d")]
    text = json.dumps([[[1, "a"], [4, "d"]], [4], "code", "config"])
    key = planning.run_key(spans, [(4, 2)], "code", "config")
    assert key == hashlib.sha256(text.encode()).hexdigest()
    others = [
        planning.run_key([(1, 1, "a"), (4, 2, "e")], [(4, 2)], "code", "config"),
        planning.run_key(spans, [(1, 1)], "code", "config"),
        planning.run_key(spans, [(4, 2)], "other", "config"),
        planning.run_key(spans, [(4, 2)], "code", "other"),
        planning.run_key(spans, [(4, 2)], "code", "config", [(4, 2)]),
    ]
    assert len({key, *others}) == 6


def test_content_that_comes_back_after_another_was_trained_is_trained_again(story):
    story.see(ready(s1="a"))
    first = story.train(pushed=False)
    story.see(ready(s1="b"))
    second = story.train()
    story.see(ready(s1="a"))
    third = story.train()
    assert (third.new, third.spans, third.done) == (((1, 3),), ((1, 3, "a"),), None)
    assert third.again == ((1, 3),)
    assert (first.again, second.again) == ((), ())
    story.see(ready(s1="b"))
    fourth = story.train()
    assert len({each.key for each in (first, second, third, fourth)}) == 4
    assert story.plan() is None
    assert set(story.states().values()) == {"pushed", "refused"}


def test_content_that_comes_back_before_another_was_trained_is_not(story):
    story.see(ready(s1="a"))
    story.train()
    story.see(ready(s1="b"))
    story.fail(permanent=True)
    story.see(ready(s1="a"))
    assert story.states() == {(1, 1): "pushed"}
    assert story.plan() is None


def test_a_key_that_is_done_is_no_run_whatever_the_ledger_went_through(story):
    """As after a ledger that was put together by hand."""
    story.see(ready(s1="a"))
    plan = story.plan()
    story.see(ready(s1="a", s2="b"))
    first, second = story.state.spans
    second = dataclasses.replace(second, state="refused", run_key=plan.key)
    story.state = dataclasses.replace(story.state, spans=(first, second))
    plan = story.plan()
    assert plan.done == "refused"
    story.state = outcomes.adopt(story.state, plan, now=story.now)
    assert (story.newest(1).state, story.newest(1).run_key) == ("refused", plan.key)
    assert story.state.runs == ()
    assert story.plan() is None


def test_what_was_refused_is_read_again_until_a_model_is_pushed(story):
    story.settings["refused"] = 2
    story.see(ready(s1="a", s2="b", s3="c", s4="d", s5="e", s6="f"))
    windows = [
        [span for span, _, _ in story.train(pushed=pushed).spans]
        for pushed in (True, False, False, False, True, True)
    ]
    assert windows == [[1], [2], [2, 3], [2, 3, 4], [3, 4, 5], [6]]


def test_what_was_refused_counts_among_the_newest(story):
    story.settings |= {"refused": 3, "window": 3}
    story.see(ready(s1="a", s2="b", s3="c", s4="d"))
    for pushed in (False, True, False):
        story.train(pushed=pushed)
    assert [span for span, _, _ in story.plan().spans] == [2, 3, 4]


def test_a_failed_attempt_does_not_change_the_window(story):
    story.settings["refused"] = 3
    story.see(ready(s1="a", s2="b"))
    story.train(pushed=False)
    first = story.fail()
    story.now += 60
    assert story.plan().key == first.key


def test_the_version_that_was_trained_is_read_beside_late_files(story):
    """If its own files are as they were; which is asked of it alone."""
    asked = []
    story.settings |= {
        "window": None,
        "readable": lambda one: bool(asked.append(one.identity) or 1),
    }
    story.late = "ignore"
    story.see(ready(s1="a", s2="b"))
    story.train()
    story.train()
    story.see(ready(s1="a, b", s2="b", s3="c"))
    assert story.newest(1).state == "ignored"
    assert story.plan().spans == ((1, 1, "a"), (2, 1, "b"), (3, 1, "c"))
    assert asked == [(1, 1)]
    story.settings["readable"] = lambda one: False
    assert story.plan().spans == ((2, 1, "b"), (3, 1, "c"))
