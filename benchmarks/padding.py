"""`python -m benchmarks.padding`: share of padding of planned shapes, packed rows, peers' buckets.

Counted on the lengths of three data sets, not timed. A peer's bucket is padded to the longest of its
members on each side, so that it is one shape too; only where the buckets end differs. What the
peers do, in a sentence each:

- OpenNMT-tf: an example is in bucket (longest side // width). Here: the smallest width that makes no
  more shapes than there may be.
- tensor2tensor: boundaries from 8 on, each 1.1 times the last and at least 1 more; an example is
  below the first boundary that its longest side does not reach. Here: as it is, against a plan of as
  many shapes; and with the smallest factor that makes no more shapes than there may be.
"""

import argparse
import gzip
import json
import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from components.trainer import buckets, packing

DATA = os.path.join("..", "shared", "data")
FIRST_BOUNDARY, STEP = 8, 1.1
PACKING_LIMIT = 0.02


class DataSet(NamedTuple):
    """Where the rows are, how long each side of one is, how many shapes there may be."""

    file: str
    lengths: Callable[[dict[str, Any]], tuple[int, ...]]
    shapes: int
    limit: float


def _words(text: str) -> int:
    return len(text.split()) + 1  # and eos


DATA_SETS = {
    "PTB": DataSet("lm_ptb/train.jsonl.gz", lambda row: (_words(row["text"]),), 16, 0.05),
    "EWT": DataSet(
        "tagging_ewt_upos/train.jsonl.gz", lambda row: (len(row["tokens"]),) * 2, 24, 0.05
    ),
    "Multi30k": DataSet(
        "seq2seq_multi30k_en_de/train.jsonl.gz",
        lambda row: (_words(row["target"]), _words(row["source"])),
        16,
        0.07,
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", default=DATA, help="folder of the data sets")
    root = parser.parse_args().data
    print(f"{'':10}{'shapes':>7}{'planned':>9}{'OpenNMT-tf':>12}{'T2T':>8}{'limit':>8}")
    for name, data in DATA_SETS.items():
        path = os.path.join(root, data.file)
        if os.path.exists(path):
            for line in table(name, histogram(path, data), data):
                print(line)
        else:
            print(f"{name:10}skipped: no file {path}")


def table(name: str, histogram: buckets.Histogram, data: DataSet) -> Iterator[str]:
    """Three lines: at the most shapes, at as many as tensor2tensor's own boundaries make, packed."""
    ours = share(histogram, buckets.best_shapes(histogram, data.shapes))
    width = share(histogram, width_shapes(histogram, data.shapes))
    step = share(histogram, step_shapes(histogram, fewest_step(histogram, data.shapes)))
    yield f"{name:10}{data.shapes:7}{ours:9.2%}{width:12.2%}{step:8.2%}{data.limit:8.0%}"
    own = step_shapes(histogram, STEP)
    ours = share(histogram, buckets.best_shapes(histogram, len(own)))
    width = share(histogram, width_shapes(histogram, len(own)))
    yield f"{name:10}{len(own):7}{ours:9.2%}{width:12.2%}{share(histogram, own):8.2%}"
    packed = packing.plan([histogram], size=64)
    row = " x ".join(str(length) for length in packed.shape)
    text = f"{name:10}{'packed':>7}{packed.padding_share:9.2%}{'':20}{PACKING_LIMIT:8.0%}"
    yield f"{text}  rows of {row}"


def histogram(path: str, data: DataSet) -> buckets.Histogram:
    """Of the lengths in a file of JSON lines."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = np.array([data.lengths(json.loads(line)) for line in file])
    lengths, counts = np.unique(rows, axis=0, return_counts=True)
    return buckets.Histogram(lengths, counts, tuple(lengths.max(axis=0).tolist()))


def share(histogram: buckets.Histogram, shapes: list[buckets.Shape]) -> float:
    """Of the positions, how many are padding when each example is in the cheapest shape."""
    real = (histogram.lengths.sum(axis=1) * histogram.counts).sum()
    return float(1 - real / buckets.padded_positions(histogram, shapes))


def width_shapes(histogram: buckets.Histogram, most: int) -> list[buckets.Shape]:
    """Buckets of the smallest width that makes at most so many."""
    longest = histogram.lengths.max(axis=1)
    width = 1
    while len(np.unique(longest // width)) > most:
        width += 1
    return _members_shapes(histogram, longest // width)


def step_shapes(histogram: buckets.Histogram, step: float) -> list[buckets.Shape]:
    """Buckets between boundaries that grow by a factor."""
    longest = histogram.lengths.max(axis=1)
    boundaries, boundary = [], FIRST_BOUNDARY
    while boundary < longest.max():
        boundaries.append(boundary)
        boundary = max(boundary + 1, int(boundary * step))
    return _members_shapes(histogram, np.searchsorted(boundaries, longest, side="right"))


def fewest_step(histogram: buckets.Histogram, most: int) -> float:
    """The smallest factor from 1.1 on, in hundredths, that makes at most so many buckets."""
    step = STEP
    while len(step_shapes(histogram, step)) > most:
        step = round(step + 0.01, 2)
    return step


def _members_shapes(histogram: buckets.Histogram, bucket: buckets.Ints) -> list[buckets.Shape]:
    """The longest of each bucket's members on each side; cheapest first."""
    members = [histogram.lengths[bucket == index] for index in np.unique(bucket)]
    return sorted((tuple(rows.max(axis=0).tolist()) for rows in members), key=sum)


if __name__ == "__main__":
    main()
