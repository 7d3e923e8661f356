"""ExampleGen's input at an address: spans, formats, rows and refusals are those of the same files here."""

import gzip
import io
import json
import re
import struct

import google_crc32c
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import store_line
import tensorflow as tf
from tfx.types import standard_artifacts

from components.artifacts import IngestReport, Subwords, TokenLedger, Vocabulary
from components.beam_runner import IN_PROCESS
from components.errors import InputError
from components.example_gen import files
from components.example_gen.executor import Executor
from components.span_window import window
from components.vocabulary_gen import executor as vocabulary_gen
from transform.settings import Settings, Side

ROWS = [{"text": f"row {number}" + " and so on" * (number % 4)} for number in range(60)]


def jsonl(rows) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def parquet(rows) -> bytes:
    found = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), found, row_group_size=7)
    return found.getvalue()


def tfrecord(rows) -> bytes:
    return b"".join(map(_framed, rows))


def _framed(row) -> bytes:
    example = tf.train.Example()
    example.features.feature["text"].bytes_list.value.append(row["text"].encode())
    data = example.SerializeToString()
    length = struct.pack("<Q", len(data))
    return length + _masked(length) + data + _masked(data)


def _masked(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def csv(rows) -> bytes:
    return "".join(f"{line}\n" for line in ["text", *(row["text"] for row in rows)]).encode()


FORMATS = {
    "jsonl": ("a.jsonl", jsonl),
    "csv": ("a.csv.gz", lambda rows: gzip.compress(csv(rows))),
    "parquet": ("a.parquet", parquet),
    "tfrecord": ("a.tfrecord", tfrecord),
}


@pytest.fixture
def roots(ram, tmp_path, monkeypatch):
    """The same place twice, and an empty folder to work in."""
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    yield (str(tmp_path / "here"), ram)
    assert list((tmp_path / "empty").iterdir()) == []


def write(root: str, contents: dict[str, bytes]) -> None:
    for name, content in contents.items():
        path = f"{root}/{name}"
        tf.io.gfile.makedirs(path.rpartition("/")[0])
        with tf.io.gfile.GFile(path, "wb") as file:
            file.write(content)


def ingested(root: str, **parameters):
    """What ExampleGen writes: examples and report with the root's name taken out, and its artifacts."""
    outputs = {
        "examples": [standard_artifacts.Examples()],
        "ingest_report": [IngestReport()],
        "subwords": [Subwords()],
    }
    for name, (artifact,) in outputs.items():
        artifact.uri = f"{root}/out/{name}"
    values = {"input_base": f"{root}/data/span-{{SPAN}}", "spans": "[1, 12]"}
    values |= {"columns": '{"text": "text"}', "split": '{"train": 2, "eval": 1}'} | parameters
    Executor(Executor.Context(beam_pipeline_args=list(IN_PROCESS))).Do({}, outputs, values)
    found = store_line.tree(f"{root}/out")
    shown = {name: content.replace(root.encode(), b"ROOT") for name, content in found.items()}
    return shown, outputs


@pytest.mark.parametrize("format", FORMATS)
def test_examples_and_report_are_those_of_the_files_here(roots, format) -> None:
    name, encoded = FORMATS[format]
    found = []
    for root in roots:
        contents = {f"data/span-1/{name}": encoded(ROWS[:40]), "data/span-1/README": b"mine"}
        write(root, contents | {f"data/span-12/{name}": encoded(ROWS[40:])})
        found.append(ingested(root, format=format)[0])
    assert found[0] == found[1]
    report = json.loads(found[1]["ingest_report/report.json"])
    assert (report["rows"], report["spans"]) == (60, {"1": 40, "12": 20})
    assert report["unread_files"] == ["ROOT/data/span-1/README"]


def test_long_rows_are_dropped_as_here(roots) -> None:
    settings = Settings("lm", Side("text", "whitespace", 8), excess_length="drop")
    sequences = json.dumps({"policy": "drop", "settings": settings.to_json()})
    found = []
    for root in roots:
        write(root, {f"data/span-{span}/a.jsonl": jsonl(ROWS) for span in (1, 12)})
        found.append(ingested(root, format="jsonl", sequences=sequences)[0])
    assert found[0] == found[1]
    assert json.loads(found[1]["ingest_report/report.json"])["rows"] == 60


def test_pieces_are_learned_and_long_rows_cut_as_here(roots) -> None:
    """Then VocabularyGen takes the pieces from where ExampleGen has put them."""
    settings = Settings("lm", Side("text", "wordpiece", 8), excess_length="window")
    sequences = {"policy": "window", "settings": settings.to_json(), "vocab_size": 90}
    sequences["window"] = {"stride": 5, "over": "row", "separator": ""}
    found = []
    for root in roots:
        write(root, {f"data/span-{span}/a.jsonl": jsonl(ROWS) for span in (1, 12)})
        shown, outputs = ingested(root, format="jsonl", sequences=json.dumps(sequences))
        found.append(shown | vocabulary(root, settings, outputs))
    assert found[0] == found[1]
    assert any(name.endswith(".wordpiece.txt") for name in found[1])


def vocabulary(root: str, settings: Settings, outputs) -> dict[str, bytes]:
    made = {"vocabulary": [Vocabulary()], "ledger": [TokenLedger()]}
    for name, (artifact,) in made.items():
        artifact.uri = f"{root}/vocabulary/{name}"
    parameters = {
        "settings": settings.to_json(),
        "vocab_size": 90,
        "min_frequency": 1,
        "max_lost_tokens": 1.0,
        "max_oov_rate": 1.0,
        "base_vocabulary": "",
        "input_key": "",
    }
    context = vocabulary_gen.Executor.Context(
        beam_pipeline_args=list(IN_PROCESS), tmp_dir=f"{root}/tmp", unique_id="1"
    )
    vocabulary_gen.Executor(context).Do(outputs, made, parameters)
    return store_line.tree(f"{root}/vocabulary")


def test_spans_and_their_content_are_found(roots) -> None:
    fingerprints = []
    for root in roots:
        contents = {f"data/span-{span}/raw/a.jsonl": jsonl(ROWS[:span]) for span in (2, 10, 1)}
        write(root, contents | {"data/span-3": b"a file", "data/span-4/a.jsonl": b"{}\n"})
        pattern = f"{root}/data/span-{{SPAN}}/raw"
        assert files.list_spans(pattern) == [1, 2, 10]
        assert window.resolve(pattern, "latest:2", "[10]", "").spans == (2, 10)
        listing = files.input_files(pattern, [10, 2], "jsonl")
        assert [(file.span, file.path, file.size) for file in listing.files] == [
            (span, f"{root}/data/span-{span}/raw/a.jsonl", len(jsonl(ROWS[:span])))
            for span in (2, 10)
        ]
        fingerprints.append(files.fingerprints(listing.files))
    assert fingerprints[0] == fingerprints[1]


@pytest.mark.parametrize(
    ("path", "spans", "expected"),
    [
        ("ROOT/no/span-{SPAN}", [1], "ROOT/no: no such folder"),
        ("ROOT/no", [], "ROOT/no: no such folder"),
        ("ROOT/data/span-{SPAN}", [7], "ROOT/data/span-{SPAN}: no span 7 (spans there: 1)"),
        ("ROOT/data/span-1", [], "ROOT/data/span-1: no file to read: got notes, expected .jsonl"),
        ("gs://{SPAN}/data", [1], "gs://{SPAN}/data: got {SPAN} in the bucket's name, expected it"),
        ("nowhere://b/data", [], "nowhere://b/data: got File system scheme 'nowhere' not impl"),
    ],
)
def test_what_is_not_there_is_one_line(roots, path, spans, expected) -> None:
    root = roots[1]
    write(root, {"data/span-1/notes": b"mine"})
    with pytest.raises(InputError, match=re.escape(expected.replace("ROOT", root))) as error:
        files.input_files(path.replace("ROOT", root), spans, "jsonl")
    assert "\n" not in str(error.value)


def test_a_damaged_file_is_told_with_its_address_and_row(roots) -> None:
    root = roots[1]
    write(
        root, {f"data/span-{span}/a.jsonl.gz": gzip.compress(jsonl(ROWS))[:-9] for span in (1, 12)}
    )
    with pytest.raises(
        InputError, match=re.escape(f"{root}/data/span-1/a.jsonl.gz: got gzip data")
    ):
        ingested(root, format="jsonl")
    assert not [name for name in store_line.tree(root) if name.startswith("out/")]
