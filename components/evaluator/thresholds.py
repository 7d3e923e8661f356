"""Limits on a metric: what they allow, on which slices, and how they are judged."""

import dataclasses
import json
import math
from collections.abc import Iterator

from components.errors import InputError
from components.evaluator.metrics import (
    EXAMPLE_COUNT,
    EXTRAS,
    MASKED_TOKEN_LOSS,
    METRICS,
    TOKEN_COUNT,
    TOKEN_WEIGHT,
    ZERO_WEIGHT_EXAMPLES,
)
from components.evaluator.slicing import OVERALL, SliceKey

MIN, MAX = "min", "max"
MAX_INCREASE, MAX_DECREASE = "max_increase", "max_decrease"
_LIMITS = (MIN, MAX, MAX_INCREASE, MAX_DECREASE)

# Where a limit holds.
ONLY_OVERALL, EVERY_SLICE, ONLY_SLICES = "overall", "*", "slices"

# Exact, so they have no interval.
COUNTS = (TOKEN_COUNT, TOKEN_WEIGHT, EXAMPLE_COUNT, ZERO_WEIGHT_EXAMPLES)

# What has to keep to a limit: the value itself, or the bound of its one-sided interval.
POINT, INTERVAL = "point", "interval"


@dataclasses.dataclass(frozen=True)
class Threshold:
    """One limit on one metric; `kind` is min, max, max_increase or max_decrease (vs. baseline)."""

    metric: str
    kind: str
    limit: float
    scope: str = ONLY_OVERALL
    judge: str = POINT

    @property
    def is_change(self) -> bool:
        """Whether it limits candidate - baseline rather than the candidate's value."""
        return self.kind in (MAX_INCREASE, MAX_DECREASE)

    @property
    def is_upper(self) -> bool:
        """Whether lower is better."""
        return self.kind in (MAX, MAX_INCREASE)

    @property
    def every_slice(self) -> bool:
        """Whether it judges slices."""
        return self.scope != ONLY_OVERALL

    @property
    def bound(self) -> float:
        """The limit as a bound on the value, or on candidate - baseline."""
        return -self.limit if self.kind == MAX_DECREASE else self.limit

    def judges(self, key: SliceKey) -> bool:
        """Whether it holds on this slice, if that has enough tokens."""
        return self.scope != ONLY_SLICES if key == OVERALL else self.every_slice

    def allows(self, value: float) -> bool:
        """Whether the value (or difference) keeps to the limit; the limit itself does, NaN not."""
        return value <= self.bound if self.is_upper else value >= self.bound


# A finite loss is one that any number bounds: the gate that is always there.
FINITE_LOSS = Threshold(MASKED_TOKEN_LOSS, MAX, math.inf)


def parse_thresholds(text: str) -> tuple[Threshold, ...]:
    """Return the thresholds of a JSON list of objects, one Threshold per limit.

    An object has `metric`, one or more of `min`, `max`, `max_increase`, `max_decrease`, and perhaps
    `slice`: "*" and `judge`: "point" or "interval". Changes are judged by their interval unless they
    say otherwise, values by themselves; counts have no interval.

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
        Threshold(
            item["metric"],
            kind,
            float(item[kind]),
            scope=EVERY_SLICE if item.get("slice") == EVERY_SLICE else ONLY_OVERALL,
            judge=item.get("judge") or _default_judge(item["metric"], kind),
        )
        for item in items
        for kind in _LIMITS
        if kind in item
    )


def _default_judge(metric: str, kind: str) -> str:
    return INTERVAL if kind in (MAX_INCREASE, MAX_DECREASE) and metric not in COUNTS else POINT


def _faults(index: int, item: object) -> Iterator[str]:
    where = f"thresholds[{index}]"
    if not isinstance(item, dict):
        yield f"{where}: expected an object, got {item!r}"
        return
    if unknown := sorted(set(item) - {"metric", "slice", "judge", *_LIMITS}):
        keys = ", ".join(("metric", "slice", "judge", *_LIMITS))
        yield f"{where}: unknown key {unknown[0]!r}, expected {keys}"
    if item.get("metric") not in (known := (*METRICS, *EXTRAS)):
        yield f"{where}.metric: got {item.get('metric')!r}, expected one of {', '.join(known)}"
    if item.get("slice") not in (None, EVERY_SLICE):
        yield f"{where}.slice: got {item['slice']!r}, expected '*' (every slice) or none (overall)"
    if item.get("judge") not in (None, POINT, INTERVAL):
        yield f"{where}.judge: got {item['judge']!r}, expected {POINT!r} or {INTERVAL!r}"
    elif item.get("judge") == INTERVAL and item.get("metric") in COUNTS:
        yield f"{where}.judge: {item.get('metric')} is a count, which has no interval"
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
