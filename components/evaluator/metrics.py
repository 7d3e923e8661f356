"""From sums to metrics, confidence intervals and differences between two models. NumPy only.

Everything starts from one array of sums per slice, float64 [G, C]: G jackknife buckets (an example
goes to the bucket of its hash, so the same one in every run and for both models), C sums as named
in `SUMS`. A metric is a ratio of two sums, divided once.

The interval is θ ± t(1-α/2, R-1)·√v with v = (R-1)/R · Σ_r (θ_(r) - θ)², where θ_(r) leaves out
bucket r and R counts the buckets that hold weight: the delete-a-group jackknife (Kott, "The
delete-a-group jackknife", Journal of Official Statistics 17(4), 2001). For a difference both models
leave out the same examples, so the interval is paired. TFMA's own jackknife draws its groups anew
in every run and centres on the resamples' mean; this one gives the same interval every time.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import stats

from components.evaluator.slicing import OVERALL, SliceKey
from components.weighted_mean import WeightedMean

MASKED_TOKEN_LOSS = "masked_token_loss"
PERPLEXITY = "perplexity"
TOKEN_ACCURACY = "token_accuracy"
SEQUENCE_ACCURACY = "sequence_accuracy"
BITS_PER_BYTE = "bits_per_byte"
TOKEN_COUNT = "token_count"
TOKEN_WEIGHT = "token_weight"
EXAMPLE_COUNT = "example_count"
ZERO_WEIGHT_EXAMPLES = "zero_weight_examples"

BUCKETS = 20
# What is read from the model; the rest of SUMS is derived from these, see `sums_of_examples`.
SCORES = (
    "loss_sum",
    "weight_sum",
    "token_count",
    "correct_sum",
    "sequence_correct",
    "target_bytes",
)
SUMS = (*SCORES, "examples", "weighted_examples", "reweighted_examples", "non_finite_examples")
# float32 sums of weights that are all 1 are exact below 2^24 tokens; this leaves room.
_UNIT_WEIGHT_TOLERANCE = 1e-6

Array: TypeAlias = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Ratio:
    """transform(Σ numerator / Σ denominator), and what to say when the denominator is 0.

    `unit_weights`: it means something only where every token that counts has weight 1.
    """

    numerator: str
    denominator: str
    empty: str
    transform: Callable[[Array], Array] = lambda ratio: ratio
    upper: float = math.inf
    unit_weights: bool = False


_NO_WEIGHT = "no token has weight > 0"
RATIOS: dict[str, Ratio] = {
    MASKED_TOKEN_LOSS: Ratio("loss_sum", "weight_sum", _NO_WEIGHT),
    PERPLEXITY: Ratio("loss_sum", "weight_sum", _NO_WEIGHT, transform=np.exp),
    TOKEN_ACCURACY: Ratio("correct_sum", "weight_sum", _NO_WEIGHT, upper=1.0),
    SEQUENCE_ACCURACY: Ratio("sequence_correct", "weighted_examples", _NO_WEIGHT, upper=1.0),
    # The loss is weighted, the bytes are not.
    BITS_PER_BYTE: Ratio(
        "loss_sum",
        "target_bytes",
        "no target bytes",
        transform=lambda nats: nats / math.log(2),
        unit_weights=True,
    ),
}
METRICS = (*RATIOS, TOKEN_COUNT, TOKEN_WEIGHT, EXAMPLE_COUNT, ZERO_WEIGHT_EXAMPLES)


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
    reweighted = ~np.isclose(weights, tokens, rtol=_UNIT_WEIGHT_TOLERANCE, atol=0)
    counted = np.where((weighted | ~finite)[:, None], scores, 0.0)
    counts = np.stack([np.ones(len(scores)), weighted, reweighted & finite, ~finite], axis=1)
    return np.concatenate([counted, counts.astype(np.float64)], axis=1)


def measure(sums: Array, *, confidence: float) -> dict[str, Measurement]:
    """Return all `METRICS` of one model on one slice from its sums [G, C]."""
    measurements = {name: _measurement(ratio, sums, confidence) for name, ratio in RATIOS.items()}
    return measurements | {name: Measurement(value) for name, value in _counts(sums).items()}


def compare(candidate: Array, baseline: Array, *, confidence: float) -> dict[str, Measurement]:
    """Return candidate - baseline for all `METRICS`, with paired intervals; sums are [G, C]."""
    differences = {}
    for name, ratio in RATIOS.items():
        groups = _groups(ratio, candidate) | _groups(ratio, baseline)
        ours, ours_without = _estimates(ratio, candidate, groups)
        theirs, theirs_without = _estimates(ratio, baseline, groups)
        absent = _absence(ours, ratio, candidate) or _absence(theirs, ratio, baseline)
        value = _or_nan(ours - theirs, absent)
        low, high = _interval(value, ours_without - theirs_without, confidence)
        differences[name] = Measurement(value, low, high, absent)
    theirs_counts = _counts(baseline)
    counts = {n: Measurement(value - theirs_counts[n]) for n, value in _counts(candidate).items()}
    return differences | counts


def report(
    key: SliceKey, candidate: Array, baseline: Array | None, *, confidence: float
) -> SliceReport:
    """Return the report on one slice from the models' sums, [G, C] each."""
    ours = measure(candidate, confidence=confidence)
    if baseline is None:
        return SliceReport(key, ours)
    theirs = measure(baseline, confidence=confidence)
    return SliceReport(key, ours, theirs, compare(candidate, baseline, confidence=confidence))


