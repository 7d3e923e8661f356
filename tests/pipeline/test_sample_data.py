"""The generator of the default job."""

import collections
import hashlib
import json
import os
import pathlib
import re

import pytest

from pipeline import sample_data


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (7, "seven"),
        (10, "ten"),
        (13, "thirteen"),
        (20, "twenty"),
        (42, "forty two"),
        (100, "one hundred"),
        (110, "one hundred ten"),
        (999, "nine hundred ninety nine"),
        (1000, "one thousand"),
        (19_407, "nineteen thousand four hundred seven"),
        (1_000_001, "one million one"),
        (90_000_000_080, "ninety billion eighty"),
        (10**12, "one trillion"),
    ],
)
def test_spell(number: int, words: str) -> None:
    assert sample_data.spell(number) == words


def test_no_two_numbers_are_spelt_alike() -> None:
    assert len({sample_data.spell(number) for number in range(20_000)}) == 20_000


@pytest.mark.parametrize("number", [-1, 10**15])
def test_spell_says_what_has_no_name(number: int) -> None:
    with pytest.raises(ValueError, match=re.escape(f"got {number}, expected a number from 0 to")):
        sample_data.spell(number)


def _rows(path: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in pathlib.Path(path).read_text("utf-8").splitlines()]


@pytest.mark.parametrize(
    ("span", "smallest_bound", "bound", "new_word"),
    [
        (1, 10**5, 10**6, "thousand"),
        (2, 10**8, 10**9, "million"),
        (3, 10**11, 10**12 + 1, "trillion"),
    ],
)
def test_span(
    tmp_path: pathlib.Path, span: int, smallest_bound: int, bound: int, new_word: str
) -> None:
    path = sample_data.write_span(tmp_path / "span", span, rows=3000, seed=42)
    rows = _rows(path)
    numbers = [int(str(row["source"]).replace(",", "")) for row in rows]
    assert len(set(numbers)) == len(numbers) == 3000
    assert smallest_bound <= max(numbers) < bound
    for row, number in zip(rows, numbers, strict=True):
        expected = {
            "source": f"{number:,}",
            "target": sample_data.spell(number),
            "digits": len(str(number)),
        }
        assert row == expected
    assert any(new_word in str(row["target"]).split() for row in rows)
    assert sorted(os.listdir(tmp_path / "span")) == ["_SUCCESS", os.path.basename(path)]


def test_digits_are_spread_evenly_and_what_short_numbers_lack_goes_to_longer_ones(
    tmp_path: pathlib.Path,
) -> None:
    rows = _rows(sample_data.write_span(tmp_path, 1, rows=3000, seed=42))
    digits = collections.Counter(row["digits"] for row in rows)
    # 10 + 90 numbers of one and two digits; 2900 left for four lengths.
    assert digits == {1: 10, 2: 90, 3: 725, 4: 725, 5: 725, 6: 725}
    rows = _rows(sample_data.write_span(tmp_path, 1, rows=20_000, seed=42))
    digits = collections.Counter(row["digits"] for row in rows)
    # 1000 numbers of up to three digits; 19000 left for three lengths.
    assert digits == {1: 10, 2: 90, 3: 900, 4: 6333, 5: 6333, 6: 6334}


def test_all_numbers_of_a_span_can_be_had() -> None:
    numbers = sample_data._numbers(1, rows=10**6, seed=1)
    assert sorted(numbers) == list(range(10**6))


def test_same_arguments_same_bytes(tmp_path: pathlib.Path) -> None:
    def digest(folder: str, span: int, seed: int) -> str:
        path = sample_data.write_span(tmp_path / folder, span, rows=500, seed=seed)
        return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()

    first = digest("a", 1, 42)
    assert digest("b", 1, 42) == digest("a", 1, 42) == first
    assert len({first, digest("a", 1, 43), digest("a", 2, 42)}) == 3
    assert digest("a", 4, 42) != digest("a", 3, 42)


@pytest.mark.parametrize(
    ("span", "rows", "message"),
    [
        (0, 10, "got span 0, expected 1 or more"),
        (1, 10**6 + 1, "got 1000001 rows, expected 1 to 1,000,000 (span 1)"),
        (1, 0, "got 0 rows, expected 1 to"),
    ],
)
def test_what_cannot_be_written(tmp_path: pathlib.Path, span: int, rows: int, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        sample_data.write_span(tmp_path, span, rows=rows, seed=1)
    assert os.listdir(tmp_path) == []


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = sample_data.write_span(tmp_path, 1, rows=10, seed=1)
    before = pathlib.Path(path).read_bytes()

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        sample_data.write_span(tmp_path, 1, rows=10, seed=2)
    assert pathlib.Path(path).read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["_SUCCESS", os.path.basename(path)]
