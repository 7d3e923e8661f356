"""Thresholds in, verdict and reasons out."""

import json
import math

import pytest

from components.errors import InputError
from components.evaluator.blessing import Blessing
from components.evaluator.metrics import METRICS, Measurement, SliceReport
from components.evaluator.slicing import OVERALL, SliceKey
from components.evaluator.thresholds import parse_thresholds
from components.evaluator.validation import BASELINE_UNUSABLE, BASELINE_USED, Baseline
from components.evaluator.validation import decide as decide_by

# The comparison with the last blessed model: test_evaluator_blessing.py.
ALONE = Blessing(compare=False)
FIRST = "no model was blessed before: there is nothing to compare this one with"
NONE = Baseline()
USED = Baseline(BASELINE_USED)
SMALL, LARGE = SliceKey("lang", "eo"), SliceKey("lang", "de")


def decide(reports, thresholds, **settings):
    return decide_by(reports, thresholds, blessing=ALONE, **settings)


def measured(loss, accuracy, tokens=1000.0, absent=""):
    values = dict.fromkeys(METRICS, Measurement(0.0))
    return values | {
        "masked_token_loss": Measurement(math.nan if absent else loss, absent=absent),
        "token_accuracy": Measurement(accuracy),
        "token_count": Measurement(tokens),
        "token_weight": Measurement(tokens),
    }


def slice_report(key, ours, theirs=None):
    if theirs is None:
        return SliceReport(key, ours)
    diff = {
        name: Measurement(ours[name].value - theirs[name].value, absent=theirs[name].absent)
        for name in METRICS
    }
    return SliceReport(key, ours, theirs, diff)


WITHOUT = [
    slice_report(OVERALL, measured(2.0, 0.75)),
    slice_report(LARGE, measured(1.5, 0.5, tokens=100.0)),
    slice_report(SMALL, measured(9.0, 0.25, tokens=99.0)),
]
WITH = [
    slice_report(OVERALL, measured(2.0, 0.75), measured(1.875, 0.875)),
    slice_report(LARGE, measured(1.5, 0.5, tokens=100.0), measured(2.0, 0.25, tokens=100.0)),
]


@pytest.mark.parametrize(
    ("threshold", "blessed", "reason"),
    [
        ({"metric": "masked_token_loss", "max": 2.0}, True, "is 2, and at most 2 is required"),
        ({"metric": "masked_token_loss", "max": 1.99}, False, "(overall) is 2, but at most 1.99 "),
        ({"metric": "masked_token_loss", "min": 2.5}, False, "(overall) is 2, but at least 2.5 "),
        ({"metric": "token_accuracy", "min": 0.75}, True, "(overall) is 0.75, and at least 0.75 "),
        (
            {"metric": "token_accuracy", "min": 0.76},
            False,
            "is 0.75, but at least 0.76 is required",
        ),
        (
            {"metric": "token_accuracy", "min": 0.6, "slice": "*"},
            False,
            "(lang=de) is 0.5, but at least 0.6",
        ),
        # lang=eo, with 0.25, is below min_tokens.
        (
            {"metric": "token_accuracy", "min": 0.5, "slice": "*"},
            True,
            "(lang=de) is 0.5, and at least 0.5",
        ),
    ],
)
def test_value_thresholds(threshold, blessed, reason):
    thresholds = parse_thresholds(json.dumps([threshold]))
    verdict = decide(WITHOUT, thresholds, min_tokens=100, baseline=NONE)
    assert verdict.blessed is blessed
    assert reason in "\n".join(verdict.reasons)
    assert verdict.notes[0] == FIRST
    assert bool(verdict.failures) is not blessed


