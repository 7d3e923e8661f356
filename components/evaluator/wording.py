"""What was found, in words for a reader who knows none of ours: a number, how sure, what is asked."""

from components.evaluator.metrics import Measurement
from components.evaluator.outcomes import CHECKED, Outcome
from components.evaluator.thresholds import INTERVAL, Threshold

_CHANGES = {
    Outcome.BETTER: "is better than the last blessed model's",
    Outcome.NOT_WORSE: "is not worse than allowed",
    Outcome.WORSE: "is worse than the last blessed model's",
    Outcome.WITHIN_BOUNDS: "changed no more than allowed",
    Outcome.VALUE_OUT_OF_BOUNDS: "changed more than allowed",
    Outcome.UNDECIDED: "is undecided",
}


def of_value(threshold: Threshold, measured: Measurement, outcome: Outcome, alpha: float) -> str:
    """Say whether a value is as required.

    Args:
      threshold: what is required.
      measured: the value, with one-sided bounds of level 1 - alpha each.
      outcome: what was found.
      alpha: of the bounds.
    """
    value = f"{measured.value:.6g}{_sure(threshold, measured, outcome, alpha)}"
    joined = "and" if outcome in CHECKED else "but"
    undecided = "is undecided: it " if outcome == Outcome.UNDECIDED else ""
    return f"{undecided}is {value}, {joined} {required(threshold)}"


def of_change(
    threshold: Threshold,
    measured: Measurement,
    outcome: Outcome,
    alpha: float,
    ours: float,
    theirs: float,
) -> str:
    """Say whether the change from the last blessed model is allowed.

    Args:
      threshold: what is allowed.
      measured: the change, with one-sided bounds of level 1 - alpha each.
      outcome: what was found.
      alpha: of the bounds.
      ours, theirs: the values of the candidate and of the last blessed model.
    """
    sure = _sure(threshold, measured, outcome, alpha)
    numbers = f"{ours:.6g} after {theirs:.6g}, a change of {measured.value:+.6g}{sure}"
    joined = "and" if outcome in CHECKED else "but"
    return f"{_CHANGES[outcome]}: {numbers}, {joined} {required(threshold)}"


def required(threshold: Threshold) -> str:
    """Say what a threshold asks, as the end of a sentence."""
    if not threshold.is_change:
        side = "at most" if threshold.is_upper else "at least"
        return f"{side} {threshold.bound:.6g} is required"
    if threshold.limit == 0:
        return f"no {'increase' if threshold.is_upper else 'decrease'} is allowed"
    return f"{'up' if threshold.is_upper else 'down'} to {threshold.bound:+.6g} is allowed"


def confidence(alpha: float) -> str:
    """Say the level of a one-sided bound."""
    return f"with {100 * (1 - alpha):g} % confidence"


def _sure(threshold: Threshold, measured: Measurement, outcome: Outcome, alpha: float) -> str:
    """Say how far the truth may be from the number; nothing where the number itself is judged."""
    if threshold.judge != INTERVAL or not measured.has_interval:
        return ""
    plus = "+" if threshold.is_change else ""
    low, high = f"{measured.low:{plus}.4g}", f"{measured.high:{plus}.4g}"
    if outcome == Outcome.UNDECIDED:
        return f" (from {low} to {high}, each end {confidence(alpha)})"
    is_high = threshold.is_upper == (outcome in CHECKED)  # the end that was looked at
    end = f"at most {high}" if is_high else f"at least {low}"
    return f" ({end} {confidence(alpha)})"
