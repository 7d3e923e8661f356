"""Batches of about equally long examples: every one once, within the limits, the same every time."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from components.errors import InputError
from components.evaluator.batches import Limits, ReadBatches, cut, file_batches


def rows_of(count: int) -> list[bytes]:
    random = np.random.default_rng(0)
    sizes = np.minimum(random.geometric(0.02, count), 400)
    return [bytes(random.integers(97, 123, size).astype(np.uint8)) for size in sizes]


def write(path, rows, compression: str = "GZIP") -> str:
    with tf.io.TFRecordWriter(str(path), compression) as writer:
        for row in rows:
            writer.write(row)
    return str(path)


@pytest.mark.parametrize("name", ["rows.gz", "rows.tfrecord"])
def test_every_example_once_and_padding_costs_little(tmp_path, name: str) -> None:
    rows = rows_of(1000)
    path = write(tmp_path / name, rows, "GZIP" if name.endswith(".gz") else "")
    batches = list(file_batches(path, Limits(32)))
    assert sorted(row for batch in batches for row in batch) == sorted(rows)
    assert [len(batch) for batch in batches] == [32] * 31 + [8]
    total = sum(map(len, rows))
    assert sum(len(batch) * max(map(len, batch)) for batch in batches) < 1.1 * total
    unsorted = [rows[start : start + 32] for start in range(0, 1000, 32)]
    assert sum(len(batch) * max(map(len, batch)) for batch in unsorted) > 2 * total


def test_the_order_of_the_rows_changes_no_batch(tmp_path) -> None:
    rows = rows_of(100)
    one = list(file_batches(write(tmp_path / "a.gz", rows), Limits(16)))
    assert list(file_batches(write(tmp_path / "b.gz", rows[::-1]), Limits(16))) == one


def test_batches_and_blocks_keep_their_limits(tmp_path) -> None:
    rows = rows_of(1000)
    found = list(cut(rows, Limits(rows=50, batch_bytes=900)))
    assert [row for batch in found for row in batch] == rows
    assert all(len(batch) <= 50 and sum(map(len, batch)) <= 900 for batch in found)
    assert list(cut([b"x" * 1000, b"y"], Limits(rows=9, batch_bytes=10))) == [[b"x" * 1000], [b"y"]]
    # Blocks of 100 rows: batches grow ten times, each time from the shortest.
    path = write(tmp_path / "a.gz", rows)
    for limits in (Limits(20, block_rows=100), Limits(20, block_rows=100, block_bytes=10**9)):
        sizes = [len(batch[0]) for batch in file_batches(path, limits)]
        assert len(sizes) == 50
        assert sum(b < a for a, b in itertools.pairwise(sizes)) == 9
    by_bytes = Limits(20, block_rows=100_000, block_bytes=1)  # read 256 at a time
    assert [len(b) for b in file_batches(path, by_bytes)] == 3 * ([20] * 12 + [16]) + [20] * 11 + [
        12
    ]


def test_a_pattern_without_files_is_refused(tmp_path) -> None:
    with pytest.raises(InputError, match=r"got no file that matches .*none\*, expected at least"):
        ReadBatches([str(tmp_path / "none*")], Limits(8))
