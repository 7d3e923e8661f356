"""Which examples share a row: whole ones, packed best fit, so that hardly a position is padding.

Planned from the lengths alone. Examples of the same lengths stand in for each other, so a plan is a
list of patterns, each the lengths that fill a row and how many rows are filled like this. Every
epoch has these rows; which example of a length goes into which of them is the epoch's.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from components.trainer.buckets import Costs, Histogram, Ints, Shape, merged

# Sizes of a row that are tried, as multiples of what the longest example needs.
_FACTORS = (1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
# A share of padding that no longer row is tried to lower.
_GOOD = 0.015
# Sizes of examples of which all pairs are compared.
_COMPARED = 48

Pattern = tuple[Shape, ...]


@dataclass(frozen=True)
class Block:
    """The rows that are made of examples which are read together.

    Attributes:
      patterns: the lengths of a row's examples, the longest target first.
      counts: rows of each pattern.
    """

    patterns: tuple[Pattern, ...]
    counts: tuple[int, ...]

    @property
    def rows(self) -> int:
        return sum(self.counts)

    @property
    def examples(self) -> int:
        pairs = zip(self.patterns, self.counts, strict=True)
        return sum(len(pattern) * count for pattern, count in pairs)


@dataclass(frozen=True)
class PackedPlan:
    """The batches of an epoch, whatever its order.

    Attributes:
      shape: positions of a row, on each side.
      rows: of a full batch.
      blocks: in the order in which their examples are read.
      micro_batches: batches for one update of `effective_size` tokens; 1 if that is not set.
      real_positions: of an epoch, both sides.
    """

    shape: Shape
    rows: int
    blocks: tuple[Block, ...]
    micro_batches: int
    real_positions: int

    @property
    def examples(self) -> int:
        return sum(block.examples for block in self.blocks)

    @property
    def batches_per_epoch(self) -> int:
        """Exact: each block is cut into batches of about the same number of rows."""
        return sum(batches_of(block.rows, self.rows) for block in self.blocks)

    @property
    def positions(self) -> int:
        """Of an epoch, with padding."""
        return sum(block.rows for block in self.blocks) * sum(self.shape)

    @property
    def padding_share(self) -> float:
        """Share of the positions that are padding, both sides."""
        return 1 - self.real_positions / self.positions if self.positions else 0.0


def plan(
    blocks: Sequence[Histogram],
    *,
    size: int,
    kind: Literal["examples", "tokens"] = "examples",
    effective_size: int = 0,
) -> PackedPlan:
    """Plan the rows of an epoch.

    Args:
      blocks: the lengths of the examples that are read together; at least one, with the same limits.
      size: of a batch, in examples (on average) or in positions of the longer side of its rows.
      kind: what `size` counts.
      effective_size: target tokens of an update, in as many batches as that takes; 0: one batch.
    """
    lengths = np.concatenate([block.lengths for block in blocks])
    counts = np.concatenate([block.counts for block in blocks])
    whole = Histogram(*merged(lengths, counts), blocks[0].limits)
    shape, block = best_row(whole, size if kind == "tokens" else None)
    packed = (block,) if len(blocks) == 1 else tuple(best_fit(one, shape) for one in blocks)
    rows = _rows(sum(one.rows for one in packed), int(counts.sum()), shape, size, kind)
    batches = sum(batches_of(one.rows, rows) for one in packed)
    tokens = int((lengths[:, 0] * counts).sum())
    return PackedPlan(
        shape=shape,
        rows=rows,
        blocks=packed,
        micro_batches=max(1, math.ceil(effective_size * batches / tokens)) if tokens else 1,
        real_positions=int((lengths.sum(axis=1) * counts).sum()),
    )


def _rows(rows: int, examples: int, shape: Shape, size: int, kind: str) -> int:
    """Of a full batch; with examples, as many as hold `size` of them on average."""
    if kind == "tokens":
        return max(1, size // max(shape))
    return max(1, round(size * rows / max(1, examples)))


def batches_of(rows: int, most: int) -> int:
    """Batches that so many rows make, with at most `most` in each."""
    return -(-rows // most)


def best_row(histogram: Histogram, longest: int | None = None) -> tuple[Shape, Block]:
    """The shortest row that is filled well, or else the one that is filled best, and its block.

    Longer rows fill better, but attention costs the square of their length.

    Args:
      histogram: of all examples.
      longest: the most positions of a side, as far as the examples allow; None: as many as needed.
    """
    real = int((histogram.lengths.sum(axis=1) * histogram.counts).sum())
    best: tuple[float, Shape, Block] | None = None
    for shape in _row_sizes(histogram, longest):
        block = best_fit(histogram, shape)
        padding = 1 - real / max(1, block.rows * sum(shape))
        if best is None or padding < best[0]:
            best = padding, shape, block
        if padding <= _GOOD:
            break
    assert best is not None  # there is always a size
    return best[1:]


def _row_sizes(histogram: Histogram, longest: int | None) -> Iterator[Shape]:
    """Sizes from the longest example's on; sides in proportion, so that both are filled at once."""
    totals = (histogram.lengths * histogram.counts[:, None]).sum(axis=0)
    smallest = np.maximum(histogram.lengths.max(axis=0, initial=1), 1)
    if not totals.all():  # a side without a token, or no example at all
        yield _shape(smallest)
        return
    largest = np.maximum(smallest, longest or _FACTORS[-1] * smallest.max())
    unit = totals * (smallest / totals).max()
    sizes = [_shape(np.clip(np.rint(unit * factor), smallest, largest)) for factor in _FACTORS]
    yield from dict.fromkeys(sizes)


