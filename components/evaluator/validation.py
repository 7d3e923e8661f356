"""From reports and thresholds to a verdict. Pure, and there is always a verdict, with reasons.

Two gates are always there: every score of the candidate is finite, and some token has weight. The
thresholds come on top. TFX's Evaluator writes no blessing at all when no threshold applies; then
nothing is ever pushed and no baseline is ever found.

A threshold on the change fails closed: where there is a last blessed model that cannot be compared
with, the candidate is not blessed. Only where nothing was ever blessed is the threshold left out.
"""

import dataclasses
import json
import math
from collections.abc import Iterator, Sequence

from components.errors import InputError
from components.evaluator.metrics import (
    MASKED_TOKEN_LOSS,
    METRICS,
    TOKEN_COUNT,
    Measurement,
    SliceReport,
    overall,
)
from components.evaluator.slicing import OVERALL, SliceKey

BASELINE_USED = "used"
BASELINE_NONE = "none"
BASELINE_UNUSABLE = "unusable"

_WAY_OUT = "remove the threshold for one run to accept this model without the comparison"

EVERY_SLICE = "*"
MIN, MAX = "min", "max"
MAX_INCREASE, MAX_DECREASE = "max_increase", "max_decrease"
_LIMITS = (MIN, MAX, MAX_INCREASE, MAX_DECREASE)


@dataclasses.dataclass(frozen=True)
class Threshold:
    """One limit on one metric; `kind` is min, max, max_increase or max_decrease (vs. baseline)."""

    metric: str
    kind: str
    limit: float
    every_slice: bool = False

    @property
    def is_change(self) -> bool:
        """Whether it limits candidate - baseline rather than the candidate's value."""
        return self.kind in (MAX_INCREASE, MAX_DECREASE)

    @property
    def bound(self) -> float:
        """The limit as a bound on the value, or on candidate - baseline."""
        return -self.limit if self.kind == MAX_DECREASE else self.limit

    def allows(self, value: float) -> bool:
        """Whether the value (or difference) keeps to the limit; the limit itself does, NaN not."""
        return value >= self.bound if self.kind in (MIN, MAX_DECREASE) else value <= self.bound


# A finite loss is one that any number bounds: the gate that is always there.
FINITE_LOSS = Threshold(MASKED_TOKEN_LOSS, MAX, math.inf)


@dataclasses.dataclass(frozen=True)
class Baseline:
    """Whether there was a model to compare with; `problem` says why it is unusable."""

    status: str = BASELINE_NONE
    problem: str = ""


@dataclasses.dataclass(frozen=True)
class Finding:
    """One checked threshold on one slice."""

    key: SliceKey
    threshold: Threshold
    value: float
    passed: bool
    text: str


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Blessed or not; the reasons are the failed checks, or the passed ones when blessed."""

    blessed: bool
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    baseline: Baseline
    findings: tuple[Finding, ...] = ()

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The checks that failed."""
        return tuple(finding for finding in self.findings if not finding.passed)


def parse_thresholds(text: str) -> tuple[Threshold, ...]:
    """Return the thresholds of a JSON list of objects, one Threshold per limit.

    Raises:
      InputError: one line per fault, all faults at once.
    """
    try:
        items = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"thresholds: expected a JSON list, got {text!r} ({error})") from None
    if not isinstance(items, list):
        raise InputError(f"thresholds: expected a JSON list, got {text!r}")
    if faults := [fault for index, item in enumerate(items) for fault in _faults(index, item)]:
        raise InputError("\n".join(faults))
    return tuple(
        Threshold(item["metric"], kind, float(item[kind]), item.get("slice") == EVERY_SLICE)
        for item in items
        for kind in _LIMITS
        if kind in item
    )


def _faults(index: int, item: object) -> Iterator[str]:
    where = f"thresholds[{index}]"
    if not isinstance(item, dict):
        yield f"{where}: expected an object, got {item!r}"
        return
    if unknown := sorted(set(item) - {"metric", "slice", *_LIMITS}):
        yield f"{where}: unknown key {unknown[0]!r}, expected metric, slice, {', '.join(_LIMITS)}"
    if item.get("metric") not in METRICS:
        yield f"{where}.metric: got {item.get('metric')!r}, expected one of {', '.join(METRICS)}"
    if item.get("slice") not in (None, EVERY_SLICE):
        yield f"{where}.slice: got {item['slice']!r}, expected '*' (every slice) or none (overall)"
    limits = [kind for kind in _LIMITS if kind in item]
    if not limits:
        yield f"{where}: no limit, expected at least one of {', '.join(_LIMITS)}"
    for kind in limits:
        value = item[kind]
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value):
            yield f"{where}.{kind}: got {value!r}, expected a finite number"
        elif kind in (MAX_INCREASE, MAX_DECREASE) and value < 0:
            yield f"{where}.{kind}: got {value!r}, expected a number >= 0"


