"""Metrics, intervals and differences against arithmetic written out, and a direct oracle."""

import math

import numpy as np
import pytest
from scipy import stats

from components.evaluator import metrics
from components.evaluator.metrics import SCORES, SUMS
from components.evaluator.slicing import SliceKey

LN2 = math.log(2)
WHOLE = "of whole examples only"


def bucketed(rows, buckets=None):
    """Sums [G, C] of examples given as dicts of scores, one bucket after the other by default."""
    table = [[row.get(name, 0.0) for name in SCORES] for row in rows]
    scores = np.array(table, np.float64).reshape(-1, len(SCORES))
    sums = np.zeros((metrics.BUCKETS, len(SUMS)))
    places = range(len(rows)) if buckets is None else buckets
    np.add.at(sums, list(places), metrics.sums_of_examples(scores))
    return sums


def example(loss, weight, *, tokens=1, correct=0.0, right=0, size=0, **more):
    values = (loss, weight, tokens, correct, right, size)
    return dict(zip(SCORES, values, strict=False)) | more


# The third is what the model knows of a weight of 1 that float32 sums made 3.0000002.
UNIT = [
    example(6.0, 4.0, tokens=4, correct=3.0, right=0, size=8),
    example(1.0, 1.0, tokens=1, correct=1.0, right=1, size=2),
    example(2.0, 3.0000002, tokens=3, correct=3.0, right=1, size=5),
]
# Two bins: |4.5 - 3| where the model is sure, |0.25 - 0.5| where it is not.
SURE = {
    "calibration_weight_14": 4.0,
    "calibration_confidence_14": 4.5,
    "calibration_correct_14": 3.0,
}
UNSURE = {
    "calibration_weight_7": 0.5,
    "calibration_confidence_7": 0.25,
    "calibration_correct_7": 0.5,
}
UNEQUAL = [
    example(6.0, 4.0, tokens=5, correct=3.0, right=0, size=8, **SURE),
    example(1.0, 0.5, tokens=1, correct=0.5, right=1, size=2, **UNSURE),
    # No weight: neither its vacuous "right" nor its bytes count.
    example(0.0, 0.0, tokens=0, correct=0.0, right=1, size=100),
]


def test_values():
    measured = metrics.measure(bucketed(UNEQUAL), confidence=0.95)
    values = {name: item.value for name, item in measured.items() if not item.absent}
    assert values == pytest.approx(
        {
            "masked_token_loss": 7.0 / 4.5,
            "perplexity": math.exp(7.0 / 4.5),
            "token_accuracy": 3.5 / 4.5,
            "sequence_accuracy": 1 / 2,
            "calibration": (1.5 + 0.25) / 4.5,
            "token_count": 6,
            "token_weight": 4.5,
            "example_count": 3,
            "zero_weight_examples": 1,
        },
        rel=1e-15,
    )


def test_calibration_is_of_the_merged_bins():
    """Two examples that are wrong by as much either way are right together, were they in one bin."""
    over = {
        "calibration_weight_3": 2.0,
        "calibration_confidence_3": 0.5,
        "calibration_correct_3": 0,
    }
    under = {
        "calibration_weight_3": 2.0,
        "calibration_confidence_3": 0.5,
        "calibration_correct_3": 1,
    }
    rows = [example(1.0, 2.0, **over), example(1.0, 2.0, **under)]
    measured = metrics.measure(bucketed(rows), confidence=0.95)["calibration"]
    assert measured.value == 0.0
    # Without either of the two groups it is 0.5 / 2; the interval stays within 0 and 1.
    half = 12.70620474 * math.sqrt(1 / 2 * 2 * 0.25**2)  # t(.975, 1 degree of freedom)
    assert half > 1
    assert (measured.low, measured.high) == (0.0, 1.0)
    wide = metrics.measure(bucketed(rows), confidence=0.5)["calibration"]
    assert wide.high == pytest.approx(0.25, rel=1e-9)  # t(.75, 1) is 1


