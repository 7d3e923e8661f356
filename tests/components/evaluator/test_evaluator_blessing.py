"""The comparison with the last blessed model: every verdict has a name, and its words its numbers."""

import dataclasses
import json
import math

import pytest

from components.errors import InputError
from components.evaluator.blessing import Blessing, parse_blessing
from components.evaluator.json_output import verdict_as_dict, write_json
from components.evaluator.metrics import METRICS, Measurement, SliceReport
from components.evaluator.slicing import OVERALL, SliceKey
from components.evaluator.thresholds import parse_thresholds
from components.evaluator.validation import (
    BASELINE_UNUSABLE,
    BASELINE_USED,
    Baseline,
    decide,
    why_not_judged,
)

USED = Baseline(BASELINE_USED)
DE, EO = SliceKey("lang", "de"), SliceKey("lang", "eo")
BITS, NATS = "bits_per_byte", "masked_token_loss"
UNEQUAL_WEIGHTS = "weights are not all 1"
OTHER_WORDS = "the models know other words: unknown_bytes 512 against 128"


def report(key, change, *, metric=BITS, examples=400, tokens=5000, absent=()):
    """A slice whose `metric` changed by (value, low, high) from 2.0; all else is the same."""
    counts = {"token_count": tokens, "token_weight": tokens, "example_count": examples}
    theirs = {name: Measurement(2.0) for name in METRICS}
    theirs |= {name: Measurement(float(value)) for name, value in counts.items()}
    theirs["zero_weight_examples"] = Measurement(0.0)
    diff = {name: Measurement(0.0, 0.0, 0.0) for name in METRICS}
    value, low, high = change
    ours = theirs | {metric: Measurement(2.0 + value)}
    diff[metric] = Measurement(value, low, high)
    for name in absent:
        nothing = Measurement(math.nan, absent=UNEQUAL_WEIGHTS)
        ours, diff = ours | {name: nothing}, diff | {name: nothing}
    return SliceReport(key, ours, theirs, diff)


def judge(*reports, rule=None, baseline=USED, thresholds="[]", min_tokens=1000):
    return decide(
        reports,
        parse_thresholds(thresholds),
        blessing=rule or Blessing(),
        min_tokens=min_tokens,
        baseline=baseline,
    )


@pytest.mark.parametrize(
    ("change", "outcome", "words"),
    [
        pytest.param(
            (-0.02, -0.03, -0.01),
            "better",
            "is better than the last blessed model's: 1.98 after 2, a change of -0.02 (at most -0.01 "
            "with 95 % confidence), and up to +0.005 is allowed",
            id="better",
        ),
        pytest.param(
            (0.001, -0.002, 0.005),
            "not_worse",
            "is not worse than allowed: 2.001 after 2, a change of +0.001 (at most +0.005 with 95 % "
            "confidence), and up to +0.005 is allowed",
            id="the bound on the margin",
        ),
        pytest.param(
            (0.0, 0.0, 0.0), "not_worse", "a change of +0 (at most +0 with", id="the same model"
        ),
        pytest.param(
            (0.001, -0.004, 0.006),
            "undecided",
            "is undecided: 2.001 after 2, a change of +0.001 (from -0.004 to +0.006, each end with 95 % "
            "confidence), but up to +0.005 is allowed; about 230 more examples like these would"
            " decide",  # 400 · ((0.005/0.004)² - 1) = 225
            id="the point within, the bound not",
        ),
        pytest.param(
            (0.006, 0.004, 0.008),
            "undecided",
            "but up to +0.005 is allowed; the change itself is at that limit or beyond, so more "
            "examples like these would not help",
            id="the point beyond",
        ),
        pytest.param(
            (0.03, 0.02, 0.04),
            "worse",
            "is worse than the last blessed model's: 2.03 after 2, a change of +0.03 (at least +0.02 "
            "with 95 % confidence), but up to +0.005 is allowed",
            id="worse",
        ),
        pytest.param(
            (0.001, math.nan, math.nan),
            "undecided",
            "is undecided: 2.001 after 2, a change of +0.001, but up to +0.005 is allowed; how sure "
            "that is cannot be told from 400 examples",
            id="no interval",
        ),
    ],
)
def test_the_bound_decides(change, outcome, words):
    verdict = judge(report(OVERALL, change))
    assert verdict.outcome == outcome
    assert verdict.blessed is (outcome in ("better", "not_worse"))
    (said,) = [finding.text for finding in verdict.findings[1:]]
    assert said.startswith("bits_per_byte (overall) ")
    assert words in said
    assert verdict.reasons[-1] == said


