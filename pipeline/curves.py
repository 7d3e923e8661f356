"""The curves of a training run, as few points as a chart can show."""

import json
import math
import os
from collections.abc import Iterable, Sequence
from typing import Any

_MOST_POINTS = 100


def thinned(path: str, *, clip_norm: float) -> list[dict[str, Any]]:
    """The updates in `metrics.jsonl`, as many to a point as make 100 of them at most.

    Args:
      path: of the file; without one there are no points.
      clip_norm: `train.clip_norm`; 0: nothing is clipped.

    Returns:
      {"step", "updates", "gradient_norm" (mean), "largest_norm", "learning_rate", "clipped"} each,
      where step and rate are the last ones of the point's updates and `clipped` counts those whose
      gradient was longer than `clip_norm`.
    """
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        updates = [
            (line["step"], line["gradient_norm"], line["learning_rate"])
            for line in _of_updates(file)
        ]
    size = max(1, math.ceil(len(updates) / _MOST_POINTS))
    groups = (updates[start : start + size] for start in range(0, len(updates), size))
    return [_point(group, clip_norm) for group in groups]


def _of_updates(lines: Iterable[str]) -> Iterable[dict[str, Any]]:
    for text in lines:
        line = json.loads(text)
        if line["kind"] == "train" and line["gradient_norm"] is not None:
            yield line


def _point(updates: Sequence[tuple[int, float, float]], clip_norm: float) -> dict[str, Any]:
    norms = [norm for _, norm, _ in updates]
    return {
        "step": updates[-1][0],
        "updates": len(updates),
        "gradient_norm": math.fsum(norms) / len(norms),
        "largest_norm": max(norms),
        "learning_rate": updates[-1][2],
        "clipped": sum(norm > clip_norm for norm in norms) if clip_norm else 0,
    }
