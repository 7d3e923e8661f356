"""From sums to metrics, confidence intervals and differences between two models. NumPy only.

Everything starts from one array of sums per slice, float64 [G, C]: G jackknife buckets (an example
goes to the bucket of its hash, so the same one in every run and for both models), C sums as named
in `SUMS`. A metric is a function of the sums of all buckets: a ratio of two, divided once, or the
calibration error.

The interval is θ ± t(1-α/2, R-1)·√v with v = (R-1)/R · Σ_r (θ_(r) - θ)², where θ_(r) leaves out
bucket r and R counts the buckets that hold weight: the delete-a-group jackknife (Kott, "The
delete-a-group jackknife", Journal of Official Statistics 17(4), 2001). For a difference both models
leave out the same examples, so the interval is paired. TFMA's own jackknife draws its groups anew
in every run and centres on the resamples' mean; this one gives the same interval every time.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy import stats

from components.evaluator import calibration, identity
from components.evaluator.exact import Array
from components.evaluator.slicing import OVERALL, SliceKey
from components.weighted_mean import WeightedMean

MASKED_TOKEN_LOSS = "masked_token_loss"
PERPLEXITY = "perplexity"
TOKEN_ACCURACY = "token_accuracy"
SEQUENCE_ACCURACY = "sequence_accuracy"
BITS_PER_BYTE = "bits_per_byte"
LOSS_PER_WORD = "loss_per_word"
CALIBRATION = "calibration"
TOKEN_COUNT = "token_count"
TOKEN_WEIGHT = "token_weight"
EXAMPLE_COUNT = "example_count"
ZERO_WEIGHT_EXAMPLES = "zero_weight_examples"

BUCKETS = identity.BUCKETS
# What is known of an example, see `positions.scores_of`; the rest of SUMS is derived from these in
# `sums_of_examples`. `lacks_...` is 1 where the model's `score` does not say.
SCORES = (
    "loss_sum",
    "weight_sum",
    "token_count",
    "correct_sum",
    "sequence_correct",
    "target_bytes",
    "target_words",
    "unknown_bytes",
    "lacks_words",
    "lacks_unknown_bytes",
    "lacks_positions",
    "reweighted_tokens",
    *calibration.COLUMNS,
)
_COUNTED = ("examples", "weighted_examples", "reweighted_examples", "non_finite_examples")
SUMS = (*SCORES, "bits_sum", *_COUNTED)
_PLACES = {name: place for place, name in enumerate(SUMS)}
_CALIBRATION = [_PLACES[name] for name in calibration.COLUMNS]
# float32 sums of weights that are all 1 are exact below 2^24 tokens; this leaves room.
_UNIT_WEIGHT_TOLERANCE = 1e-6


class Formula(Protocol):
    """A metric as a function of sums.

    `denominator` is the sum without which there is no metric, `empty` what to say where it is 0,
    `lower` and `upper` the smallest and largest value; `refusals`: (a sum, why there is no metric
    where it is not 0).
    """

    @property
    def denominator(self) -> str: ...
    @property
    def empty(self) -> str: ...
    @property
    def lower(self) -> float: ...
    @property
    def upper(self) -> float: ...
    @property
    def refusals(self) -> tuple[tuple[str, str], ...]: ...

    def of(self, sums: Array) -> Array:
        """The metric [...] from sums [..., C]; NaN where the denominator is 0."""


@dataclasses.dataclass(frozen=True)
class Ratio:
    """transform(Σ numerator / Σ denominator); the rest as `Formula` says."""

    numerator: str
    denominator: str
    empty: str
    transform: Callable[[Array], Array] = lambda ratio: ratio
    lower: float = 0.0
    upper: float = math.inf
    refusals: tuple[tuple[str, str], ...] = ()

    def of(self, sums: Array) -> Array:
        numerator, denominator = (sums[..., _PLACES[n]] for n in (self.numerator, self.denominator))
        with np.errstate(over="ignore", invalid="ignore"):
            return self.transform(WeightedMean(numerator, denominator).result())


@dataclasses.dataclass(frozen=True)
class CalibrationError:
    """`calibration.error`; the rest as `Formula` says."""

    denominator: str
    empty: str
    lower: float = 0.0
    upper: float = 1.0
    refusals: tuple[tuple[str, str], ...] = ()

    def of(self, sums: Array) -> Array:
        return calibration.error(sums[..., _CALIBRATION])


_NO_WEIGHT = "no token has weight > 0"
# The loss is weighted; bytes and words are not.
_WEIGHTS = ("reweighted_examples", "weights are not all 1")
_EARLIER = "the model's score does not give {}: an earlier version exported it"
RATIOS: dict[str, Ratio] = {
    MASKED_TOKEN_LOSS: Ratio("loss_sum", "weight_sum", _NO_WEIGHT),
    PERPLEXITY: Ratio("loss_sum", "weight_sum", _NO_WEIGHT, transform=np.exp, lower=1.0),
    TOKEN_ACCURACY: Ratio("correct_sum", "weight_sum", _NO_WEIGHT, upper=1.0),
    SEQUENCE_ACCURACY: Ratio("sequence_correct", "weighted_examples", _NO_WEIGHT, upper=1.0),
    BITS_PER_BYTE: Ratio(
        "bits_sum",
        "target_bytes",
        "no target bytes",
        refusals=(_WEIGHTS, ("lacks_unknown_bytes", _EARLIER.format("unknown_bytes"))),
    ),
    LOSS_PER_WORD: Ratio(
        "loss_sum",
        "target_words",
        "no target words",
        refusals=(_WEIGHTS, ("lacks_words", _EARLIER.format("target_words"))),
    ),
}
FORMULAS: dict[str, Formula] = {
    **RATIOS,
    CALIBRATION: CalibrationError(
        "weight_sum",
        _NO_WEIGHT,
        refusals=(("lacks_positions", _EARLIER.format("position_confidence")),),
    ),
}
METRICS = (*FORMULAS, TOKEN_COUNT, TOKEN_WEIGHT, EXAMPLE_COUNT, ZERO_WEIGHT_EXAMPLES)
# Of all examples only, see `extras`: of seq2seq, and of tagging.
BLEU, CHRF, EXACT_MATCH = "bleu", "chrf", "exact_match"
TAG_MACRO_F1, SPAN_F1 = "tag_macro_f1", "span_f1"
EXTRAS = (BLEU, CHRF, EXACT_MATCH, TAG_MACRO_F1, SPAN_F1)
# What has no meaning on some of an example's tokens.
_OF_EXAMPLES = (SEQUENCE_ACCURACY, BITS_PER_BYTE, LOSS_PER_WORD, ZERO_WEIGHT_EXAMPLES)
_NOT_OF_TOKENS = "of whole examples only"


@dataclasses.dataclass(frozen=True)
class Measurement:
    """A metric's value, with its interval if there is one; `absent` says why there is no value."""

    value: float
    low: float = math.nan
    high: float = math.nan
    absent: str = ""

    @property
    def has_interval(self) -> bool:
        """Whether both bounds are numbers."""
        return math.isfinite(self.low) and math.isfinite(self.high)


