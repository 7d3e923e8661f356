"""Where the rows of a shard are from: what is written is found again, whatever is asked for."""

import gzip
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.example_gen import places
from components.example_gen.places import Places, PlaceWriter

FILES = ("data/a.csv", "data/b.csv", "data/c.csv")


def write(path, rows):
    writer = PlaceWriter(str(path))
    for file, line in rows:
        writer.add(file, line)
    writer.close()


def test_rows_are_named_by_file_and_line(tmp_path):
    write(tmp_path / "x.gz", [(0, 1), (0, 2), (0, 2), (2, 1), (2, 9_000_000_000)])
    found = Places(str(tmp_path / "x.gz"), FILES).of([4, 0, 2, 3], of_all=5)
    assert found == {
        0: "data/a.csv:1",
        2: "data/a.csv:2",
        3: "data/c.csv:1",
        4: "data/c.csv:9000000000",
    }


def test_another_number_of_rows_is_named(tmp_path):
    write(tmp_path / "x.gz", [(0, 1), (0, 2)])
    with pytest.raises(AssertionError, match=r"x\.gz: got the lines of 2 rows, expected 3"):
        Places(str(tmp_path / "x.gz"), FILES).of([0], of_all=3)


ROWS = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 2**62)), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, held=st.integers(1, 9), data=st.data())
def test_any_rows_are_found_again_however_many_are_held(rows, held, data):
    wanted = data.draw(st.sets(st.integers(0, len(rows) - 1)))
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(places, "_ROWS_HELD", held)
        write(f"{folder}/x.gz", rows)
        found = Places(f"{folder}/x.gz", FILES).of(wanted, of_all=len(rows))
    assert found == {row: f"{FILES[rows[row][0]]}:{rows[row][1]}" for row in wanted}


def test_the_same_rows_give_the_same_bytes_and_few(tmp_path):
    rows = [(7, line) for line in range(1, 100_001)]
    for name in ("x", "y"):
        write(tmp_path / name, rows)
    content = (tmp_path / "x").read_bytes()
    assert (tmp_path / "y").read_bytes() == content
    assert len(content) < len(rows)
    assert len(gzip.decompress(content)) == 16 * len(rows)
