"""Which lengths batches are padded to: at most K shapes, planned from the data for little padding.

A shape is (T,) for one side and (T, S) for two. An example goes into the cheapest shape that holds
it; what it costs there is the sum of the shape's lengths. One side: the optimum, by a dynamic
programme over the lengths. Two sides: dynamic programmes over three orders of the examples, and
from the best of them, each shape in turn moved to where it saves most until none can be.
"""

import dataclasses
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Ints: TypeAlias = npt.NDArray[np.int64]
Costs: TypeAlias = npt.NDArray[np.float64]
Shape = tuple[int, ...]

# Lengths of each side that a plan for two sides tells apart; more are merged upwards.
_DISTINCT = 32
_SWEEPS = 12


@dataclass(frozen=True)
class Histogram:
    """How often each length, or pair of lengths, occurs.

    Attributes:
      lengths: int64 [N, D], distinct rows; D = 1 (targets) or 2 (targets, inputs).
      counts: int64 [N], examples of each.
      limits: D, the lengths that the contract allows.
    """

    lengths: Ints
    counts: Ints
    limits: Shape


@dataclass(frozen=True)
class Bucket:
    """Examples that are padded alike.

    Attributes:
      shape: positions of each side.
      rows: examples of a full batch.
      count: examples of an epoch that belong here.
      promoted_to: the bucket that takes the examples that fill no batch; None: a smaller batch.
    """

    shape: Shape
    rows: int
    count: int
    promoted_to: int | None


@dataclass(frozen=True)
class Plan:
    """The batches of an epoch, whatever its order.

    Attributes:
      buckets: in the order in which an example looks for the first that holds it.
      examples: of an epoch.
      batches_per_epoch: exact.
      micro_batches: batches for one update of `effective_size` tokens; 1 if that is not set.
      real_positions: of an epoch, both sides.
      positions: the same with padding.
      histogram: what was planned for.
    """

    buckets: tuple[Bucket, ...]
    examples: int
    batches_per_epoch: int
    micro_batches: int
    real_positions: int
    positions: int
    histogram: Histogram | None = dataclasses.field(default=None, compare=False, repr=False)

    @property
    def padding_share(self) -> float:
        """Share of the positions that are padding, both sides."""
        return 1 - self.real_positions / self.positions if self.positions else 0.0


def plan(
    histogram: Histogram,
    *,
    size: int,
    kind: Literal["examples", "tokens"] = "examples",
    shapes: int = 16,
    multiple: int = 1,
    effective_size: int = 0,
) -> Plan:
    """Plan the batches of an epoch.

    Args:
      histogram: of the training split.
      size: of a batch, in examples or in padded tokens of its longer side.
      kind: what `size` counts.
      shapes: the most shapes.
      multiple: lengths of shapes are multiples of this, as far as the contract allows.
      effective_size: target tokens of an update, in as many batches as that takes; 0: one batch.
    """
    found = best_shapes(histogram, shapes, multiple)
    counts = np.bincount(
        assign(histogram.lengths, found), weights=histogram.counts, minlength=len(found)
    )
    buckets = [
        Bucket(shape, _rows(shape, size, kind), int(count), None)
        for shape, count in zip(found, counts, strict=True)
    ]
    return _counted(histogram, buckets, effective_size)


