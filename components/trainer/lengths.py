"""How long the training examples are and how they are padded, for history.json: small, and JSON."""

from collections import Counter
from typing import Any

import numpy as np

from components.trainer import buckets
from components.trainer.packing import PackedPlan

SIDES = ("target", "source")
_MOST_BINS = 48


def summary(plan: buckets.Plan | PackedPlan) -> dict[str, Any]:
    """What a plan says about an epoch.

    Returns:
      {"sides": [{"name", "bins": [[low, high, examples], ...]}], "buckets": [{"shape", "rows",
      "examples", "padding_share"}], "padding_share", "one_length_padding_share", "packed"}, where a
      bin holds low <= length <= high and the buckets are as planned, before what fills no batch
      goes on to another. {} without examples.
    """
    histogram = _histogram(plan)
    if histogram is None or not len(histogram.counts):
        return {}
    names = SIDES[: histogram.lengths.shape[1]]
    packed = isinstance(plan, PackedPlan)
    return {
        "sides": [
            {"name": name, "bins": _bins(lengths, histogram.counts)}
            for name, lengths in zip(names, histogram.lengths.T, strict=True)
        ],
        "buckets": [] if isinstance(plan, PackedPlan) else _buckets(plan, histogram),
        "padding_share": plan.padding_share,
        "one_length_padding_share": _one_length(histogram),
        "packed": packed,
    }


def _histogram(plan: buckets.Plan | PackedPlan) -> buckets.Histogram | None:
    if isinstance(plan, buckets.Plan):
        return plan.histogram
    found: Counter[buckets.Shape] = Counter()
    for block in plan.blocks:
        for pattern, rows in zip(block.patterns, block.counts, strict=True):
            for shape in pattern:
                found[shape] += rows
    if not found:
        return None
    lengths, counts = np.array(list(found), np.int64), np.array(list(found.values()), np.int64)
    return buckets.Histogram(*buckets.merged(lengths, counts), plan.shape)


def _bins(lengths: buckets.Ints, counts: buckets.Ints) -> list[list[int]]:
    """Neighbouring lengths together where there are many; all bins are equally wide."""
    low, high = int(lengths.min()), int(lengths.max())
    width = -(-(high - low + 1) // _MOST_BINS)
    totals: buckets.Ints = np.zeros((high - low) // width + 1, np.int64)
    np.add.at(totals, (lengths - low) // width, counts)
    starts = [low + width * index for index in range(len(totals))]
    return [[start, start + width - 1, int(n)] for start, n in zip(starts, totals, strict=True)]


def _buckets(plan: buckets.Plan, histogram: buckets.Histogram) -> list[dict[str, Any]]:
    shapes = [bucket.shape for bucket in plan.buckets]
    chosen = buckets.assign(histogram.lengths, shapes)
    real = np.bincount(
        chosen, weights=histogram.lengths.sum(axis=1) * histogram.counts, minlength=len(shapes)
    )
    return [
        {
            "shape": list(bucket.shape),
            "rows": bucket.rows,
            "examples": bucket.count,
            "padding_share": _padding(float(real[index]), bucket.count * sum(bucket.shape)),
        }
        for index, bucket in enumerate(plan.buckets)
    ]


def _one_length(histogram: buckets.Histogram) -> float:
    """The padding if every example was padded to the longest of each side."""
    real = float((histogram.lengths.sum(axis=1) * histogram.counts).sum())
    longest = int(histogram.lengths.max(axis=0).sum())
    return _padding(real, int(histogram.counts.sum()) * longest)


def _padding(real: float, positions: int) -> float:
    return 1 - real / positions if positions else 0.0