@pytest.mark.parametrize(
    ("metric", "least", "most"),
    [
        ("masked_token_loss", 0.0, math.inf),
        ("perplexity", 1.0, math.inf),  # exp of a loss that is at least 0
        ("bits_per_byte", 0.0, math.inf),
        ("loss_per_word", 0.0, math.inf),
        ("token_accuracy", 0.0, 1.0),
        ("sequence_accuracy", 0.0, 1.0),
    ],
)
def test_an_interval_promises_nothing_that_cannot_be(metric, least, most):
    """Two examples that differ as much as they can: without the clamp every interval goes beyond."""
    sizes = {"tokens": 2, "size": 4, "target_words": 2.0}
    good = example(0.001, 2.0, correct=2.0, right=1, **sizes)
    bad = example(9.0, 2.0, correct=0.0, right=0, **sizes)
    sums = bucketed([good, bad])
    measured = metrics.measure(sums, confidence=0.999)[metric]
    assert measured.low == least
    assert measured.high <= most
    change = metrics.compare(sums, bucketed([bad, good]), confidence=0.999)[metric]
    span = most - least
    assert -span <= change.low <= 0 <= change.high <= span


@pytest.mark.parametrize(
    ("lacking", "metric", "absent"),
    [
        ("lacks_words", "loss_per_word", "the model's score does not give target_words"),
        ("lacks_unknown_bytes", "bits_per_byte", "the model's score does not give unknown_bytes"),
        ("lacks_positions", "calibration", "the model's score does not give position_confidence"),
    ],
)
def test_what_an_earlier_model_does_not_give_is_absent(lacking, metric, absent):
    sizes = {"size": 4, "target_words": 2.0}
    rows = [example(2.0, 1.0, **sizes) | SURE, example(2.0, 1.0, **sizes) | SURE | {lacking: 1.0}]
    for pair in (rows, rows[:1]), (rows[:1], rows):
        diff = metrics.compare(*map(bucketed, pair), confidence=0.95)
        assert {name for name, item in diff.items() if item.absent} == {metric}
        assert diff[metric].absent.startswith(absent)


def test_bits_per_byte_charges_unknown_words_with_their_bytes():
    # One model knows the word "dog" and pays 4 bits for it; the other pays 1 bit for `unk`.
    knows = example(4 * LN2, 1.0, size=3)
    does_not = example(1 * LN2, 1.0, size=3, unknown_bytes=3.0)
    diff = metrics.compare(bucketed([knows]), bucketed([does_not]), confidence=0.95)
    assert diff["masked_token_loss"].value == pytest.approx(3 * LN2)
    assert diff["bits_per_byte"].value == pytest.approx(4 / 3 - (1 + 24) / 3)


def test_loss_per_word():
    rows = [example(6.0, 4.0, tokens=4, target_words=2.0), example(1.0, 1.0, target_words=3.0)]
    measured = metrics.measure(bucketed(rows), confidence=0.95)["loss_per_word"]
    assert measured.value == 7 / 5


def test_what_has_no_meaning_on_tokens_is_absent_there():
    sums = bucketed(UNIT)
    token = metrics.report(SliceKey("token_position", "1-4"), sums, sums, confidence=0.95)
    for measured in (token.candidate, token.baseline, token.diff):
        assert {name for name, item in measured.items() if item.absent == WHOLE} == {
            "sequence_accuracy",
            "bits_per_byte",
            "loss_per_word",
            "zero_weight_examples",
        }
        assert not measured["masked_token_loss"].absent
    of_examples = metrics.report(SliceKey("lang", "de"), sums, None, confidence=0.95)
    assert not any(item.absent == WHOLE for item in of_examples.candidate.values())


def test_a_slice_alone_can_be_without_baseline():
    sums = bucketed(UNIT)
    key = SliceKey("token_position", "1-4")
    report = metrics.report(key, sums, sums, confidence=0.95, no_baseline="other tokens")
    assert {item.absent for item in report.baseline.values()} == {"other tokens"}
    assert {item.absent for item in report.diff.values()} == {"other tokens"}
    assert report.candidate["masked_token_loss"].value == 9 / 8.0000002