def best_shapes(histogram: Histogram, most: int, multiple: int = 1) -> list[Shape]:
    """At most `most` shapes that hold all examples, cheapest first."""
    if not len(histogram.counts):
        return [histogram.limits]
    limits = np.array(histogram.limits)
    cells = np.maximum(histogram.lengths, 1)
    cells = np.minimum(-(-cells // multiple) * multiple, limits)
    cells, counts = merged(cells, histogram.counts)
    if cells.shape[1] == 1 or (cells[:, 0] == cells[:, 1]).all():
        shapes = _segments(cells, counts, most)
    else:
        shapes = _two_sided(cells, counts, most)
    return sorted({tuple(int(n) for n in shape) for shape in shapes}, key=lambda s: (sum(s), s))


def assign(lengths: Ints, shapes: Sequence[Shape]) -> Ints:
    """The first shape that holds each row of `lengths` [N, D] -> [N]."""
    fits = (lengths[:, None, :] <= np.array(shapes)[None]).all(axis=2)
    return np.asarray(fits.argmax(axis=1), np.int64)


def padded_positions(histogram: Histogram, shapes: Sequence[Shape]) -> int:
    """Positions of an epoch when each example is padded to its shape."""
    chosen = np.array(shapes)[assign(histogram.lengths, shapes)]
    return int((chosen.sum(axis=1) * histogram.counts).sum())


def _rows(shape: Shape, size: int, kind: str) -> int:
    return size if kind == "examples" else max(1, size // max(shape))


def _counted(histogram: Histogram, buckets: list[Bucket], effective_size: int) -> Plan:
    """Settle what becomes of the last rows of each bucket, and count the batches.

    A last batch of less than a quarter would make an update of a few examples count like any
    other: its rows go on to the next bucket that holds them. Larger ones stay as they are, as going
    on costs padding. Which rows are the last depends on the order; how many, does not.
    """
    left = [bucket.count for bucket in buckets]
    batches = 0
    positions = padded_positions(histogram, [bucket.shape for bucket in buckets])
    for index, bucket in enumerate(buckets):
        rest = left[index] % bucket.rows
        batches += left[index] // bucket.rows
        larger = _next_larger(buckets, index) if 0 < rest < bucket.rows / 4 else None
        if larger is not None:
            buckets[index] = dataclasses.replace(bucket, promoted_to=larger)
            left[larger] += rest
            positions += rest * (sum(buckets[larger].shape) - sum(bucket.shape))
        elif rest:
            batches += 1
    tokens = int((histogram.lengths[:, 0] * histogram.counts).sum())
    return Plan(
        buckets=tuple(buckets),
        examples=int(histogram.counts.sum()),
        batches_per_epoch=batches,
        micro_batches=max(1, math.ceil(effective_size * batches / tokens)) if tokens else 1,
        real_positions=int((histogram.lengths.sum(axis=1) * histogram.counts).sum()),
        positions=positions,
        histogram=histogram,
    )


def _next_larger(buckets: Sequence[Bucket], index: int) -> int | None:
    """The first bucket after this one that holds all of its examples."""
    shape = np.array(buckets[index].shape)
    for later in range(index + 1, len(buckets)):
        if (np.array(buckets[later].shape) >= shape).all():
            return later
    return None


def merged(cells: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """Equal rows of `cells` [N, D] made one, their counts added; sorted."""
    distinct, where = np.unique(cells, axis=0, return_inverse=True)
    totals: Ints = np.zeros(len(distinct), np.int64)
    np.add.at(totals, where.reshape(-1), counts)
    return distinct, totals


def _segments(cells: Ints, counts: Ints, most: int) -> list[Shape]:
    """Cut `cells` [N, D], in their order, into at most `most` runs of the least padded positions.

    Each run is padded to its largest lengths. best[k, n]: the cost of the first n cells in k runs.
    """
    size = len(cells)
    most = min(most, size)
    best = np.full((most + 1, size + 1), np.inf)
    best[:, 0] = 0
    start: Ints = np.zeros((most + 1, size + 1), np.int64)
    total = np.concatenate([[0], np.cumsum(counts)])
    for end in range(1, size + 1):
        # largest[i]: of cells[i:end]
        largest = np.maximum.accumulate(cells[:end][::-1])[::-1]
        cost = best[:-1, :end] + largest.sum(axis=1) * (total[end] - total[:end])
        start[1:, end] = cost.argmin(axis=1)
        best[1:, end] = cost.min(axis=1)
    shapes, end = [], size
    for runs in range(most, 0, -1):
        if end:
            begin = int(start[runs, end])
            shapes.append(tuple(cells[begin:end].max(axis=0)))
            end = begin
    return shapes


def _two_sided(cells: Ints, counts: Ints, most: int) -> list[Shape]:
    """Shapes for pairs: the best of three one-way cuts, then improved shape by shape."""
    coarse, coarse_counts = _coarse(cells, counts)
    starts = []
    for key in (coarse.sum(axis=1), coarse[:, 0], coarse[:, 1]):
        order = np.argsort(key, kind="stable")
        starts.append(_segments(coarse[order], coarse_counts[order], most))
    shapes = min(starts, key=lambda found: _total(coarse, coarse_counts, found))
    improved = _improved(coarse, coarse_counts, shapes)
    return _tight(cells, counts, improved)


def _coarse(cells: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """At most `_DISTINCT` lengths on each side, chosen as for that many shapes; others go up."""
    sides = []
    for side in cells.T:
        lengths, of_lengths = merged(side[:, None], counts)
        kept = sorted(shape[0] for shape in _segments(lengths, of_lengths, _DISTINCT))
        sides.append(np.array(kept)[np.searchsorted(kept, side)])
    return merged(np.stack(sides, axis=1), counts)


def _improved(cells: Ints, counts: Ints, shapes: list[Shape]) -> list[Shape]:
    """Move one shape at a time to where it saves most, until no move saves."""
    candidates = np.array(list(itertools.product(*(np.unique(side) for side in cells.T))))
    of_candidates = _costs(cells, candidates)
    found = np.array(shapes)
    lowest = _total(cells, counts, shapes)
    for _ in range(_SWEEPS):
        before = lowest
        for index in range(len(found)):
            others = _costs(cells, np.delete(found, index, axis=0)).min(axis=0, initial=np.inf)
            totals = np.minimum(of_candidates, others) @ counts
            if totals.min() < lowest:
                lowest = totals.min()
                found[index] = candidates[totals.argmin()]
        if lowest == before:
            break
    return [tuple(shape) for shape in found]


def _tight(cells: Ints, counts: Ints, shapes: list[Shape]) -> list[Shape]:
    """Each shape no larger than the examples that choose it; one that none chooses is left out."""
    ordered = sorted(set(shapes), key=sum)
    chosen = assign(cells, ordered)
    return [tuple(cells[chosen == index].max(axis=0)) for index in np.unique(chosen)]


def _costs(cells: Ints, shapes: Ints) -> Costs:
    """What an example of each cell costs in each shape [shapes, cells]; infinite if too long."""
    fits = (cells[None] <= shapes[:, None]).all(axis=2)
    return np.where(fits, shapes.sum(axis=1, dtype=np.float64)[:, None], np.inf)


def _total(cells: Ints, counts: Ints, shapes: Sequence[Shape]) -> float:
    return float(_costs(cells, np.array(shapes)).min(axis=0) @ counts)