def overall(reports: Iterable[SliceReport]) -> SliceReport:
    """Return the report on all examples."""
    return next(item for item in reports if item.key == OVERALL)


def column(sums: Array, name: str) -> Array:
    """Return one of the `SUMS`, [G]."""
    return sums[:, SUMS.index(name)]


def _groups(ratio: Ratio, sums: Array) -> npt.NDArray[np.bool_]:
    """Return which buckets hold weight, [G]."""
    return column(sums, ratio.denominator) != 0


def _estimates(ratio: Ratio, sums: Array, groups: npt.NDArray[np.bool_]) -> tuple[float, Array]:
    """Return the metric and, per bucket chosen by `groups` [G], the metric without it, [R]."""
    mean = WeightedMean(column(sums, ratio.numerator), column(sums, ratio.denominator))
    # A matrix of ones and zeros rather than `total - bucket`: what is left of nothing is exactly 0.
    others = (1.0 - np.eye(len(sums)))[groups]
    with np.errstate(over="ignore", invalid="ignore"):
        whole = WeightedMean(np.sum(mean.total), np.sum(mean.weight)).result()
        without = WeightedMean(others @ mean.total, others @ mean.weight).result()
        return float(ratio.transform(whole)), ratio.transform(without)


def _measurement(ratio: Ratio, sums: Array, confidence: float) -> Measurement:
    value, without = _estimates(ratio, sums, _groups(ratio, sums))
    absent = _absence(value, ratio, sums)
    value = _or_nan(value, absent)
    low, high = _interval(value, without, confidence)
    return Measurement(value, max(low, 0.0), min(high, ratio.upper), absent)


def _interval(value: float, without: Array, confidence: float) -> tuple[float, float]:
    groups = len(without)
    if groups < 2 or not np.isfinite(without).all() or not math.isfinite(value):
        return math.nan, math.nan
    variance = (groups - 1) / groups * np.sum((without - value) ** 2)
    half = float(stats.t.ppf((1 + confidence) / 2, groups - 1) * np.sqrt(variance))
    return value - half, value + half


def _absence(value: float, ratio: Ratio, sums: Array) -> str:
    if ratio.unit_weights and column(sums, "reweighted_examples").any():
        return "weights are not all 1"
    if math.isfinite(value):
        return ""
    if non_finite := int(column(sums, "non_finite_examples").sum()):
        return f"{non_finite} example(s) have a non-finite score"
    return ratio.empty if column(sums, ratio.denominator).sum() == 0 else "too large for a float64"


def _or_nan(value: float, absent: str) -> float:
    return math.nan if absent else value


def _counts(sums: Array) -> dict[str, float]:
    totals = dict(zip(SUMS, sums.sum(axis=0).tolist(), strict=True))
    return {
        TOKEN_COUNT: totals["token_count"],
        TOKEN_WEIGHT: totals["weight_sum"],
        EXAMPLE_COUNT: totals["examples"],
        ZERO_WEIGHT_EXAMPLES: totals["examples"] - totals["weighted_examples"],
    }