Measurements = Mapping[str, Measurement]


@dataclasses.dataclass(frozen=True)
class SliceReport:
    """The metrics of a slice; `baseline` and `diff` (candidate - baseline) may be empty."""

    key: SliceKey
    candidate: Measurements
    baseline: Measurements = dataclasses.field(default_factory=dict)
    diff: Measurements = dataclasses.field(default_factory=dict)


def sums_of_examples(scores: Array) -> Array:
    """Return what one example adds to each of `SUMS`, [B, C], from its `SCORES`, [B, len(SCORES)].

    An example without weight adds to the example counts only, as if it had been deleted: models may
    call an empty sequence right, and its bytes carry no loss.
    """
    weights, tokens = (scores[:, SCORES.index(name)] for name in ("weight_sum", "token_count"))
    weighted = weights != 0
    finite = np.isfinite(scores).all(axis=1)
    # Weights of 0.5 and 1.5 add up to their number: where there are values by position, they tell.
    reweighted = ~np.isclose(weights, tokens, rtol=_UNIT_WEIGHT_TOLERANCE, atol=0)
    reweighted |= scores[:, SCORES.index("reweighted_tokens")] > 0
    counted = np.where((weighted | ~finite)[:, None], scores, 0.0)
    losses, unknown = (counted[:, SCORES.index(name)] for name in ("loss_sum", "unknown_bytes"))
    # A model that does not know a word has not said which one it is: that takes the word's bytes.
    bits = losses / math.log(2) + 8 * unknown
    counts = [np.ones(len(scores)), weighted, reweighted & finite, ~finite]
    return np.concatenate([counted, np.stack([bits, *counts], axis=1, dtype=np.float64)], axis=1)


def measure(sums: Array, *, confidence: float) -> dict[str, Measurement]:
    """Return all `METRICS` of one model on one slice from its sums [G, C]."""
    measurements = {name: _measurement(each, sums, confidence) for name, each in FORMULAS.items()}
    return measurements | {name: _counted(value) for name, value in _counts(sums).items()}


def compare(candidate: Array, baseline: Array, *, confidence: float) -> dict[str, Measurement]:
    """Return candidate - baseline for all `METRICS`, with paired intervals; sums are [G, C]."""
    differences = {}
    for name, formula in FORMULAS.items():
        groups = _groups(formula, candidate) | _groups(formula, baseline)
        ours, ours_without = _estimates(formula, candidate, groups)
        theirs, theirs_without = _estimates(formula, baseline, groups)
        absent = _absence(ours, formula, candidate) or _absence(theirs, formula, baseline)
        value = _or_nan(ours - theirs, absent)
        low, high = interval(value, ours_without - theirs_without, confidence)
        low, high = within(low, high, formula.lower - formula.upper, formula.upper - formula.lower)
        differences[name] = Measurement(value, low, high, absent)
    theirs_counts = _counts(baseline)
    counts = {n: _counted(value - theirs_counts[n]) for n, value in _counts(candidate).items()}
    return differences | counts