@pytest.mark.parametrize(
    ("threshold", "blessed", "reason"),
    [
        ({"metric": "masked_token_loss", "max_increase": 0.125}, True, "up to +0.125 is allowed"),
        (
            {"metric": "masked_token_loss", "max_increase": 0.1},
            False,
            "masked_token_loss (overall) changed more than allowed: 2 after 1.875, a change of +0.125, but "
            "up to +0.1 is allowed",
        ),
        (
            {"metric": "token_accuracy", "max_decrease": 0.125},
            True,
            "and down to -0.125 is allowed",
        ),
        (
            {"metric": "token_accuracy", "max_decrease": 0.1},
            False,
            "change of -0.125, but down to -0.1 ",
        ),
        ({"metric": "masked_token_loss", "max_decrease": 0.25}, True, "+0.125, and down to -0.25"),
        (
            {"metric": "masked_token_loss", "max_decrease": 0.25, "slice": "*"},
            False,
            "(lang=de) changed more than allowed: 1.5 after 2, a change of -0.5, but down to -0.25",
        ),
    ],
)
def test_change_thresholds_on_the_point(threshold, blessed, reason):
    thresholds = parse_thresholds(json.dumps([threshold | {"judge": "point"}]))
    verdict = decide(WITH, thresholds, min_tokens=100, baseline=USED)
    assert verdict.blessed is blessed
    assert reason in "\n".join(verdict.reasons)


CHANGE = parse_thresholds('[{"metric": "masked_token_loss", "max_increase": 0.0}]')


UNUSABLE = Baseline(BASELINE_UNUSABLE, "old: no signature 'score'")
WAY_OUT = "remove the threshold for one run to accept this model without the comparison"


def test_without_a_baseline_a_change_is_not_checked_and_that_is_noted():
    verdict = decide(WITHOUT, CHANGE, min_tokens=1, baseline=NONE)
    assert verdict.blessed
    assert verdict.reasons == ("masked_token_loss is a finite number in every example",)
    assert verdict.notes == (FIRST,)
    told = [finding.text for finding in verdict.findings if finding.outcome == "first_model"]
    assert told == ["masked_token_loss (overall) is not compared: there is no blessed model yet"]


@pytest.mark.parametrize(
    ("thresholds", "failing"),
    [
        ('[{"metric": "masked_token_loss", "max_increase": 0.0}]', ["masked_token_loss"]),
        # Every slice, but one reason: it is the same everywhere.
        (
            '[{"metric": "token_accuracy", "max_decrease": 1, "slice": "*"},'
            ' {"metric": "masked_token_loss", "max": 9}]',
            ["token_accuracy"],
        ),
        (
            '[{"metric": "perplexity", "max_increase": 1},'
            ' {"metric": "token_accuracy", "max_decrease": 1}]',
            ["perplexity", "token_accuracy"],
        ),
    ],
)
def test_a_change_from_an_unusable_baseline_is_not_blessed(thresholds, failing):
    verdict = decide(WITHOUT, parse_thresholds(thresholds), min_tokens=1, baseline=UNUSABLE)
    assert not verdict.blessed
    assert verdict.reasons == tuple(
        f"{name} (overall) cannot be compared: the last blessed model cannot be used "
        f"(old: no signature 'score'); {WAY_OUT}"
        for name in failing
    )
    assert verdict.notes == ()


def test_an_unusable_baseline_is_a_note_where_no_change_is_judged():
    thresholds = parse_thresholds('[{"metric": "masked_token_loss", "max": 9}]')
    verdict = decide(WITHOUT, thresholds, min_tokens=1, baseline=UNUSABLE)
    assert verdict.blessed
    assert verdict.notes == ("the last blessed model cannot be used (old: no signature 'score')",)


def test_a_change_from_a_baseline_without_value_is_not_blessed():
    theirs = measured(0.0, 0.5, absent="1 example has a NaN or infinite score")
    reports = [slice_report(OVERALL, measured(2.0, 0.75), theirs)]
    verdict = decide(reports, CHANGE, min_tokens=1, baseline=USED)
    assert not verdict.blessed
    assert verdict.outcome == "not_comparable"
    assert verdict.reasons == (
        "masked_token_loss (overall) cannot be compared with the last blessed model: 1 example "
        f"has a NaN or infinite score; {WAY_OUT}",
    )
    others = parse_thresholds(
        '[{"metric": "token_accuracy", "max_decrease": 0.5, "judge": "point"}]'
    )
    assert decide(reports, others, min_tokens=1, baseline=USED).blessed


