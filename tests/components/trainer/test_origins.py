"""A bad batch's rows are found again: by file and line, and by their text."""

import json

import numpy as np
import pytest
import tensorflow as tf

from components.example_gen.places import PlaceWriter
from components.trainer import bad_rows
from components.trainer import origins as origins_module
from components.trainer.origins import Origins
from transform.features import Lengths
from transform.settings import Settings, Side
from transform.vocabulary import Vocabularies, Vocabulary

SETTINGS = Settings(
    task="seq2seq",
    target=Side("target", "character", 8),
    source=Side("source", "whitespace", 8),
)
VOCABULARY = Vocabulary((b"a", b"b", b"c", b"d", b"e"))
VOCABULARIES = Vocabularies({"source": VOCABULARY, "target": VOCABULARY}, "")


@pytest.fixture
def origins(tmp_path, write_rows, copy_rows, monkeypatch) -> tuple[Origins, list[dict]]:
    """Two transformed shards; row n of shard s is from line 10 n + 1 of one of two inputs."""
    monkeypatch.setattr(origins_module, "_ROWS_READ", 5)
    rows = copy_rows(30, seed=7)
    rows[17] = dict(rows[4])  # in the other shard
    rows[5] = rows[3] | {"loss_weights": np.array(rows[3]["loss_weights"]) * 3}
    shards, files = [], []
    (tmp_path / "lines").mkdir()
    for shard, part in enumerate((rows[:12], rows[12:])):
        files.append(write_rows(tmp_path / f"transformed-{shard}.gz", part))
        writer = PlaceWriter(str(tmp_path / f"lines/{shard}"))
        for number in range(len(part)):
            writer.add(shard, 10 * number + 1)
        writer.close()
        shards.append(
            {
                "split": "train",
                "name": f"Split-train/{shard}",
                "rows": len(part),
                "lines": f"lines/{shard}",
            }
        )
    report = {"files": [{"path": "a.jsonl"}, {"path": "b.jsonl"}], "shards": shards}
    (tmp_path / "report.json").write_text(json.dumps(report))
    return Origins(files[::-1], Lengths(8, 8), SETTINGS, VOCABULARIES, str(tmp_path)), rows


def batch_of(rows: list[dict], width: int = 8) -> dict[str, tf.Tensor]:
    """As training has it: cut to `width` positions."""
    types = {"loss_weights": np.float32}
    found = {}
    for name in rows[0]:
        values = np.array([row[name] for row in rows], types.get(name, np.int64))
        found[name] = tf.constant(values[:, 0] if values.shape[1] == 1 else values[:, :width])
    return found


def test_rows_are_found_by_their_content(origins) -> None:
    found, rows = origins
    columns = {name: value.numpy() for name, value in batch_of([rows[3], rows[14]]).items()}
    assert found.places(columns) == [["a.jsonl:31"], ["b.jsonl:21"]]


def test_equal_rows_are_all_told_and_other_weights_are_another_row(origins) -> None:
    found, rows = origins
    columns = {name: value.numpy() for name, value in batch_of([rows[4], rows[5]]).items()}
    assert found.places(columns) == [["a.jsonl:41", "b.jsonl:51"], ["a.jsonl:51"]]


def test_rows_are_found_where_the_batch_is_cut_shorter(origins) -> None:
    found, rows = origins
    number, row = next((n, row) for n, row in enumerate(rows) if row["target_lengths"][0] <= 4)
    columns = {name: value.numpy() for name, value in batch_of([row], width=4).items()}
    assert f"a.jsonl:{10 * number + 1}" in found.places(columns)[0]


def test_what_stands_in_the_padding_is_no_matter(origins) -> None:
    found, rows = origins
    columns = {name: value.numpy() for name, value in batch_of(rows[:12]).items()}
    for name in ("targets", "inputs", "loss_weights"):
        padded = np.arange(8) >= columns["target_lengths"][:, None]
        assert padded.any()
        columns[name] = np.where(padded, 7, columns[name]).astype(columns[name].dtype)
    expected = [f"a.jsonl:{10 * number + 1}" for number in range(12)]
    assert [places[0] for places in found.places(columns)] == expected


def test_rows_that_the_files_do_not_have_have_no_place(origins) -> None:
    found, rows = origins
    other = rows[3] | {"targets": np.array([9, 9, 9, 9, 9, 9, 9, 9])}
    columns = {name: value.numpy() for name, value in batch_of([other]).items()}
    assert found.places(columns) == [[]]


