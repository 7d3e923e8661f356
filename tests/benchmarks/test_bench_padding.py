"""The peers' buckets, in numbers small enough to follow."""

import gzip
import json

import numpy as np
import pytest

from benchmarks import padding
from components.trainer import buckets


def histogram_of(*rows: tuple[int, ...]) -> buckets.Histogram:
    lengths, counts = np.unique(np.array(rows), axis=0, return_counts=True)
    return buckets.Histogram(lengths, counts, tuple(lengths.max(axis=0).tolist()))


def test_width_buckets_are_as_narrow_as_the_number_of_shapes_allows() -> None:
    lengths = histogram_of((1,), (2,), (3,), (4,), (7,))
    assert padding.width_shapes(lengths, 5) == [(1,), (2,), (3,), (4,), (7,)]
    assert padding.width_shapes(lengths, 3) == [(2,), (4,), (7,)]  # width 3: 0-2, 3-5, 6-8


def test_step_buckets_end_below_boundaries_that_grow_by_a_factor() -> None:
    """Boundaries 8, 9, ..., 19, 20, 22: a length is below its own."""
    lengths = histogram_of((3,), (7,), (8,), (19,), (20,), (21,), (22,), (23,))
    assert padding.step_shapes(lengths, 1.1) == [(7,), (8,), (19,), (21,), (23,)]
    assert padding.step_shapes(lengths, 2.0) == [(7,), (8,), (23,)]  # 8, 16
    assert padding.fewest_step(lengths, 5) == 1.1


def test_the_longer_side_decides_and_each_side_is_padded_for_itself() -> None:
    lengths = histogram_of((2, 9), (9, 3), (1, 1))
    assert padding.step_shapes(lengths, 1.1) == [(1, 1), (9, 9)]
    assert padding.share(lengths, [(1, 1), (9, 9)]) == pytest.approx(1 - 25 / 38)


def test_the_table_is_printed_and_a_missing_set_is_named(tmp_path, monkeypatch, capsys) -> None:
    folder = tmp_path / "lm_ptb"
    folder.mkdir()
    with gzip.open(folder / "train.jsonl.gz", "wt") as file:
        for count in (1, 5, 5, 30):
            file.write(json.dumps({"text": "w " * count}) + "\n")
    monkeypatch.setattr("sys.argv", ["padding", "--data", str(tmp_path)])
    padding.main()
    printed = capsys.readouterr().out.splitlines()
    # 2, 6, 6, 31 with eos. The first boundary is 8: 3 * 6 + 31 = 49 positions for 45.
    assert printed[1].split() == ["PTB", "16", "0.00%", "0.00%", "8.16%", "5%"]
    # One row holds all of them: 45 of 46 positions.
    assert printed[3].split() == ["PTB", "packed", "2.17%", "2%", "rows", "of", "46"]
    assert printed[4].startswith("EWT       skipped: no file ")
