"""Rows without a result: each told with its file and line, all at once, and nothing half written."""

import errno
import gzip
import json
import os

import pytest
import tensorflow as tf

from pipeline.scoring import beam as batch_beam
from pipeline.scoring import models, units
from pipeline.scoring.inputs import KeyedRow, score_rules
from pipeline.scoring.windows import BatchLimits
from transform.settings import Settings, Side

from .conftest import read_jsonl, write_jsonl

GOOD = {"id": "good", "line": "ab cd", "w": [1, 2]}
REFUSED = {"id": "refused", "line": "ab cd", "w": [1, 2, 3]}  # only the model counts tokens
REFUSAL = "column 'w': got 3 weights for 2 tokens, expected one for each"


def test_all_bad_rows_are_told_at_once(language, tmp_path, tokenline, capsys) -> None:
    rows = [GOOD, REFUSED, {"id": "empty", "line": ""}, GOOD, REFUSED, {"line": 5}]
    file, output = write_jsonl(tmp_path / "rows.jsonl", rows), tmp_path / "scores.jsonl"
    output.write_text("what was there before")
    options = ("--model", language.folder, "--output", output, "--max-bad-rows", 3)
    assert tokenline("score", file, *options) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"tokenline: {file}:2: {REFUSAL}",
        f"tokenline: {file}:3: column 'line': got an empty string, expected text",
        f"tokenline: {file}:5: {REFUSAL}",
        f"tokenline: {file}:6: column 'line': got the integer 5, expected text",
        "tokenline: got 4 bad rows and 0 unusable files, expected at most 3 bad rows "
        "(--max-bad-rows); nothing was written",
    ]
    assert output.read_text() == "what was there before"
    assert sorted(os.listdir(tmp_path)) == ["rows.jsonl", "scores.jsonl"]


def test_allowed_bad_rows_are_counted_and_listed(language, tmp_path, tokenline, capsys) -> None:
    rows = [REFUSED, GOOD, {"id": "empty", "line": ""}, GOOD]
    file, output = write_jsonl(tmp_path / "rows.jsonl", rows), tmp_path / "scores.jsonl.gz"
    options = ("--model", language.folder, "--output", output, "--key-column", "id")
    assert tokenline("score", file, *options, "--max-bad-rows", 2) == 0
    told = capsys.readouterr().err.splitlines()
    listed = tmp_path / "scores.bad.jsonl"
    assert told[0].startswith("tokenline: 2 rows, 6 tokens, ")
    assert told[1:] == [f"tokenline: 2 bad rows have no result: {listed}"]
    with gzip.open(output, "rt") as stream:
        assert [json.loads(line)["key"] for line in stream] == ["good", "good"]
    assert read_jsonl(listed) == [
        {"file": file, "line": 1, "key": "refused", "problem": REFUSAL},
        {"file": file, "line": 3, "problem": "column 'line': got an empty string, expected text"},
    ]
    write_jsonl(tmp_path / "rows.jsonl", [GOOD])
    assert tokenline("score", file, *options) == 0
    assert not listed.exists()  # it was of the results that are gone


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('{"line": "ab"}\n' * 9, "got a file that is not gzip, expected gzip because its name"),
        (
            gzip.compress(b'{"line": "ab"}\n' * 999, mtime=0)[:-9],
            "got gzip data that is cut off or damaged",
        ),
        (b"", "got an empty file (0 bytes), expected rows"),
    ],
)
def test_a_damaged_file_leaves_nothing(
    content, problem, language, tmp_path, tokenline, capsys
) -> None:
    file = tmp_path / "rows.jsonl.gz"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    good = write_jsonl(tmp_path / "good.jsonl", [GOOD])
    options = ("--model", language.folder, "--output", tmp_path / "s.jsonl", "--max-bad-rows", 99)
    assert tokenline("score", good, file, *options) == 2
    assert f"{file}: {problem}" in capsys.readouterr().err
    assert sorted(os.listdir(tmp_path)) == ["good.jsonl", "rows.jsonl.gz"]