def _shape(values: Iterable[float]) -> Shape:
    return tuple(int(n) for n in values)


def best_fit(histogram: Histogram, shape: Shape) -> Block:
    """Pack all examples into rows of `shape`, one row after the other.

    A row starts with the largest example that is left; then comes the larger of those two that, both
    put in, would leave the least room, or the one that alone would. What was found for one row is
    done as often as there are such examples.

    Raises:
      ValueError: an example is longer than a row.
    """
    if (histogram.lengths > np.array(shape)).any():
        raise ValueError(f"got examples of {histogram.lengths.max(axis=0)}, expected up to {shape}")
    shares = histogram.lengths / np.array(shape)
    largest_first = np.lexsort((*histogram.lengths.T, shares.sum(axis=1), shares.max(axis=1)))[::-1]
    lengths, left = histogram.lengths[largest_first], histogram.counts[largest_first]
    found: Counter[Pattern] = Counter()
    while len(left):
        used = _row(lengths, left, np.array(shape))
        rows = int((left[used > 0] // used[used > 0]).min())
        # The longest target first: the empty ones come last.
        found[tuple(sorted(map(_shape, np.repeat(lengths, used, axis=0)), reverse=True))] += rows
        left = left - rows * used
        lengths, left = lengths[left > 0], left[left > 0]
    return Block(tuple(found), tuple(found.values()))


def _row(lengths: Ints, left: Ints, shape: Ints) -> Ints:
    """How many of each size [N, D] the next row takes, int64 [N], of those that are left [N]."""
    used = np.zeros_like(left)
    if not lengths[0].any():  # the largest is empty
        return left
    room, chosen = shape, 0
    while True:
        used[chosen] += 1
        room = room - lengths[chosen]
        fits = np.flatnonzero((left > used) & (lengths <= room).all(axis=1) & lengths.any(axis=1))
        if not len(fits):
            return used
        chosen = int(fits[_next(lengths[fits], (left - used)[fits], room, shape)])


def _next(lengths: Ints, left: Ints, room: Ints, shape: Ints) -> int:
    """The index of the size [N, D], largest first, to put into the room [D]; each fits."""
    some = np.unique(np.linspace(0, len(lengths) - 1, _COMPARED).astype(int))
    alone = _waste(room - lengths, shape)
    room_left = room - lengths[some, None] - lengths[some]  # [n, n, D]
    both = np.where((room_left >= 0).all(axis=2), _waste(room_left, shape), np.inf)
    diagonal = np.arange(len(some))
    both[diagonal, diagonal] = np.where(left[some] > 1, both[diagonal, diagonal], np.inf)
    if both.min() > alone.min():
        return int(alone.argmin())
    return int(some[min(np.unravel_index(both.argmin(), both.shape))])


def _waste(room: Ints, shape: Ints) -> Costs:
    """Of room [..., D]: small if little is left, and on both sides alike."""
    return np.asarray(np.square(room / shape).sum(axis=-1))
