"""One limit on one slice, checked: what came out has a name, numbers and a sentence."""

import dataclasses
import math

from components.evaluator import wording
from components.evaluator.metrics import (
    EXAMPLE_COUNT,
    MASKED_TOKEN_LOSS,
    TOKEN_COUNT,
    ZERO_WEIGHT_EXAMPLES,
    Measurement,
    SliceReport,
)
from components.evaluator.outcomes import CHECKED, Outcome
from components.evaluator.slicing import OVERALL, SliceKey
from components.evaluator.thresholds import FINITE_LOSS, INTERVAL, Threshold

# Fewer examples hardly fill the jackknife's groups.
MIN_EXAMPLES = 20


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
        return not self.passed or self.outcome in CHECKED

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
        reason = loss.absent or "a score is NaN or infinite"
        text = f"{reason}, for instance that of example {non_finite_key}"
        outcome = Outcome.NOT_FINITE
    elif loss.absent:
        text = f"{MASKED_TOKEN_LOSS} has no value on the evaluated examples: {loss.absent}"
        outcome = Outcome.NO_VALUE
    else:
        text = f"{MASKED_TOKEN_LOSS} is a finite number in every example"
    passed = outcome == Outcome.FINITE
    return Finding(report.key, FINITE_LOSS, loss.value, passed, text, outcome)


def lacking(report: SliceReport, min_tokens: int, min_examples: int = MIN_EXAMPLES) -> str:
    """Return what the slice has too few of to be judged; empty if it has enough."""
    if report.key == OVERALL:
        return ""
    counted = (
        ("tokens", report.candidate[TOKEN_COUNT].value, max(min_tokens, 1)),
        ("examples", _examples(report), min_examples),
    )
    few = [
        f"it has {found:,.0f} {what}, and {least:,} are needed"
        for what, found, least in counted
        if found < least
    ]
    return few[0] if few else ""


def too_small(report: SliceReport, threshold: Threshold, min_tokens: int) -> Finding | None:
    """Return why the slice is too small for this threshold, if it is; overall never is."""
    few = lacking(report, min_tokens, MIN_EXAMPLES if threshold.judge == INTERVAL else 0)
    if not few:
        return None
    text = f" is not judged: {few}"
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
            text = f" cannot be compared with the last blessed model: {measured.absent}; {way_out}"
            return without_value(key, threshold, Outcome.NOT_COMPARABLE, text)
    else:
        measured = ours
        if measured.absent:
            text = f" has no value: {measured.absent}"
            return without_value(key, threshold, Outcome.NO_VALUE, text)
    outcome = _judged(threshold, measured)
    if threshold.is_change:
        theirs = report.baseline[threshold.metric].value
        statement = wording.of_change(threshold, measured, outcome, alpha, ours.value, theirs)
    else:
        statement = wording.of_value(threshold, measured, outcome, alpha)
    if outcome == Outcome.UNDECIDED:
        statement += f"; {_what_would_decide(report, threshold, measured)}"
    return Finding(
        key,
        threshold,
        measured.value,
        outcome in CHECKED,
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


def _what_would_decide(report: SliceReport, threshold: Threshold, measured: Measurement) -> str:
    examples = _examples(report)
    if not measured.has_interval:
        return f"how sure that is cannot be told from {_counted(examples)}"
    if not threshold.allows(measured.value) or measured.value == threshold.bound:
        what = "the change" if threshold.is_change else "the value"
        return (
            f"{what} itself is at that limit or beyond, so more examples like these would not help"
        )
    worst, _ = _worst_and_best(threshold, measured)
    # The interval shrinks with the root of the examples; what is there stays where it is.
    times = ((worst - measured.value) / (threshold.bound - measured.value)) ** 2
    if not math.isfinite(examples):
        return f"about {times:.2g} times as many examples like these would decide"
    more = _two_digits_up(examples * (times - 1))
    return f"about {more:,} more examples like these would decide"


def _counted(examples: float) -> str:
    if not math.isfinite(examples):
        return "these examples"
    return "1 example" if examples == 1 else f"{examples:,.0f} examples"


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