def test_more_of_a_share_is_better():
    rule = Blessing(metric="token_accuracy")
    outcomes = {
        change: judge(report(OVERALL, change, metric="token_accuracy"), rule=rule).outcome
        for change in [
            (0.02, 0.01, 0.03),
            (-0.001, -0.005, 0.003),
            (-0.001, -0.006, 0.004),
            (-0.02, -0.03, -0.01),
        ]
    }
    assert list(outcomes.values()) == ["better", "not_worse", "undecided", "worse"]


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_the_level_is_in_the_words_and_in_the_intervals_that_are_asked_for(alpha):
    rule = Blessing(alpha=alpha)
    assert rule.confidence == pytest.approx(1 - 2 * alpha, rel=1e-15)
    verdict = judge(report(OVERALL, (0.0, -0.001, 0.001)), rule=rule)
    assert f"with {100 - 100 * alpha:g} % confidence" in verdict.reasons[-1]


WELL = report(OVERALL, (-0.02, -0.03, -0.01))


@pytest.mark.parametrize(
    ("change", "settings", "outcome"),
    [
        pytest.param((0.01, 0.0, 0.02), {}, "not_worse", id="its own margin"),
        pytest.param((0.01, 0.0, 0.021), {}, "undecided", id="beyond"),
        pytest.param((0.05, 0.03, 0.07), {}, "worse", id="worse"),
        pytest.param((9.0, 8.0, 10.0), {"tokens": 999}, "slice_too_small", id="few tokens"),
        pytest.param((9.0, 8.0, 10.0), {"examples": 19}, "slice_too_small", id="few examples"),
        pytest.param((0.01, 0.0, 0.02), {"examples": 20}, "not_worse", id="just enough"),
    ],
)
def test_a_slice_has_to_pass_too(change, settings, outcome):
    verdict = judge(WELL, report(DE, change, **settings))
    found = verdict.findings[-1]
    assert (found.key, found.outcome) == (DE, outcome)
    failed = outcome in ("undecided", "worse")
    assert verdict.blessed is found.passed is not failed
    assert verdict.outcome == (outcome if failed else "better")
    assert (DE in verdict.judged) is (outcome != "slice_too_small")
    note = "1 slice too small to be judged"
    assert (note in verdict.notes) is (outcome == "slice_too_small")
    assert judge(WELL, report(DE, change), rule=Blessing(per_slice=False)).blessed


def test_no_room_for_a_change_is_said_in_words():
    verdict = judge(report(OVERALL, (0.0, 0.0, 0.0)), rule=Blessing(margin=0.0))
    assert verdict.reasons[-1].endswith(
        "(at most +0 with 95 % confidence), and no increase is allowed"
    )


@pytest.mark.parametrize(
    ("settings", "thresholds", "lacks"),
    [
        ({}, "[]", ""),
        ({"tokens": 999}, "[]", "it has 999 tokens, and 1,000 are needed"),
        ({"examples": 19}, "[]", "it has 19 examples, and 20 are needed"),
        # A limit on a value looks at no interval, and so at slices of few examples too.
        ({"examples": 19}, '[{"metric": "perplexity", "max": 9, "slice": "*"}]', ""),
    ],
)
def test_a_slice_that_was_not_judged_says_so_where_it_is_shown(settings, thresholds, lacks):
    part = report(DE, (0.0, 0.0, 0.0), **settings)
    verdict = judge(WELL, part, thresholds=thresholds)
    assert why_not_judged(part, 1000, verdict) == lacks
    if lacks:
        assert verdict.findings[-1].text == f"bits_per_byte (lang=de) is not judged: {lacks}"


def test_slices_that_pass_are_one_line_with_the_worst_of_them():
    verdict = judge(
        WELL,
        report(DE, (0.001, 0.0, 0.002)),
        report(EO, (0.002, -0.009, 0.013)),
        report(SliceKey("lang", "fi"), (9.0, 8.0, 10.0), tokens=10),
    )
    assert verdict.blessed
    assert verdict.reasons[2:] == (
        "bits_per_byte in 2 slices: changed by at most +0.013 with 95 % confidence (the highest: "
        "lang=eo), and up to +0.02 is allowed",
    )


def test_the_gravest_failure_names_the_whole():
    verdict = judge(report(OVERALL, (0.001, -0.004, 0.006)), report(DE, (0.05, 0.03, 0.07)))
    assert [finding.outcome for finding in verdict.failures] == ["undecided", "worse"]
    assert verdict.outcome == "worse"
    assert len(verdict.reasons) == 2


