"""Which rows of a split are looked at: raw, as Transform wrote them, and where they are from.

The n-th row of a raw shard is the n-th of the transformed shard, as Transform writes one of the other
in order; TFRecords carry no key. Chosen are the longest rows, which are cut or windowed if any are, and
others at random, the same ones each time.
"""

import heapq
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from components import records, shards
from components.errors import InputError
from components.example_gen.places import NotedPlaces, shard_name

_BATCH = 1024
_LONGEST = 8  # one row in so many is one of the longest


@dataclass(frozen=True)
class Row:
    """One row of a split; `place` is its file and line, or its shard and number from 1.

    `at`: shard and number, from 0.
    """

    raw: bytes
    transformed: bytes
    place: str
    at: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Split:
    """The chosen rows, in the order of the split; `faults` says where the two do not match."""

    rows: tuple[Row, ...]
    available: int
    faults: tuple[str, ...] = ()


def choose(
    raw: str,
    transformed: str,
    *,
    count: int,
    report: str = "",
    also: Collection[tuple[int, int]] = (),
) -> Split:
    """Choose up to `count` rows of a split, and some that are named.

    Args:
      raw: folder of ExampleGen's shards.
      transformed: folder of Transform's.
      count: how many.
      report: folder of ExampleGen's report, which knows files and lines; "": there is none.
      also: shard and number, from 0, of the others.

    Raises:
      InputError: there is no row.
    """
    files, others = shards.files(raw), shards.files(transformed)
    chosen, counts = _chosen(files, count, also)
    if not chosen:
        raise InputError(f"{raw}: got no row in {len(files)} file(s), expected an eval split")
    faults = []
    noted = NotedPlaces.read(report)
    if len(files) != len(others):
        faults.append(f"got {len(others)} transformed shard(s), expected {len(files)}")
    rows = []
    for shard, (file, other) in enumerate(zip(files, others, strict=False)):
        wanted = chosen.get(shard, {})
        found, size = _numbered(other, wanted)
        if size != counts[shard]:
            text = f"got {size} transformed rows of the {counts[shard]} in {os.path.basename(file)}"
            faults.append(f"{text}, expected all")
            continue  # which is which is not known
        known = noted.of(file, wanted, of_all=counts[shard])
        for at in sorted(wanted):
            place = known.get(at, f"{shard_name(file)}, row {at + 1}")
            rows.append(Row(wanted[at], found[at], place, (shard, at)))
    return Split(tuple(rows), sum(counts), tuple(faults))


def _chosen(
    files: Sequence[str], count: int, also: Collection[tuple[int, int]]
) -> tuple[dict[int, dict[int, bytes]], list[int]]:
    """Rows by shard and number, and how many each shard has."""
    named: dict[tuple[int, int], bytes] = {}
    longest: list[tuple[float, int, int, bytes]] = []
    random: list[tuple[float, int, int, bytes]] = []
    counts = []
    for shard, file in enumerate(files):
        draw, number = np.random.default_rng(shard), 0
        for batch in _batches(file):
            sizes = tf.strings.length(batch).numpy().astype(float)
            rows = batch.numpy()
            here = [at for at in also if at[0] == shard and 0 <= at[1] - number < len(rows)]
            named |= {at: rows[at[1] - number] for at in here}
            _keep(longest, sizes, rows, (shard, number), max(1, count // _LONGEST))
            _keep(random, draw.random(len(rows)), rows, (shard, number), count)
            number += len(rows)
        counts.append(number)
    found: dict[int, dict[int, bytes]] = {}
    seen: dict[tuple[int, int], bytes] = {}
    for _, shard, number, row in [*sorted(longest, reverse=True), *sorted(random, reverse=True)]:
        if len(seen) < count:
            seen[shard, number] = row
    for (shard, number), row in (seen | named).items():
        found.setdefault(shard, {})[number] = row
    return found, counts


def _keep(
    heap: list[tuple[float, int, int, bytes]],
    values: np.ndarray,
    rows: np.ndarray,
    at: tuple[int, int],
    count: int,
) -> None:
    """Keep the `count` rows with the largest values among those kept and these."""
    shard, first = at
    for place in np.argsort(-values, kind="stable")[:count].tolist():
        item = (float(values[place]), shard, first + place, rows[place])
        if len(heap) < count:
            heapq.heappush(heap, item)
        elif item[0] > heap[0][0]:
            heapq.heapreplace(heap, item)


def _numbered(file: str, wanted: dict[int, bytes]) -> tuple[dict[int, bytes], int]:
    """Rows of a transformed shard by their number, and how many it has."""
    found: dict[int, bytes] = {}
    first = 0
    for batch in _batches(file):
        rows = batch.numpy()
        here = [number for number in wanted if first <= number < first + len(rows)]
        found |= {number: rows[number - first] for number in here}
        first += len(rows)
    return found, first


def _batches(file: str) -> Iterator[tf.Tensor]:
    return iter(records.dataset([file]).batch(_BATCH))
