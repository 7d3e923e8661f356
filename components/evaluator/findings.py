"""One limit on one slice, checked: what came out has a name, numbers and a sentence."""

import dataclasses
import enum
import math

from components.evaluator.metrics import (
    EXAMPLE_COUNT,
    MASKED_TOKEN_LOSS,
    TOKEN_COUNT,
    ZERO_WEIGHT_EXAMPLES,
    Measurement,
    SliceReport,
)
from components.evaluator.slicing import OVERALL, SliceKey
from components.evaluator.thresholds import FINITE_LOSS, INTERVAL, Threshold

# Fewer examples hardly fill the jackknife's groups.
MIN_EXAMPLES = 20


class Outcome(enum.StrEnum):
    """What a check found, and what a verdict says of the whole; the names are in verdict.json."""

    FINITE = "finite"
    FIRST_MODEL = "first_model"
    BETTER = "better"
    NOT_WORSE = "not_worse"
    WITHIN_BOUNDS = "within_bounds"
    SLICE_TOO_SMALL = "slice_too_small"
    UNDECIDED = "undecided"
    VALUE_OUT_OF_BOUNDS = "value_out_of_bounds"
    WORSE = "worse"
    NOT_COMPARABLE = "not_comparable"
    BASELINE_UNUSABLE = "baseline_unusable"
    NO_VALUE = "no_value"
    NOT_FINITE = "not_finite"


# In a blessed verdict the others say what was not checked.
_CHECKED = (Outcome.FINITE, Outcome.BETTER, Outcome.NOT_WORSE, Outcome.WITHIN_BOUNDS)


@dataclasses.dataclass(frozen=True)
class Finding:
    """One checked threshold on one slice.

    Attributes:
      key: the slice.
      threshold: the limit.
      value: of the metric, or of its change; NaN where there is none.
      passed: whether the model may be blessed as far as this goes.
      text: the finding in words, with its numbers.
      outcome: its name.
      low, high: one-sided bounds at level 1 - alpha each; NaN where there are none.
    """

    key: SliceKey
    threshold: Threshold
    value: float
    passed: bool
    text: str
    outcome: Outcome
    low: float = math.nan
    high: float = math.nan

    @property
    def was_checked(self) -> bool:
        """Whether there was something to check, and it was."""
        return not self.passed or self.outcome in _CHECKED

    @property
    def bound(self) -> float:
        """What the threshold looked at: the value, or the bound of its interval."""
        if self.threshold.judge != INTERVAL:
            return self.value
        return self.high if self.threshold.is_upper else self.low


def name_of(key: SliceKey, threshold: Threshold) -> str:
    """Return what a finding is about."""
    return f"{threshold.metric} ({key.label})"


def without_value(key: SliceKey, threshold: Threshold, outcome: Outcome, text: str) -> Finding:
    """Return a finding where there is nothing to measure; it passes if the outcome says so."""
    passed = outcome in (Outcome.FIRST_MODEL, Outcome.SLICE_TOO_SMALL)
    return Finding(key, threshold, math.nan, passed, f"{name_of(key, threshold)}{text}", outcome)


_NOT_MEASURED = Measurement(math.nan, absent="it is not measured here")


def check_finite(report: SliceReport, non_finite_key: str) -> Finding:
    """Return whether every score is finite and some token has weight.

    Args:
      report: on all examples.
      non_finite_key: an example whose score is not finite; empty if there is none.
    """
    loss = report.candidate[MASKED_TOKEN_LOSS]
    outcome = Outcome.FINITE
    if non_finite_key:
        # A score other than the loss may be the one that is not finite; then the loss has a value.
        reason = loss.absent or "an example has a non-finite score"
        text = f"{reason}, for instance example {non_finite_key}"
        outcome = Outcome.NOT_FINITE
    elif loss.absent:
        text = f"{MASKED_TOKEN_LOSS} has no value on the evaluated examples: {loss.absent}"
        outcome = Outcome.NO_VALUE
    else:
        text = f"{MASKED_TOKEN_LOSS} is finite in every example"
    passed = outcome == Outcome.FINITE
    return Finding(report.key, FINITE_LOSS, loss.value, passed, text, outcome)


def too_small(report: SliceReport, threshold: Threshold, min_tokens: int) -> Finding | None:
    """Return why the slice is too small for this threshold, if it is; overall never is."""
    if report.key == OVERALL:
        return None
    tokens, examples = report.candidate[TOKEN_COUNT].value, _examples(report)
    if tokens < max(min_tokens, 1):
        text = f" is not judged: {tokens:,.0f} tokens, fewer than {max(min_tokens, 1):,}"
    elif threshold.judge == INTERVAL and examples < MIN_EXAMPLES:
        text = f" is not judged: {examples:,.0f} examples, fewer than {MIN_EXAMPLES}"
    else:
        return None
    return without_value(report.key, threshold, Outcome.SLICE_TOO_SMALL, text)