@pytest.mark.parametrize("change", ["no report", "other shards", "other rows"])
def test_without_lines_that_fit_there_are_no_places(origins, tmp_path, change: str) -> None:
    found, rows = origins
    path = tmp_path / "report.json"
    report = json.loads(path.read_text())
    if change == "no report":
        path.unlink()
    elif change == "other shards":
        path.write_text(json.dumps(report | {"shards": report["shards"][:1]}))
    else:
        report["shards"][0]["rows"] += 1
        path.write_text(json.dumps(report))
    columns = {name: value.numpy() for name, value in batch_of([rows[3]]).items()}
    assert found.places(columns) == [[]]


def test_the_text_is_that_of_the_ids_without_ends(origins) -> None:
    found, rows = origins
    row = rows[0] | {
        "targets": np.array([4, 1, 5, 3, 0, 0, 0, 0]),
        "target_lengths": [4],
        "inputs": np.array([8, 7, 3, 0, 0, 0, 0, 0]),
        "input_lengths": [3],
    }
    columns = {name: value.numpy() for name, value in batch_of([row]).items()}
    assert found.texts(columns) == [{"targets": "a<unk>b", "inputs": "e d"}]


def test_a_saved_row_says_where_it_is_from_first(origins, tmp_path) -> None:
    found, rows = origins
    described = bad_rows.described(batch_of(rows[3:5]), found)
    bad_rows.save(described, str(tmp_path / "bad/rows.jsonl"))
    saved = [json.loads(line) for line in (tmp_path / "bad/rows.jsonl").read_text().splitlines()]
    assert list(saved[0])[:2] == ["places", "text"]
    assert saved[0]["places"] == ["a.jsonl:31"]
    assert saved[0]["targets"] == list(rows[3]["targets"])
    assert bad_rows.names(described, "a spike") == ["a.jsonl:31", "a.jsonl:41 or b.jsonl:51"]
    assert bad_rows.names(described, "example 1 position 2 got nan") == ["a.jsonl:41 or b.jsonl:51"]


def packed(rows: list[list[dict]]) -> dict[str, tf.Tensor]:
    """A batch of rows that hold several examples each, as training has it."""
    sides = (
        ("target_lengths", ("targets", "loss_weights"), "target_segments"),
        ("input_lengths", ("inputs",), "input_segments"),
    )
    found = {"packed_examples": np.array([len(row) for row in rows])}
    for lengths, names, numbers in sides:
        sizes = [[each[lengths][0] for each in row] for row in rows]
        found[lengths] = np.array([sum(row) for row in sizes])
        width = max(found[lengths]) + 1
        found[numbers] = np.zeros((len(rows), width), np.int64)
        for index, row in enumerate(sizes):
            held = np.repeat(np.arange(len(row)) + 1, row)
            found[numbers][index, : len(held)] = held
        for name in names:
            of = np.float32 if name == "loss_weights" else np.int64
            found[name] = np.zeros((len(rows), width), of)
            for index, row in enumerate(rows):
                parts = [each[name][: each[lengths][0]] for each in row]
                held = np.concatenate(parts)
                found[name][index, : len(held)] = held
    return {name: tf.constant(value) for name, value in found.items()}


def test_the_examples_of_packed_rows_are_told_apart(origins) -> None:
    found, rows = origins
    chosen = [[rows[3], rows[14], rows[20]], [rows[6]]]
    batch = packed(chosen)
    assert batch["targets"].shape[1] > 8, "a packed row is longer than any example"

    described = bad_rows.described(batch, found)

    expected = [["a.jsonl:31"], ["b.jsonl:21"], ["b.jsonl:81"], ["a.jsonl:61"]]
    assert [row["places"] for row in described] == expected
    assert [row["targets"][: row["target_lengths"]] for row in described] == [
        list(each["targets"][: each["target_lengths"][0]]) for row in chosen for each in row
    ]
    second = rows[3]["target_lengths"][0]  # the position where the second example starts
    reason = f"non-finite loss nan: example 0 position {second} got nan"
    assert bad_rows.names(described, reason) == ["b.jsonl:21"]
    other = "non-finite loss nan: example 1 position 0 got nan"
    assert bad_rows.names(described, other) == ["a.jsonl:61"]