def test_the_first_model_is_blessed_and_says_so():
    alone = SliceReport(OVERALL, WELL.candidate)
    verdict = judge(alone, baseline=Baseline())
    assert (verdict.blessed, verdict.outcome) == (True, "first_model")
    assert verdict.findings[1].outcome == "first_model"
    assert verdict.reasons == ("masked_token_loss is a finite number in every example",)
    assert verdict.notes == (
        "no model was blessed before: there is nothing to compare this one with",
    )


def test_an_unusable_baseline_is_not_blessed_and_the_way_out_is_told():
    alone = SliceReport(OVERALL, WELL.candidate)
    gone = Baseline(BASELINE_UNUSABLE, "old: not a SavedModel")
    verdict = judge(alone, baseline=gone)
    assert (verdict.blessed, verdict.outcome) == (False, "baseline_unusable")
    assert verdict.reasons == (
        "bits_per_byte (overall) cannot be compared: the last blessed model cannot be used "
        "(old: not a SavedModel); set eval.blessing.compare: false for one run to accept this model "
        "without the comparison",
    )
    accepted = judge(alone, baseline=gone, rule=Blessing(compare=False))
    assert (accepted.blessed, accepted.outcome) == (True, "within_bounds")
    assert "old: not a SavedModel" in accepted.notes[0]


@pytest.mark.parametrize(
    ("other_words", "outcome"), [("", "not_worse"), (OTHER_WORDS, "not_comparable")]
)
def test_the_loss_per_token_stands_in_where_the_models_know_the_same_words(other_words, outcome):
    whole = report(OVERALL, (0.001, -0.003, 0.005), metric=NATS, absent=[BITS])
    verdict = judge(whole, baseline=Baseline(BASELINE_USED, other_words=other_words))
    assert verdict.outcome == outcome
    if other_words:
        assert verdict.reasons == (
            f"bits_per_byte (overall) cannot be compared with the last blessed model: "
            f"{UNEQUAL_WEIGHTS}; eval.blessing.metric: masked_token_loss can be compared, though "
            f"{OTHER_WORDS}; or set eval.blessing.compare: false for one run to accept this model "
            "without the comparison",
        )
    else:
        assert verdict.reasons[-1].startswith("masked_token_loss (overall) is not worse than")
        assert verdict.notes == (
            "masked_token_loss is compared instead of bits_per_byte (weights are not all 1); it is "
            "fair, as both models know the same words",
        )


def test_a_loss_per_token_that_was_asked_for_is_compared_with_a_warning():
    whole = report(OVERALL, (0.001, -0.003, 0.005), metric=NATS)
    known = Baseline(BASELINE_USED, other_words=OTHER_WORDS)
    verdict = judge(whole, rule=Blessing(metric=NATS), baseline=known)
    assert verdict.blessed
    assert verdict.notes == (
        f"masked_token_loss is compared, although {OTHER_WORDS}; bits_per_byte would allow for that",
    )


def test_the_rule_leaves_slices_of_tokens_to_thresholds():
    tokens = SliceKey("token_position", "1-4")
    part = report(tokens, (0.05, 0.03, 0.07), metric=NATS, absent=[BITS])
    assert judge(WELL, part).blessed
    limit = [{"metric": NATS, "max_increase": 0.01, "slice": "*"}]
    verdict = judge(WELL, part, thresholds=json.dumps(limit))
    assert verdict.findings[-1].key == tokens
    assert (verdict.findings[-1].outcome, verdict.blessed) == ("worse", False)


def test_a_threshold_passes_over_what_has_no_meaning_on_tokens():
    part = report(SliceKey("token_position", "1-4"), (0.0, 0.0, 0.0), metric=NATS, absent=[BITS])
    limit = [{"metric": BITS, "max_increase": 1.0, "slice": "*"}]
    verdict = judge(WELL, part, thresholds=json.dumps(limit))
    assert (verdict.findings[-1].outcome, verdict.findings[-1].passed) == ("not_comparable", True)
    assert "1 slice of tokens without a value to judge, see verdict.json" in verdict.notes