def test_no_thresholds_still_give_a_verdict():
    assert decide(WITHOUT, (), min_tokens=1, baseline=NONE).blessed
    empty = [slice_report(OVERALL, measured(0.0, 0.0, absent="no token has weight > 0"))]
    verdict = decide(empty, (), min_tokens=1, baseline=NONE)
    assert not verdict.blessed
    assert verdict.reasons == (
        "masked_token_loss has no value on the evaluated examples: no token has weight > 0",
    )


def test_a_non_finite_score_is_not_blessed_whatever_the_thresholds():
    bad = [
        slice_report(OVERALL, measured(0, 1.0, absent="3 examples have a NaN or infinite score"))
    ]
    thresholds = parse_thresholds('[{"metric": "token_accuracy", "min": 0.5}]')
    verdict = decide(bad, thresholds, min_tokens=1, baseline=NONE, non_finite_key="ab12")
    assert not verdict.blessed
    assert verdict.reasons == (
        "3 examples have a NaN or infinite score, for instance that of example ab12",
    )


def test_slices_without_tokens_are_never_judged():
    empty = slice_report(SMALL, measured(0, 0.0, tokens=0.0, absent="no token has weight > 0"))
    thresholds = parse_thresholds('[{"metric": "masked_token_loss", "max": 3, "slice": "*"}]')
    verdict = decide([WITHOUT[0], empty], thresholds, min_tokens=0, baseline=NONE)
    assert verdict.blessed
    assert "1 slice too small to be judged" in verdict.notes
    small = verdict.findings[-1]
    assert (small.key, small.outcome, small.passed) == (SMALL, "slice_too_small", True)
    assert small.text.endswith("(lang=eo) is not judged: it has 0 tokens, and 1 are needed")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "thresholds: expected a JSON list, got '\\['"),
        ("{}", "thresholds: expected a JSON list, got '{}'"),
        ("[1]", r"thresholds\[0\]: expected an object, got 1"),
        ('[{"metric": "loss", "max": 1}]', r"\[0\].metric: got 'loss', expected one of masked_"),
        ('[{"metric": "perplexity"}]', r"\[0\]: no limit, expected at least one of min, max"),
        ('[{"metric": "perplexity", "maximum": 1}]', "unknown key 'maximum'"),
        ('[{"metric": "perplexity", "max": "1"}]', "max: got '1', expected a finite number"),
        ('[{"metric": "perplexity", "max": true}]', "max: got True, expected a finite number"),
        ('[{"metric": "perplexity", "max": NaN}]', "max: got nan, expected a finite number"),
        ('[{"metric": "perplexity", "max_increase": -1}]', "got -1, expected a number >= 0"),
        ('[{"metric": "perplexity", "max": 1, "slice": "de"}]', r"got 'de', expected '\*'"),
        ('[{"metric": "perplexity", "max": 1, "judge": "mean"}]', "judge: got 'mean', expected 'p"),
        ('[{"metric": "token_count", "min": 1, "judge": "interval"}]', "token_count is a count"),
    ],
)
def test_thresholds_that_are_refused(text, message):
    with pytest.raises(InputError, match=message):
        parse_thresholds(text)


def test_all_faults_at_once():
    with pytest.raises(InputError) as caught:
        parse_thresholds('[{"metric": "a", "max": 1}, {"metric": "perplexity"}]')
    assert len(str(caught.value).splitlines()) == 2


def test_the_verdict_has_the_name_of_what_the_rule_found_not_of_a_further_threshold():
    """The loss is shown to be better; of the accuracy only that it is not worse."""
    theirs, ours = measured(2.0, 0.5), measured(1.5, 0.5)
    diff = {name: Measurement(0.0, -0.01, 0.01) for name in METRICS}
    diff["masked_token_loss"] = Measurement(-0.5, -0.6, -0.4)
    for each in (theirs, ours):
        each["example_count"] = Measurement(1000.0)
    verdict = decide_by(
        [SliceReport(OVERALL, ours, theirs, diff)],
        parse_thresholds('[{"metric": "token_accuracy", "max_decrease": 0.1}]'),
        blessing=Blessing(metric="masked_token_loss"),
        min_tokens=100,
        baseline=USED,
    )
    assert verdict.blessed
    assert [finding.outcome for finding in verdict.findings[-2:]] == ["better", "not_worse"]
    assert verdict.outcome == "better"
