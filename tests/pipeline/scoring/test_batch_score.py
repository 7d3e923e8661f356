"""`tokenline score --output`: the line loop's numbers, in order, from files of any format."""

import contextlib
import gzip
import io
import json
import math
import os
import re
import sys

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from components.evaluator import evaluation, metrics
from pipeline.scoring import models, units, use_model

from .conftest import LONGEST, read_jsonl, write_jsonl

MEAN = re.compile(r"mean loss (\S+) nats per token")


@pytest.fixture
def small_windows(monkeypatch) -> None:
    """Several windows, and in each several batches."""
    monkeypatch.setattr(units, "WINDOW_ROWS", 40)
    monkeypatch.setattr(models, "_MOST_ROWS", 9)


@pytest.fixture(scope="session")
def by_line(language, tmp_path_factory) -> list[dict]:
    """What `score` prints for the model's rows, which is what its signature says of each alone."""
    file = write_jsonl(tmp_path_factory.mktemp("by_line") / "rows.jsonl", language.rows)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert use_model.score(language.folder, "", file, tokens=True) == 0
    found = [json.loads(line) for line in out.getvalue().splitlines()]
    signature = models.loaded_model(language.folder)[0].signatures["score"]
    for row, printed in zip(language.rows, found, strict=True):
        alone = signature(tf.constant([serialized(row)]))
        assert printed["loss_sum"] == pytest.approx(float(alone["loss_sum"][0]), rel=1e-5)
        assert printed["tokens"] == int(alone["token_count"][0])
        # 12 positions, one of them for eos
        assert printed["truncated_tokens"] == max(0, len(row["line"].split()) - 11)
    return found


def serialized(row: dict) -> bytes:
    example = tf.train.Example()
    features = example.features.feature
    features["line"].bytes_list.value.append(row["line"].encode())
    features["w"].float_list.value.extend(row.get("w", []))
    features["number"].int64_list.value.append(int(row["id"][4:]))
    return example.SerializeToString()


def write_as(ending: str, folder, rows) -> str:
    path = str(folder / f"rows{ending}")
    if ending == ".jsonl.gz":
        with gzip.open(path, "wt") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    elif ending == ".tsv":
        cells = [f"{row['line']}\t{row['id']}\t{json.dumps(row.get('w', []))}" for row in rows]
        (folder / "rows.tsv").write_text("\n".join(["line\tid\tw", *cells]))
    elif ending == ".parquet":
        names = sorted({name for row in rows for name in row})
        pq.write_table(pa.table({name: [row.get(name) for row in rows] for name in names}), path)
    else:
        kind = "GZIP" if ending.endswith(".gz") else ""
        with tf.io.TFRecordWriter(path, kind) as file:
            for row in rows:
                file.write(serialized(row))
    return path