def test_bits_per_byte():
    # (6 + 1 + 2) nats over 8 + 2 + 5 bytes; without each example 3/7, 8/13, 7/10.
    measured = metrics.measure(bucketed(UNIT), confidence=0.9)["bits_per_byte"]
    whole, without = 9 / 15 / LN2, np.array([3 / 7, 8 / 13, 7 / 10]) / LN2
    half = 2.919985580 * math.sqrt(2 / 3 * np.sum((without - whole) ** 2))
    assert (measured.value, measured.low, measured.high) == pytest.approx(
        (whole, max(whole - half, 0), whole + half), rel=1e-9
    )


@pytest.mark.parametrize(
    ("weights", "absent"),
    [
        pytest.param((4.0, 1.0), "", id="all 1"),
        pytest.param((4.000002, 1.0), "", id="rounding"),
        pytest.param((4.00001, 1.0), "weights are not all 1", id="beyond rounding"),
        pytest.param((3.5, 1.5), "weights are not all 1", id="1 on average"),
    ],
)
def test_bits_per_byte_needs_weights_of_1(weights, absent):
    # Both in one bucket: an example that is off is noticed whatever the others add.
    rows = [
        example(6.0, weight, tokens=tokens, size=8)
        for weight, tokens in zip(weights, (4, 1), strict=True)
    ]
    ours, units = bucketed(rows, [3, 3]), bucketed(UNIT)
    for measured in (
        metrics.measure(ours, confidence=0.95),
        metrics.compare(ours, units, confidence=0.95),
        metrics.compare(units, ours, confidence=0.95),
    ):
        item = measured["bits_per_byte"]
        assert item.absent == absent
        assert math.isnan(item.value) is bool(absent)
        assert not (absent and item.has_interval)
        assert not measured["masked_token_loss"].absent


@pytest.mark.parametrize(
    ("rows", "reasons"),
    [
        pytest.param(
            [],
            {
                "masked_token_loss": "no token has weight > 0",
                "perplexity": "no token has weight > 0",
                "token_accuracy": "no token has weight > 0",
                "sequence_accuracy": "no token has weight > 0",
                "bits_per_byte": "no target bytes",
                "loss_per_word": "no target words",
                "calibration": "no token has weight > 0",
            },
            id="no example",
        ),
        pytest.param(
            [example(1.0, 1.0, size=0, **SURE)],
            {"bits_per_byte": "no target bytes", "loss_per_word": "no target words"},
            id="no bytes",
        ),
        pytest.param(
            [example(1e3, 1.0, size=1, target_words=1, **SURE)],
            {"perplexity": "too large for a float64"},
            id="overflow",
        ),
        pytest.param(
            [
                example(loss, 1.0, size=1, target_words=1, **SURE)
                for loss in (math.nan, math.inf, 1)
            ],
            {
                "masked_token_loss": "2 examples have a NaN or infinite score",
                "perplexity": "2 examples have a NaN or infinite score",
                "bits_per_byte": "2 examples have a NaN or infinite score",
                "loss_per_word": "2 examples have a NaN or infinite score",
            },
            id="NaN and Inf",
        ),
    ],
)
def test_a_metric_without_value_says_why(rows, reasons):
    measured = metrics.measure(bucketed(rows), confidence=0.95)
    assert {name: m.absent for name, m in measured.items() if m.absent} == reasons
    for name in reasons:
        assert math.isnan(measured[name].value)
        assert not measured[name].has_interval


def test_interval_is_the_delete_a_group_jackknife():
    # Three groups: loss/weight = 6/4, 1/.5, 9/3; whole 16/7.5; without each 10/3.5, 15/7, 7/4.5.
    sums = bucketed([example(6.0, 4.0), example(1.0, 0.5), example(9.0, 3.0)], [4, 11, 17])
    whole, without = 16 / 7.5, np.array([10 / 3.5, 15 / 7, 7 / 4.5])
    error = math.sqrt(2 / 3 * np.sum((without - whole) ** 2))
    half = 2.919985580 * error  # t(0.95, 2 degrees of freedom), from a printed table
    measured = metrics.measure(sums, confidence=0.9)["masked_token_loss"]
    assert (measured.low, measured.high) == pytest.approx(
        (max(whole - half, 0), whole + half), rel=1e-9
    )


