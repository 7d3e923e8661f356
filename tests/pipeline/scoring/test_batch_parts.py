"""A large file of lines in parts: the same rows, line numbers and results as in one piece."""

import json

import pytest

from pipeline.scoring import files as batch_files
from pipeline.scoring.files import ROWS, TEXT, BatchFile, part_lines, split

from .conftest import read_jsonl, write_jsonl

CONTENTS = {
    "ends with a line": b"a\nbb\n\nccc\r\ndddd\n",
    "ends without": b"a\n\n\nbb\nccc",
    "one line": b"abcdefgh",
    "starts with a mark": b"\xef\xbb\xbfa\nb\n",
}


@pytest.mark.parametrize("name", CONTENTS)
@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 50])
def test_parts_hold_all_lines_under_their_numbers(name, size, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(batch_files, "PART_BYTES", size)
    path = tmp_path / "lines"
    path.write_bytes(CONTENTS[name])
    file = BatchFile(str(path), TEXT)
    parts = split([file])
    if size >= len(CONTENTS[name]):
        assert parts == (file,)
        return
    numbered = [pair for part in parts for pair in enumerate(part_lines(part), part.first_line)]
    assert numbered == list(enumerate(CONTENTS[name].splitlines(keepends=True), 1))
    assert all(part.end - part.start >= min(size, part.end) or part is parts[-1] for part in parts)


def test_what_is_not_plain_lines_stays_whole(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(batch_files, "PART_BYTES", 2)
    files = []
    for name, format in (("a.csv", "csv"), ("a.jsonl.gz", ROWS), ("a.parquet", "parquet")):
        (tmp_path / name).write_bytes(b"a\nb\nc\n")
        files.append(BatchFile(str(tmp_path / name), format))
    assert split(files) == tuple(files)


def test_the_results_of_parts_are_those_of_the_file(
    language, tmp_path, tokenline, capsys, monkeypatch
) -> None:
    """In the rows' order, under the same keys; also what is told of bad rows."""
    bad = {"line": ""}
    rows = [*language.rows[:60], bad, *language.rows[60:], bad]
    file = write_jsonl(tmp_path / "rows.jsonl", rows)
    names = ("whole", "parts")
    for name in names:
        options = ("--output", tmp_path / f"{name}.jsonl", "--max-bad-rows", 2)
        if name == "parts":
            monkeypatch.setattr(batch_files, "PART_BYTES", 1000)
            options = (*options, "--beam", "--direct_num_workers=1")
        assert tokenline("score", file, "--model", language.folder, *options) == 0
    whole, parts = (read_jsonl(tmp_path / f"{name}.jsonl") for name in names)
    assert [row["key"] for row in parts] == [row["key"] for row in whole]
    losses = [[row["loss_sum"] for row in found] for found in (parts, whole)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    listed = [(tmp_path / f"{name}.bad.jsonl").read_text() for name in names]
    assert listed[0] == listed[1]
    assert [json.loads(line)["line"] for line in listed[0].splitlines()] == [61, 152]
    told = [
        line.split(" nats")[0] for line in capsys.readouterr().err.splitlines() if "nats" in line
    ]
    assert told[0][:60] == told[1][:60]
    assert len(split([BatchFile(file, ROWS)])) > 5