def report(
    key: SliceKey,
    candidate: Array,
    baseline: Array | None,
    *,
    confidence: float,
    no_baseline: str = "",
) -> SliceReport:
    """Return the report on one slice.

    Args:
      key: which.
      candidate, baseline: the models' sums, [G, C] each.
      confidence: level of the intervals.
      no_baseline: why this slice has none though others do.
    """
    ours = _meaningful(key, measure(candidate, confidence=confidence))
    if no_baseline:
        nothing = {name: Measurement(math.nan, absent=no_baseline) for name in METRICS}
        return SliceReport(key, ours, nothing, nothing)
    if baseline is None:
        return SliceReport(key, ours)
    theirs = _meaningful(key, measure(baseline, confidence=confidence))
    diff = _meaningful(key, compare(candidate, baseline, confidence=confidence))
    return SliceReport(key, ours, theirs, diff)


def has_meaning(metric: str, key: SliceKey) -> bool:
    """Return whether there can be such a metric of such a slice."""
    return not (key.is_of_tokens and metric in _OF_EXAMPLES)


def _meaningful(key: SliceKey, measured: Measurements) -> Measurements:
    nothing = Measurement(math.nan, absent=_NOT_OF_TOKENS)
    return {name: m if has_meaning(name, key) else nothing for name, m in measured.items()}


def overall(reports: Iterable[SliceReport]) -> SliceReport:
    """Return the report on all examples."""
    return next(item for item in reports if item.key == OVERALL)


def column(sums: Array, name: str) -> Array:
    """Return one of the `SUMS`, [...], from sums [..., C]."""
    return sums[..., _PLACES[name]]


def _groups(formula: Formula, sums: Array) -> npt.NDArray[np.bool_]:
    """Return which buckets hold weight, [G]."""
    return column(sums, formula.denominator) != 0


def _estimates(formula: Formula, sums: Array, groups: npt.NDArray[np.bool_]) -> tuple[float, Array]:
    """Return the metric and, per bucket chosen by `groups` [G], the metric without it, [R]."""
    # A matrix of ones and zeros rather than `total - bucket`: what is left of nothing is exactly 0.
    others = (1.0 - np.eye(len(sums)))[groups]
    with np.errstate(invalid="ignore"):
        return float(formula.of(sums.sum(axis=0))), formula.of(others @ sums)


def _measurement(formula: Formula, sums: Array, confidence: float) -> Measurement:
    value, without = _estimates(formula, sums, _groups(formula, sums))
    absent = _absence(value, formula, sums)
    value = _or_nan(value, absent)
    low, high = interval(value, without, confidence)
    return Measurement(value, *within(low, high, formula.lower, formula.upper), absent)


def within(low: float, high: float, least: float, most: float) -> tuple[float, float]:
    """Return an interval without what the metric cannot be; NaN stays.

    The jackknife's interval is symmetric and knows no range: near an end of it, where a good model's
    perplexity or accuracy is, it would promise a perplexity below 1 or an accuracy above 1.
    """
    return max(low, least), min(high, most)


def interval(value: float, without: Array, confidence: float) -> tuple[float, float]:
    """Return the jackknife interval of a value from those without one of R buckets each, [R]."""
    groups = len(without)
    if groups < 2 or not np.isfinite(without).all() or not math.isfinite(value):
        return math.nan, math.nan
    variance = (groups - 1) / groups * np.sum((without - value) ** 2)
    half = float(stats.t.ppf((1 + confidence) / 2, groups - 1) * np.sqrt(variance))
    return value - half, value + half


def _absence(value: float, formula: Formula, sums: Array) -> str:
    for name, reason in formula.refusals:
        if column(sums, name).any():
            return reason
    if math.isfinite(value):
        return ""
    if non_finite := int(column(sums, "non_finite_examples").sum()):
        some = "1 example has" if non_finite == 1 else f"{non_finite:,} examples have"
        return f"{some} a NaN or infinite score"
    return (
        formula.empty if column(sums, formula.denominator).sum() == 0 else "too large for a float64"
    )


def _or_nan(value: float, absent: str) -> float:
    return math.nan if absent else value


def _counted(value: float) -> Measurement:
    return Measurement(value, absent="" if math.isfinite(value) else "a score is not finite")


def _counts(sums: Array) -> dict[str, float]:
    totals = dict(zip(SUMS, sums.sum(axis=0).tolist(), strict=True))
    return {
        TOKEN_COUNT: totals["token_count"],
        TOKEN_WEIGHT: totals["weight_sum"],
        EXAMPLE_COUNT: totals["examples"],
        ZERO_WEIGHT_EXAMPLES: totals["examples"] - totals["weighted_examples"],
    }