def test_files_after_too_many_bad_rows_are_not_scored_to_their_ends(
    language, tmp_path, tokenline, capsys, monkeypatch
) -> None:
    monkeypatch.setattr(units, "WINDOW_ROWS", 10)
    monkeypatch.setattr(units, "_LOOK_ON_ROWS", 15)
    bad = write_jsonl(tmp_path / "a.jsonl", [REFUSED] * 2)
    other = write_jsonl(tmp_path / "b.jsonl", [GOOD, REFUSED] * 40)
    options = ("--model", language.folder, "--output", tmp_path / "scores.jsonl")
    assert tokenline("score", bad, other, *options, "--max-bad-rows", 1) == 2
    told = capsys.readouterr().err.splitlines()
    places = [f"{bad}:1", f"{bad}:2", *(f"{other}:{line}" for line in range(2, 21, 2))]
    assert [line.split(": ")[1] for line in told[:-1]] == places
    assert f"got 12 bad rows and 0 unusable files up to {other}:20, where" in told[-1]


def test_an_interrupted_run_leaves_nothing(
    language, tmp_path, tokenline, capsys, monkeypatch
) -> None:
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(batch_beam, "run_unit", interrupted)
    file = write_jsonl(tmp_path / "rows.jsonl", [GOOD])
    options = ("--model", language.folder, "--output", tmp_path / "scores.jsonl")
    assert tokenline("score", file, *options) == 130
    assert capsys.readouterr().err.startswith("tokenline: interrupted")
    assert os.listdir(tmp_path) == ["rows.jsonl"]


def test_a_full_disk_is_one_line_and_leaves_nothing(
    language, tmp_path, tokenline, capsys, monkeypatch
) -> None:
    class Full:
        def write(self, records) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def close(self) -> None:
            self.write([])

    monkeypatch.setattr(units, "open_writer", lambda *_: Full())
    file = write_jsonl(tmp_path / "rows.jsonl", [GOOD])
    output = tmp_path / "scores.jsonl"
    assert tokenline("score", file, "--model", language.folder, "--output", output) == 2
    reason = "No space left on device; nothing was written"
    assert capsys.readouterr().err == (
        f"tokenline: --output: {output} cannot be written: {reason}\n"
    )
    assert os.listdir(tmp_path) == ["rows.jsonl"]