def close(ours: list[dict], theirs: list[dict]) -> None:
    """The same rows in the same order, sums to float32."""
    assert [row["tokens"] for row in ours] == [row["tokens"] for row in theirs]
    assert [row["weight_sum"] for row in ours] == [row["weight_sum"] for row in theirs]
    sums = [[row["loss_sum"] for row in rows] for rows in (ours, theirs)]
    np.testing.assert_allclose(*sums, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("ending", [".jsonl.gz", ".tsv", ".parquet", ".tfrecord", ".tfrecord.gz"])
@pytest.mark.usefixtures("small_windows")
def test_every_format_gives_the_line_loops_numbers_in_order(
    ending, language, by_line, tmp_path, tokenline
) -> None:
    rows, output = write_as(ending, tmp_path, language.rows), tmp_path / "scores.jsonl"
    assert tokenline("score", rows, "--model", language.folder, "--output", output) == 0
    found = read_jsonl(output)
    first = 2 if ending == ".tsv" else 1  # a header is a line
    assert [row["key"] for row in found] == [
        f"{rows}:{line}" for line in range(first, first + len(language.rows))
    ]
    close(found, by_line)


@pytest.mark.usefixtures("small_windows")
def test_the_mean_is_the_evaluators(language, tmp_path, tokenline, capsys) -> None:
    rows = write_as(".tfrecord.gz", tmp_path, language.rows)
    tokenline("score", rows, "--model", language.folder, "--output", tmp_path / "scores.jsonl")
    told = capsys.readouterr().err
    request = evaluation.EvaluationRequest(
        example_patterns=(rows,),
        candidate=language.folder,
        baseline=None,
        output=str(tmp_path / "evaluation"),
        min_tokens=0,
    )
    found = evaluation.evaluate(request, lambda: beam.Pipeline(argv=["--runner=FnApiRunner"]))
    expected = found.reports[0].candidate
    scores = read_jsonl(tmp_path / "scores.jsonl")
    total = sum(row["loss_sum"] for row in scores) / sum(row["weight_sum"] for row in scores)
    assert total == pytest.approx(expected[metrics.MASKED_TOKEN_LOSS].value, rel=1e-6)
    assert float(MEAN.search(told)[1]) == pytest.approx(total, rel=1e-6)
    assert "bits per byte" not in told  # weights are not all 1
    tokens = int(expected[metrics.TOKEN_COUNT].value)
    assert told.startswith(f"tokenline: 150 rows, {tokens:,} tokens, ")


def test_bits_per_byte_where_all_weights_are_1(language, tmp_path, tokenline, capsys) -> None:
    rows = [{"line": row["line"]} for row in language.rows]
    file = write_jsonl(tmp_path / "rows.jsonl", rows)
    tokenline("score", file, "--model", language.folder, "--output", tmp_path / "scores.jsonl")
    told = re.search(r"(\S+) bits per byte", capsys.readouterr().err)
    signature = models.loaded_model(language.folder)[0].signatures["score"]
    examples = [serialized({"id": "row-0"} | row) for row in rows]
    sums = {name: float(tf.reduce_sum(v)) for name, v in signature(tf.constant(examples)).items()}
    if "unknown_bytes" not in sums:
        assert told is None
        return
    bits = sums["loss_sum"] / math.log(2) + 8 * sums["unknown_bytes"]
    assert float(told[1]) == pytest.approx(bits / sums["target_bytes"], rel=1e-5)


def test_what_the_end_line_says_of_sums() -> None:
    sums = {"loss_sum": math.log(2) * 6, "weight_sum": 4.0, "target_bytes": 10.0}
    mean = {"loss_per_token": math.log(2) * 1.5}
    numbers = models.summary_numbers
    # 6 bits, and an unknown word of 2 bytes
    known = {"bits_per_byte": pytest.approx(2.2)}
    assert numbers(sums | {"unknown_bytes": 2.0}, unit_weights=True) == mean | known
    assert numbers(sums | {"unknown_bytes": 2.0}, unit_weights=False) == mean
    assert numbers(sums, unit_weights=True) == mean  # an earlier model does not tell
    assert numbers({"loss_sum": 0.0, "weight_sum": 0.0}, unit_weights=True) == {}


@pytest.mark.usefixtures("small_windows")
def test_several_files_become_one_in_their_order(language, by_line, tmp_path, tokenline) -> None:
    write_jsonl(tmp_path / "part-2.jsonl", language.rows[100:])
    write_jsonl(tmp_path / "part-1.jsonl", language.rows[30:100])
    first = write_jsonl(tmp_path / "z.jsonl", language.rows[:30])
    outputs = {ending: tmp_path / f"out{ending}" for ending in (".jsonl", ".jsonl.gz", ".parquet")}
    for output in outputs.values():
        arguments = ("score", first, tmp_path / "part-*.jsonl", "--model", language.folder)
        assert tokenline(*arguments, "--output", output, "--key-column", "id") == 0
    found = read_jsonl(outputs[".jsonl"])
    assert [row["key"] for row in found] == [row["id"] for row in language.rows]
    close(found, by_line)
    with gzip.open(outputs[".jsonl.gz"], "rb") as file:
        assert file.read() == outputs[".jsonl"].read_bytes()
    assert pq.read_table(outputs[".parquet"]).to_pylist() == found


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.usefixtures("small_windows")
def test_a_terminal_shows_one_line_that_is_rewritten(
    language, tmp_path, tokenline, monkeypatch, caplog
) -> None:
    file = write_jsonl(tmp_path / "rows.jsonl", language.rows)
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    options = ("--model", language.folder, "--output", tmp_path / "scores.jsonl")
    assert tokenline("score", file, *options) == 0
    *shown, end = terminal.getvalue().split("\r\x1b[K")
    windows = [f"  score: {rows} rows of" for rows in (40, 80, 120, 150)]  # WINDOW_ROWS is 40
    assert [line.partition(" of ")[0] + " of" for line in shown] == windows
    assert end.startswith("tokenline: 150 rows, ")
    assert end.count("\n") == 2  # and how many rows were cut
    assert not caplog.records  # nothing is told twice


@pytest.mark.usefixtures("small_windows")
def test_a_folder_has_shards_of_so_many_rows(language, tmp_path, tokenline) -> None:
    file = write_jsonl(tmp_path / "rows.jsonl", language.rows)
    options = ("--model", language.folder, "--key-column", "id")
    tokenline("score", file, *options, "--output", tmp_path / "all.jsonl")
    tokenline("score", file, *options, "--output", f"{tmp_path}/folder/", "--shard-rows", 64)
    names = [f"scores-0000{number}-of-00003.jsonl" for number in range(3)]
    assert sorted(os.listdir(tmp_path / "folder")) == names
    shards = [read_jsonl(tmp_path / "folder" / name) for name in names]
    assert [len(shard) for shard in shards] == [64, 64, 22]
    assert sum(shards, []) == read_jsonl(tmp_path / "all.jsonl")  # noqa: RUF017


@pytest.mark.parametrize("number_as_key", [".parquet", ".tfrecord"])
def test_a_key_may_be_a_number(number_as_key, language, tmp_path, tokenline) -> None:
    rows = [{"id": f"row-{n}", "line": "ab", "number": n} for n in (7, 3)]
    file, output = write_as(number_as_key, tmp_path, rows), tmp_path / "out.jsonl"
    options = ("--key-column", "number", "--output", output)
    assert tokenline("score", file, "--model", language.folder, *options) == 0
    assert [row["key"] for row in read_jsonl(output)] == [7, 3]


@pytest.mark.usefixtures("small_windows")
def test_tokens_add_up_to_their_example(language, by_line, tmp_path, tokenline) -> None:
    file = write_jsonl(tmp_path / "rows.jsonl", language.rows)
    output = tmp_path / "scores.parquet"
    options = ("--model", language.folder, "--tokens", "--output", output)
    assert tokenline("score", file, *options) == 0
    found = pq.read_table(output).to_pylist()
    for row, score, line in zip(language.rows, found, by_line, strict=True):
        tokens = score["per_token"]
        words = row["line"].split()[: LONGEST - 1]
        assert [token["token"] for token in tokens] == [*words, "<eos>"]
        assert [token["weight"] for token in tokens] == [
            *row.get("w", [1.0] * 99)[: len(words)],
            1.0,
        ]
        # ids: 0 to 3 are reserved, 1 is an unknown word's
        known = ["ab", "cd", "ef", "gh", "ij"]
        ids = [4 + known.index(word) if word in known else 1 for word in words]
        assert [token["id"] for token in tokens] == [*ids, 3]
        total = sum(token["loss"] * token["weight"] for token in tokens)
        assert total == pytest.approx(score["loss_sum"], rel=1e-5)
        assert all(token["confidence"] >= math.exp(-token["loss"]) - 1e-6 for token in tokens)
        right = [token["correct"] for token in tokens if token["weight"]]
        assert score["all_correct"] == (bool(right) and all(right))
        assert [t["token"] for t in line["per_token"]] == [t["token"] for t in tokens]
        np.testing.assert_allclose(
            [t["loss"] for t in line["per_token"]], [t["loss"] for t in tokens], rtol=1e-4
        )