def check(report: SliceReport, threshold: Threshold, *, alpha: float, way_out: str) -> Finding:
    """Return whether a slice keeps to a threshold.

    Args:
      report: the slice, with intervals of confidence 1 - 2 alpha.
      threshold: the limit; one on the change needs a baseline in the report.
      alpha: of the one-sided bounds.
      way_out: what to do where there is nothing to compare.
    """
    key = report.key
    ours = report.candidate.get(threshold.metric, _NOT_MEASURED)
    if threshold.is_change:
        measured = report.diff.get(threshold.metric, _NOT_MEASURED)
        if measured.absent:
            text = f" cannot be compared: {measured.absent}; {way_out}"
            return without_value(key, threshold, Outcome.NOT_COMPARABLE, text)
    else:
        measured = ours
        if measured.absent:
            text = f" has no value: {measured.absent}"
            return without_value(key, threshold, Outcome.NO_VALUE, text)
    outcome = _judged(threshold, measured)
    statement = _statement(threshold, measured, outcome, alpha)
    if threshold.is_change:
        theirs = report.baseline[threshold.metric]
        statement += f" ({ours.value:.6g}, baseline {theirs.value:.6g})"
    if outcome == Outcome.UNDECIDED:
        statement += f"; {_what_would_decide(report, threshold, measured)}"
    return Finding(
        key,
        threshold,
        measured.value,
        outcome in _CHECKED,
        f"{name_of(key, threshold)} {statement}",
        outcome,
        measured.low,
        measured.high,
    )


def _judged(threshold: Threshold, measured: Measurement) -> Outcome:
    if threshold.judge != INTERVAL:
        allowed = threshold.allows(measured.value)
        return Outcome.WITHIN_BOUNDS if allowed else Outcome.VALUE_OUT_OF_BOUNDS
    worst, best = _worst_and_best(threshold, measured)
    if threshold.allows(worst):
        if not threshold.is_change:
            return Outcome.WITHIN_BOUNDS
        better = worst < 0 if threshold.is_upper else worst > 0
        return Outcome.BETTER if better else Outcome.NOT_WORSE
    if math.isnan(best) or threshold.allows(best):
        return Outcome.UNDECIDED
    return Outcome.WORSE if threshold.is_change else Outcome.VALUE_OUT_OF_BOUNDS


def _worst_and_best(threshold: Threshold, measured: Measurement) -> tuple[float, float]:
    bounds = (measured.high, measured.low)
    return bounds if threshold.is_upper else bounds[::-1]


def _statement(threshold: Threshold, measured: Measurement, outcome: Outcome, alpha: float) -> str:
    plus = "+" if threshold.is_change else ""
    value = f"{'changed by' if plus else 'is'} {measured.value:{plus}.6g}"
    limit = f"{threshold.bound:{plus}.6g}"
    if threshold.judge != INTERVAL:
        passed = outcome in _CHECKED
        upper, lower = ("<=", ">=") if passed else (">", "<")
        return f"{value}, {upper if threshold.is_upper else lower} {limit}"
    low, high = f"{measured.low:{plus}.4g}", f"{measured.high:{plus}.4g}"
    sure = f"with {100 * (1 - alpha):g} % confidence"
    worst, best = f"at most {high}", f"at least {low}"
    if not threshold.is_upper:
        worst, best = best, worst
    margin = "the margin" if threshold.is_change else "the limit"
    if not measured.has_interval:
        return f"is undecided: {value}, without an interval, {margin} is {limit}"
    verdict = {
        Outcome.BETTER: f"got better: {value}, {worst} {sure}, {margin} is {limit}",
        Outcome.NOT_WORSE: f"is not worse: {value}, {worst} {sure}, within {margin} {limit}",
        Outcome.WORSE: f"got worse: {value}, {best} {sure}, beyond {margin} {limit}",
        Outcome.WITHIN_BOUNDS: f"{value}, {worst} {sure}, within {margin} {limit}",
        Outcome.VALUE_OUT_OF_BOUNDS: f"{value}, {best} {sure}, beyond {margin} {limit}",
        Outcome.UNDECIDED: (
            f"is undecided: {value}, between {low} and {high} {sure} each, across {margin} {limit}"
        ),
    }
    return verdict[outcome]


def _what_would_decide(report: SliceReport, threshold: Threshold, measured: Measurement) -> str:
    examples = _examples(report)
    if not measured.has_interval:
        return f"{examples:,.0f} example(s) are too few for an interval"
    if not threshold.allows(measured.value) or measured.value == threshold.bound:
        return "more examples would bless it only if they brought it within"
    worst, _ = _worst_and_best(threshold, measured)
    # The interval shrinks with the root of the examples; what is there stays where it is.
    times = ((worst - measured.value) / (threshold.bound - measured.value)) ** 2
    if not math.isfinite(examples):
        return f"about {times:.2g} times as many examples like these would decide"
    more = _two_digits_up(examples * (times - 1))
    return f"about {more:,} more examples like these would decide"


def _two_digits_up(number: float) -> int:
    step = 10 ** max(0, math.floor(math.log10(max(number, 1))) - 1)
    return max(1, math.ceil(number / step)) * step


def _examples(report: SliceReport) -> float:
    """Examples with weight; infinite where the slice does not count them."""
    counted = report.candidate[EXAMPLE_COUNT]
    empty = report.candidate[ZERO_WEIGHT_EXAMPLES]
    if counted.absent:
        return math.inf
    return counted.value - (0.0 if empty.absent else empty.value)