def test_reading_stops_some_rows_after_there_are_too_many(
    language, tmp_path, tokenline, capsys, monkeypatch
) -> None:
    monkeypatch.setattr(units, "WINDOW_ROWS", 10)
    file = write_jsonl(tmp_path / "rows.jsonl", [REFUSED, GOOD] * 40)
    options = ("--model", language.folder, "--output", tmp_path / "scores.jsonl")
    assert tokenline("score", file, *options) == 2
    told = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[1] for line in told[:-1]] == [f"{file}:{n}" for n in range(1, 41, 2)]
    assert (
        f"got 20 bad rows and 0 unusable files up to {file}:40, where reading stopped" in told[20]
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--output", "x.json"), "--output: got x.json, expected a name that ends in .jsonl, "),
        (("--output", "nowhere/x.jsonl"), "--output: nowhere/x.jsonl: no folder nowhere"),
        (("--output", "full/"), "--output: full/ is there already, expected no or an empty folder"),
        (
            ("--output", "x.jsonl", "--shard-rows", "9"),
            "--shard-rows: --output is the file x.jsonl",
        ),
        (("--output", "new/", "--shard-rows", "0"), "--shard-rows: got 0, expected 1 or more"),
        (("--output", "x.jsonl", "--format", "parquet"), "--format: got parquet, but --output is"),
        (("--output", "x.jsonl", "--max-bad-rows", "-1"), "--max-bad-rows: got -1, expected 0"),
        (("--output", "x.jsonl", "--delimiter", "||"), "--delimiter: got '||', expected one char"),
        (("--output", "rows.jsonl"), "--output: rows.jsonl is read, expected another file"),
        (("rows.*l", "--output", "x.jsonl"), "rows.jsonl: got this file twice, expected it once"),
        (("no*.jsonl", "--output", "x.jsonl"), "no*.jsonl: no file fits it"),
        (("full", "--output", "x.jsonl"), "full: got a folder, expected files"),
        (("-", "--output", "x.jsonl"), "got standard input with --output, expected files"),
        (("text", "--output", "x.jsonl"), "text: got a name without a known ending, and a first"),
        (("--shard-rows", "9"), "--shard-rows: needs --output, which is not given"),
        (("--beam", "--runner=X"), "--beam: needs --output, which is not given"),
        (("rows.jsonl",), "rows.jsonl: got this file twice, expected it once"),
        (("--delimiter", "||"), "--delimiter: got '||', expected one character, no quote"),
    ],
)
def test_bad_arguments_are_one_line(
    arguments, says, language, tmp_path, tokenline, capsys, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_jsonl(tmp_path / "rows.jsonl", [GOOD])
    (tmp_path / "text").write_text("a")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "old.jsonl").write_text("")
    assert tokenline("score", "--model", language.folder, "rows.jsonl", *arguments) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"tokenline: {says}")
    assert told.count("\n") == 1
    assert sorted(os.listdir(tmp_path)) == ["full", "rows.jsonl", "text"]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"line": "ab"}, "column 'id': got nothing (the row has 'line'), expected a key"),
        ({"id": 1.5, "line": "ab"}, "column 'id': got float 1.5, expected a key: text or an integ"),
        ({"id": True, "line": "ab"}, "column 'id': got true (a boolean), expected a key: text or "),
        ({"id": "\ud800", "line": "ab"}, "column 'id': got invalid UTF-8, expected a key"),
    ],
)
def test_a_row_without_a_key_is_bad(row, problem, language, tmp_path, tokenline, capsys) -> None:
    file = write_jsonl(tmp_path / "rows.jsonl", [row])
    options = ("--output", tmp_path / "scores.jsonl", "--key-column", "id")
    assert tokenline("score", file, "--model", language.folder, *options) == 2
    assert capsys.readouterr().err.startswith(f"tokenline: {file}:1: {problem}")


def _scores(losses: list[float]):
    """A signature that gives these losses to the rows of a batch, and refuses the text "bad"."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def score(examples):
        text = tf.io.parse_example(examples, {"line": tf.io.FixedLenFeature([], tf.string)})["line"]
        tf.debugging.assert_none_equal(text, "bad", message="row: got bad, expected good")
        loss = tf.gather(tf.constant(losses), tf.strings.length(text))
        names = ("loss_sum", "weight_sum", "token_count", "target_bytes", "sequence_correct")
        by_position = {"position_weight": tf.ones_like(loss)[:, tf.newaxis]}
        return dict.fromkeys(names, tf.ones_like(loss)) | {"loss_sum": loss} | by_position

    class Loaded:
        signatures = {"score": score.get_concrete_function()}

    return Loaded()


def test_a_loss_that_is_not_finite_is_no_result() -> None:
    settings = Settings("lm", Side("line", "whitespace", 9))
    facts = {"model": {"vocabulary_size": 9}, "settings": json.loads(settings.to_json())}
    columns = score_rules(settings).columns
    loaded = _scores([0.0, 1.5, float("nan"), 0.0, 2.25])
    scoring = models.Scoring(loaded, facts, settings, columns, tokens=False)
    scoring._limits = BatchLimits(rows=3, positions=99)
    texts = [b"a", b"bb", b"bad", b"dddd", b"a"]
    rows = [
        KeyedRow(line, f"f:{line}", [[text], *[None] * (len(columns) - 1)])
        for line, text in enumerate(texts, 1)
    ]
    found = scoring(rows)
    assert [record and record["loss_sum"] for record in found.records] == [
        1.5,
        None,
        None,
        2.25,
        1.5,
    ]
    assert found.problems[1] == "got a loss of nan, expected a finite number"
    assert "row: got bad, expected good" in found.problems[2]
    assert found.sums["loss_sum"] == 1.5 + 2.25 + 1.5
    assert found.sums["weight_sum"] == 3