def test_counts_have_no_interval_and_one_group_gives_none():
    measured = metrics.measure(bucketed(UNEQUAL[:1]), confidence=0.95)
    assert not any(item.has_interval for item in measured.values())


def test_intervals_stay_where_the_metric_can_be():
    rows = [example(0.0, 1.0, correct=1.0, right=1)] * 19 + [example(9.0, 1.0)]
    measured = metrics.measure(bucketed(rows), confidence=0.95)
    assert measured["token_accuracy"].high == 1.0
    assert measured["masked_token_loss"].low == 0.0


def test_difference_is_paired():
    # The same examples are hard for both models: each interval is wide, that of the difference not.
    noise = np.random.default_rng(3).exponential(4.0, 20)
    ours = bucketed([example(loss, 1.0) for loss in noise])
    theirs = bucketed([example(loss + 0.1 + 0.001 * i, 1.0) for i, loss in enumerate(noise)])
    diff = metrics.compare(ours, theirs, confidence=0.95)["masked_token_loss"]
    alone = metrics.measure(ours, confidence=0.95)["masked_token_loss"]
    # Equal weights: the jackknife of a mean is the textbook standard error of the mean.
    gaps = -(0.1 + 0.001 * np.arange(20))
    half = stats.t.ppf(0.975, 19) * gaps.std(ddof=1) / math.sqrt(20)
    assert diff.value == pytest.approx(gaps.mean(), rel=1e-9)
    assert (diff.low, diff.high) == pytest.approx(
        (gaps.mean() - half, gaps.mean() + half), rel=1e-9
    )
    assert alone.high - alone.low > 100 * (diff.high - diff.low)


def test_difference_where_the_models_weigh_different_examples():
    ours = bucketed([example(2.0, 1.0), example(4.0, 1.0), example(0.0, 0.0)])
    theirs = bucketed([example(0.0, 0.0), example(3.0, 1.0), example(5.0, 1.0)])
    diff = metrics.compare(ours, theirs, confidence=0.95)
    assert diff["masked_token_loss"].value == 3.0 - 4.0
    # Without each of the three groups: 4 - 4, 2 - 5, 3 - 3; v = 2/3 (1 + 4 + 1) = 4; t(.975, 2).
    half = 4.302652730 * 2
    bounds = (diff["masked_token_loss"].low, diff["masked_token_loss"].high)
    assert bounds == pytest.approx((-1 - half, -1 + half), rel=1e-9)
    assert diff["zero_weight_examples"].value == 0


def test_difference_is_absent_when_one_side_is():
    nothing, something = bucketed([]), bucketed([example(1.0, 1.0, size=1)])
    for pair in ((nothing, something), (something, nothing)):
        diff = metrics.compare(*pair, confidence=0.95)["masked_token_loss"]
        assert diff.absent == "no token has weight > 0"
        assert math.isnan(diff.value)


def test_coverage_of_the_interval():
    # Ratio of sums with unequal weights; 400 draws, 95 % intervals: the share has s.e. 1.1 %.
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(400):
        weights = rng.integers(1, 30, 400).astype(float)
        losses = weights * (2.0 + rng.normal(0, 1, 400))
        rows = np.zeros((400, len(SCORES)))
        rows[:, 0], rows[:, 1] = losses, weights
        sums = np.zeros((metrics.BUCKETS, len(SUMS)))
        np.add.at(sums, rng.integers(0, metrics.BUCKETS, 400), metrics.sums_of_examples(rows))
        measured = metrics.measure(sums, confidence=0.95)["masked_token_loss"]
        hits += measured.low <= 2.0 <= measured.high
    assert 0.91 <= hits / 400 <= 0.985