def is_gated(report: SliceReport, min_tokens: int) -> bool:
    """Return whether `slice: *` thresholds judge this slice: overall always, else by its tokens."""
    return report.key == OVERALL or report.candidate[TOKEN_COUNT].value >= max(min_tokens, 1)


def decide(
    reports: Sequence[SliceReport],
    thresholds: Sequence[Threshold],
    *,
    min_tokens: int,
    baseline: Baseline,
    non_finite_key: str = "",
    notes: Sequence[str] = (),
) -> Verdict:
    """Return the verdict on the candidate.

    Args:
      reports: the slices, overall among them.
      thresholds: what to check; those on the change are skipped, and noted, only if there is no
        baseline yet: one that cannot be used, or lacks the metric, fails them.
      min_tokens: smaller slices are reported, not judged.
      baseline: whether the reports hold one, and if not why.
      non_finite_key: an example whose candidate score is not finite; empty if there is none.
      notes: notes to carry along.
    """
    told = [*notes, *_baseline_notes(thresholds, baseline)]
    findings = [_check_finite(overall(reports), non_finite_key)]
    findings += _unusable_baseline(thresholds, baseline)
    compared = baseline.status == BASELINE_USED
    checked = [threshold for threshold in thresholds if compared or not threshold.is_change]
    small = 0
    for report in reports:
        gated = is_gated(report, min_tokens)
        small += not gated
        findings += [
            _check(report, threshold)
            for threshold in checked
            if gated and (threshold.every_slice or report.key == OVERALL)
        ]
    if small and any(threshold.every_slice for threshold in thresholds):
        told.append(f"{small} slice(s) with fewer than {max(min_tokens, 1)} tokens: not judged")
    failed = [finding.text for finding in findings if not finding.passed]
    reasons = failed or [finding.text for finding in findings]
    return Verdict(not failed, tuple(reasons), tuple(told), baseline, tuple(findings))


def _check_finite(report: SliceReport, non_finite_key: str) -> Finding:
    loss = report.candidate[MASKED_TOKEN_LOSS]
    if non_finite_key:
        # A score other than the loss may be the one that is not finite; then the loss has a value.
        reason = loss.absent or "an example has a non-finite score"
        text = f"{reason}, for instance example {non_finite_key}"
    elif loss.absent:
        text = f"{MASKED_TOKEN_LOSS} has no value on the evaluated examples: {loss.absent}"
    else:
        text = f"{MASKED_TOKEN_LOSS} is finite in every example"
    passed = not non_finite_key and not loss.absent
    return Finding(report.key, FINITE_LOSS, loss.value, passed, text)


def _unusable_baseline(thresholds: Sequence[Threshold], baseline: Baseline) -> list[Finding]:
    """Return a failure of every threshold on the change; none where the baseline can be used."""
    if baseline.status != BASELINE_UNUSABLE:
        return []
    reason = f"the baseline model cannot be used ({baseline.problem})"
    return [
        _uncompared(OVERALL, threshold, reason) for threshold in thresholds if threshold.is_change
    ]


def _uncompared(key: SliceKey, threshold: Threshold, reason: str) -> Finding:
    name = f"{threshold.metric} ({key.label})"
    text = f"{name}: {threshold.kind} cannot be checked, {reason}; {_WAY_OUT}"
    return Finding(key, threshold, math.nan, False, text)


def _check(report: SliceReport, threshold: Threshold) -> Finding:
    name = f"{threshold.metric} ({report.key.label})"
    ours = report.candidate[threshold.metric]
    if ours.absent:
        text = f"{name} has no value: {ours.absent}"
        return Finding(report.key, threshold, math.nan, False, text)
    if threshold.is_change and (missing := report.baseline[threshold.metric].absent):
        return _uncompared(report.key, threshold, f"the baseline has no value ({missing})")
    measured = report.diff[threshold.metric] if threshold.is_change else ours
    passed = threshold.allows(measured.value)
    text = f"{name} {_statement(threshold, measured, passed)}"
    if threshold.is_change:
        text += f" ({ours.value:.6g}, baseline {report.baseline[threshold.metric].value:.6g})"
    return Finding(report.key, threshold, measured.value, passed, text)


def _statement(threshold: Threshold, measured: Measurement, passed: bool) -> str:
    upper = threshold.kind in (MAX, MAX_INCREASE)
    sign = ("<=" if upper else ">=") if passed else (">" if upper else "<")
    prefix = "changed by " if threshold.is_change else "is "
    plus = "+" if threshold.is_change else ""
    return f"{prefix}{measured.value:{plus}.6g}, {sign} {threshold.bound:{plus}.6g}"


def _baseline_notes(thresholds: Sequence[Threshold], baseline: Baseline) -> Iterator[str]:
    changes = sum(threshold.is_change for threshold in thresholds)
    if baseline.status == BASELINE_NONE:
        suffix = f": {changes} threshold(s) on the change are not checked" if changes else ""
        yield f"no baseline model{suffix}"
    elif baseline.status == BASELINE_UNUSABLE and not changes:  # otherwise it is a reason
        yield f"the baseline model cannot be used ({baseline.problem})"
