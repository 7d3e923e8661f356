"""`tokenline predict --output`: the line loop's outputs, in order, for texts and for rows."""

import gzip
import json

import pyarrow.parquet as pq
import pytest

from pipeline.scoring import models, units, use_model

from .conftest import read_jsonl, write_jsonl


@pytest.fixture(autouse=True)
def small_windows(monkeypatch) -> None:
    monkeypatch.setattr(units, "WINDOW_ROWS", 20)
    monkeypatch.setattr(models, "_MOST_ROWS", 7)


def test_lines_of_text_as_the_line_loop_has_them(language, tmp_path, tokenline, capsys) -> None:
    texts = [row["line"] for row in language.rows[:50]]
    texts[7] = ""  # an empty line is a text, too
    file = tmp_path / "texts.txt"
    file.write_text("".join(f"{text}\n" for text in texts))
    use_model.predict(language.folder, "", str(file), as_json=True)
    by_line = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (tmp_path / "texts.txt.gz").write_bytes(gzip.compress(file.read_bytes()))
    output = tmp_path / "predictions.jsonl"
    options = ("--model", language.folder, "--output", output)
    assert tokenline("predict", tmp_path / "texts.txt.gz", *options) == 0
    found = read_jsonl(output)
    assert [row.pop("key") for row in found] == [f"{file}.gz:{n}" for n in range(1, 51)]
    for ours, theirs in zip(found, by_line, strict=True):
        for name in ("log_probability", "log_probability_per_token"):
            # None where the prompt leaves no room: a mean of nothing
            assert (ours[name] is None) == (theirs[name] is None)
            assert (ours.pop(name) or 0) == pytest.approx(theirs.pop(name) or 0, rel=1e-4)
        assert ours == theirs
    cut = sum(row["truncated"] for row in by_line)
    told = capsys.readouterr().err
    assert cut
    assert f"{cut} rows are longer than the model reads" in told
    assert told.startswith(f"tokenline: 50 rows, {sum(row['tokens'] for row in by_line)} tokens, ")


def test_rows_whose_tokens_hold_white_space(tagging, tmp_path, tokenline) -> None:
    """As text "New York" would be two tokens; a row without tags is enough."""
    rows = [{"words": row["words"]} for row in tagging.rows]
    file = write_jsonl(tmp_path / "rows.jsonl", rows)
    for ending in ("jsonl", "parquet"):
        options = ("--model", tagging.folder, "--output", tmp_path / f"out.{ending}")
        assert tokenline("predict", file, *options) == 0
    found = read_jsonl(tmp_path / "out.jsonl")
    assert [len(row["tags"]) for row in found] == [3, 1, 6]  # the last one is cut
    assert [row["truncated"] for row in found] == [False, False, True]
    assert [len(row["confidence"]) for row in found] == [3, 1, 6]
    first = found[0]
    assert first["input"] == "ab New York cd"
    pairs = zip(rows[0]["words"], first["tags"], strict=True)
    assert first["output"] == " ".join(f"{word}/{tag}" for word, tag in pairs)
    assert found[2]["output"].endswith(" gh")
    for ours, theirs in zip(
        pq.read_table(tmp_path / "out.parquet").to_pylist(), found, strict=True
    ):
        assert ours.pop("confidence") == pytest.approx(theirs.pop("confidence"))
        assert ours == theirs


def test_tags_of_lines_are_for_the_tokens_that_the_signature_splits(
    tagging, tmp_path, tokenline
) -> None:
    (tmp_path / "texts").write_text("ab\u00a0cd  ef\n")
    output = tmp_path / "out.jsonl"
    assert (
        tokenline("predict", tmp_path / "texts", "--model", tagging.folder, "--output", output) == 0
    )
    (row,) = read_jsonl(output)
    words = [pair.rpartition("/")[0] for pair in row["output"].split(" ")]
    assert (words, len(row["tags"])) == (["ab\u00a0cd", "ef"], 2)


def test_text_that_is_not_utf8_is_a_bad_row(language, tmp_path, tokenline, capsys) -> None:
    file = tmp_path / "texts.txt"
    file.write_bytes(b"ab\nc\xffd\n")
    options = ("--model", language.folder, "--output", tmp_path / "out.jsonl")
    assert tokenline("predict", file, *options) == 2
    problem = "got invalid UTF-8 (the byte 0xff at byte 2), expected UTF-8"
    assert capsys.readouterr().err == f"tokenline: {file}:2: {problem}\n"
    assert tokenline("predict", file, *options, "--key-column", "id") == 2
    assert "got lines of text, expected rows with the key column 'id'" in capsys.readouterr().err
