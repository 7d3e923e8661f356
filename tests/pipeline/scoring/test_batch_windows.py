"""What is in memory at a time, and what goes into one call of the model."""

import random

import pytest

from pipeline.scoring.inputs import KeyedRow
from pipeline.scoring.windows import BatchLimits, batches, length, windows
from transform.settings import Side


def rows(sizes: list[int]) -> list[KeyedRow]:
    return [KeyedRow(n, f"f:{n}", [[b"x" * size], None]) for n, size in enumerate(sizes, 1)]


def test_windows_end_at_so_many_rows_or_bytes() -> None:
    found = windows(rows([1, 1, 1, 900, 1, 1, 5000, 1]), most_rows=3, most_bytes=1000)
    assert [[row.line for row in window] for window in found] == [[1, 2, 3], [4], [5, 6, 7], [8]]


def test_windows_read_no_further_than_they_are_taken() -> None:
    read = []

    def reading():
        for row in rows([1] * 100):
            read.append(row.line)
            yield row

    found = windows(reading(), most_rows=10, most_bytes=10**6)
    next(found)
    assert len(read) == 10


def test_batches_are_of_neighbours_by_length() -> None:
    lengths = [(5,), (1,), (9,), (1,), (5,), (2,)]
    assert list(batches(lengths, BatchLimits(rows=2, positions=100))) == [[1, 3], [5, 0], [4, 2]]
    # 5 + 5 fit into 10 positions, 2 rows of 9 do not
    found = list(batches(lengths, BatchLimits(rows=9, positions=10)))
    assert found == [[1, 3, 5], [0, 4], [2]]


def test_padding_of_either_side_counts() -> None:
    # sorted by target; a batch is as long as its longest source
    lengths = [(1, 9), (1, 1), (2, 1)]
    assert list(batches(lengths, BatchLimits(rows=9, positions=20))) == [[1, 0], [2]]


@pytest.mark.parametrize("seed", range(5))
def test_each_row_is_in_one_batch_that_fits(seed) -> None:
    dice = random.Random(seed)
    lengths = [(dice.randint(0, 40), dice.randint(0, 40)) for _ in range(200)]
    limits = BatchLimits(rows=16, positions=300)
    found = list(batches(lengths, limits))
    assert sorted(place for batch in found for place in batch) == list(range(200))
    for batch in found:
        padded = len(batch) * sum(max(lengths[place][side] for place in batch) for side in (0, 1))
        assert len(batch) <= 16
        assert padded <= 300 or len(batch) == 1


@pytest.mark.parametrize(
    ("tokenizer", "values", "expected"),
    [
        ("whitespace", [b"a b c"], 4),
        ("character", ["äöü".encode()], 4),
        ("byte", ["äöü".encode()], 7),
        ("wordpiece", [b"incomprehensibilities"], 6),
        ("pretokenized", [b"a b", b"c"], 3),
        ("ids", [4, 5, 6], 4),
        ("whitespace", None, 1),
        ("byte", [b"x" * 99], 20),
    ],
)
def test_length_is_about_the_positions(tokenizer, values, expected) -> None:
    assert length(values, Side("text", tokenizer, 20)) == expected
