"""How a run started, in words; for the terminal and the report, so without TensorFlow."""

from collections.abc import Mapping
from typing import Any

NO_BASE = "no earlier blessed model of other data"
NEVER = "train.warm_start is never"


def described(facts: Mapping[str, Any]) -> str:
    """One line from `History.start`: `WarmStart.facts`, or {"reason"} of a start from scratch."""
    if not facts:
        return ""
    if "model" not in facts:
        return f"started from scratch: {facts['reason']}"
    rows = "; ".join(f"{side} {_counted(counts)}" for side, counts in facts["rows"].items())
    anew = [name for name, had in facts["slots"].items() if not had]
    slots = f"; the optimizer's {' and '.join(anew)} from 0" if anew else ""
    return f"started from {facts['model']}: {rows}{slots}"


def _counted(counts: Mapping[str, int]) -> str:
    left_out = f", {counts['left_out']:,} left out" if counts["left_out"] else ""
    return (
        f"{counts['kept']:,} rows kept, {counts['moved']:,} moved, {counts['new']:,} new{left_out}"
    )