@pytest.mark.parametrize(("ids", "blessed"), [(8, True), (7, False), (0, True)])
def test_without_a_bar_the_loss_has_to_be_below_that_of_guessing(ids, blessed):
    # log 8 = 2.079, log 7 = 1.946; the loss is 2.
    def verdict(thresholds):
        asked = parse_thresholds(thresholds)
        rule = Blessing(compare=False)
        return decide([WELL], asked, blessing=rule, min_tokens=1, baseline=USED, target_ids=ids)

    assert verdict("[]").blessed is blessed
    if not blessed:
        text = (
            "masked_token_loss (overall) is 2, but at most 1.94591 is required, what guessing among "
            "7 ids costs"
        )
        assert verdict("[]").reasons == (text,)
        assert verdict("[]").outcome == "value_out_of_bounds"
    assert verdict('[{"metric": "token_accuracy", "min": 0}]').blessed


def test_a_value_can_be_judged_by_its_interval():
    ours = {**WELL.candidate, NATS: Measurement(2.0, 1.9, 2.1)}
    whole = dataclasses.replace(WELL, candidate=ours)

    def finding(limit, judge_by):
        threshold = [{"metric": NATS, "max": limit, "judge": judge_by}]
        return judge(whole, thresholds=json.dumps(threshold)).findings[-1]

    def outcome(limit, judge_by):
        return finding(limit, judge_by).outcome

    limits = (2.2, 2.06, 1.8)
    assert [outcome(limit, "interval") for limit in limits] == [
        "within_bounds",
        "undecided",
        "value_out_of_bounds",
    ]
    assert [finding(limit, "interval").text for limit in limits] == [
        f"{NATS} (overall) is 2 (at most 2.1 with 95 % confidence), and at most 2.2 is required",
        f"{NATS} (overall) is undecided: it is 2 (from 1.9 to 2.1, each end with 95 % confidence), "
        "but at most 2.06 is required; about 720 more examples like these would decide",  # 2.777
        f"{NATS} (overall) is 2 (at least 1.9 with 95 % confidence), but at most 1.8 is required",
    ]
    assert [outcome(limit, "point") for limit in limits] == [
        "within_bounds",
        "within_bounds",
        "value_out_of_bounds",
    ]


def test_findings_as_they_are_written():
    verdict = judge(WELL, report(DE, (9.0, 8.0, 10.0), tokens=10))
    written = verdict_as_dict(verdict)
    assert written["verdict"] == "better"
    finite, whole, small = written["findings"]
    assert finite["kind"] == "finite"
    assert finite["bound"] is None
    assert whole == {
        "slice": "overall",
        "metric": BITS,
        "kind": "max_increase",
        "value": -0.02,
        "low": -0.03,
        "high": -0.01,
        "bound": 0.005,
        "passed": True,
        "verdict": "better",
        "text": verdict.reasons[1],
    }
    assert (small["verdict"], small["value"]) == ("slice_too_small", None)
    json.dumps(written, allow_nan=False)


def test_what_a_slice_lacks_is_written_beside_its_numbers(tmp_path):
    reports = (WELL, report(DE, (0.0, 0.0, 0.0)), report(EO, (0.0, 0.0, 0.0), examples=19))
    verdict = judge(*reports)
    write_json(str(tmp_path), reports, verdict, confidence=0.95, min_tokens=1000)
    slices = json.loads((tmp_path / "metrics.json").read_text())["slices"]
    assert [(each["slice"], each["gated"], each["too_small"]) for each in slices] == [
        ("overall", True, ""),
        ("lang=de", True, ""),
        ("lang=eo", False, "it has 19 examples, and 20 are needed"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "blessing: expected a JSON object, got '{'"),
        ("[]", "blessing: expected a JSON object, got '\\[\\]'"),
        ('{"margins": 1}', "blessing: unknown key 'margins', expected compare, metric, margin"),
        (
            '{"metric": "token_count"}',
            "blessing.metric: got 'token_count', expected one of masked_",
        ),
        ('{"margin": -1}', "blessing.margin: got -1, expected a number of at least 0"),
        (
            '{"slice_margin": NaN}',
            "blessing.slice_margin: got nan, expected a number of at least 0",
        ),
        ('{"margin": true}', "blessing.margin: got True, expected a number"),
        ('{"alpha": 0.5}', "blessing.alpha: got 0.5, expected a number above 0 and below 0.5"),
        ('{"alpha": 0}', "blessing.alpha: got 0, expected a number above 0 and below 0.5"),
        ('{"compare": "no"}', "blessing.compare: got 'no', expected true or false"),
    ],
)
def test_rules_that_are_refused(text, message):
    with pytest.raises(InputError, match=message):
        parse_blessing(text)
