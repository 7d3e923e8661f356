"""ExampleGen as a TFX component: the executor's `Do` on a folder, and the component's interface."""

import hashlib
import json
import pathlib

import pytest
import tensorflow as tf
from tfx.components import StatisticsGen  # noqa: F401  (before TFDV: see facts on the import bug)
from tfx.types import artifact_utils, standard_artifacts

from components.artifacts import IngestReport
from components.beam_runner import IN_PROCESS
from components.errors import InputError
from components.example_gen.component import ExampleGen
from components.example_gen.executor import Executor
from components.example_gen.files import fingerprint, input_files
from components.example_gen.places import Places
from transform.settings import Settings, Side


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs `Do` on `tmp_path/data`, shown as `data`; returns (examples artifact, report)."""
    monkeypatch.chdir(tmp_path)
    pathlib.Path("data").mkdir()

    def call(name="out", **parameters):
        examples, report = standard_artifacts.Examples(), IngestReport()
        examples.uri, report.uri = str(tmp_path / name / "examples"), str(tmp_path / name / "r")
        values = {"input_base": "data", "format": "jsonl", "columns": '{"text": "text"}'}
        values |= {"split": '{"train": 2, "eval": 1}'} | parameters
        context = Executor.Context(beam_pipeline_args=list(IN_PROCESS))
        Executor(context).Do({}, {"examples": [examples], "ingest_report": [report]}, values)
        return examples, json.loads(pathlib.Path(report.uri, "report.json").read_text())

    return call


def _write(name, rows):
    pathlib.Path("data", name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def _digests(examples):
    return {
        str(path.relative_to(examples.uri)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(pathlib.Path(examples.uri).rglob("*"))
        if path.is_file()
    }


def test_writes_what_tfx_reads_and_accounts_for_every_row(run):
    _write("b.jsonl", [{"text": f"b{n}", "note": n} for n in range(30)])
    _write("a.jsonl", [{"text": f"a{n}"} for n in range(30)] + [{"text": ""}])
    pathlib.Path("data/README.md").write_text("hello")
    examples, report = run(max_bad_rows=1)

    assert artifact_utils.decode_split_names(examples.split_names) == ["train", "eval"]
    assert examples.get_string_custom_property("payload_format") == "FORMAT_TF_EXAMPLE"
    assert (examples.span, examples.get_int_custom_property("span")) == (0, 0)
    first = _digests(examples)
    assert list(first) == [
        "Split-eval/data_tfrecord-00000-of-00001.gz",
        "Split-train/data_tfrecord-00000-of-00001.gz",
    ]
    rows = {}
    for split in ("train", "eval"):
        (uri,) = artifact_utils.get_split_uris([examples], split)
        records = tf.data.TFRecordDataset(tf.io.gfile.glob(f"{uri}/*"), "GZIP")
        rows[split] = len(list(records))
    assert sum(rows.values()) == 60
    assert report["splits"] == rows
    assert (report["rows"], report["bad_rows"], report["spans"]) == (60, 1, {"0": 60})
    assert report["unconfigured_columns"] == {"note": 30}
    assert report["unread_files"] == ["data/README.md"]
    assert report["first_bad_rows"] == [
        "data/a.jsonl:31: column 'text': got an empty string, expected text"
    ]
    assert [(file["path"], file["rows"], file["bad"]) for file in report["files"]] == [
        ("data/a.jsonl", 30, 1),
        ("data/b.jsonl", 30, 0),
    ]

    again, _ = run(name="again", max_bad_rows=1)
    assert _digests(again) == first


def _rows_and_places(tmp_path, report, name="out"):
    """The text of each row written, and where the report says that it is from."""
    files = tuple(file["path"] for file in report["files"])
    for shard in report["shards"]:
        path = tmp_path / name / "examples" / shard["name"]
        places = Places(str(tmp_path / name / "r" / shard["lines"]), files)
        found = places.of(range(shard["rows"]), of_all=shard["rows"])
        for row, record in enumerate(tf.data.TFRecordDataset(str(path), "GZIP")):
            feature = tf.train.Example.FromString(record.numpy()).features.feature["text"]
            yield feature.bytes_list.value[0].decode(), found[row]


def test_each_row_keeps_its_place_over_files_spans_and_bad_rows(run, tmp_path):
    for span, names in {2: "ab", 10: "c"}.items():
        (tmp_path / f"data/span-{span}").mkdir()
        for name in names:
            # Two lines for each row, as the text has a line break; and now and then a bad row.
            rows = [f'"{span}{name}\n{n}"\n' if n % 7 else '""\n' for n in range(40)]
            path = tmp_path / f"data/span-{span}/{name}.csv"
            path.write_text("text\n" + "".join(rows))
    options = {"format": "csv", "max_bad_rows": 99, "spans": "[2, 10]"}
    _, report = run(input_base="data/span-{SPAN}", **options)
    lines = {n: 2 + sum(2 if m % 7 else 1 for m in range(n)) for n in range(40)}
    expected = {
        f"{span}{name}\n{n}": f"data/span-{span}/{name}.csv:{lines[n]}"
        for span, name in ((2, "a"), (2, "b"), (10, "c"))
        for n in range(40)
        if n % 7
    }
    assert dict(_rows_and_places(tmp_path, report)) == expected


def test_a_window_has_the_line_of_its_row(run, tmp_path):
    _write("a.jsonl", [{"text": f"{n} b c d"} if n % 2 else {"text": f"{n}"} for n in range(30)])
    side = Side("text", "whitespace", max_length=3)
    sequences = {"policy": "window", "settings": Settings("lm", side).to_json()}
    _, report = run(sequences=json.dumps(sequences | {"window": {"stride": 2}}))
    found = list(_rows_and_places(tmp_path, report))
    starts = {place: text for text, place in found if text != "c d"}
    assert starts == {f"data/a.jsonl:{n + 1}": f"{n} b" if n % 2 else f"{n}" for n in range(30)}
    rests = sorted(int(place.split(":")[1]) for text, place in found if text == "c d")
    assert rests == [n + 1 for n in range(30) if n % 2]


def test_all_bad_rows_are_told_at_once_sorted_and_nothing_is_left(run, tmp_path):
    _write("b.jsonl", [{"text": "x"}, {"text": 1}])
    _write("a.jsonl", [{"text": None} for _ in range(25)])
    pathlib.Path("data/c.jsonl.gz").write_text("no gzip")
    with pytest.raises(InputError) as caught:
        run()
    lines = str(caught.value).splitlines()
    assert lines[:2] == [
        "data/a.jsonl:1: column 'text': got null, expected text",
        "data/a.jsonl:2: column 'text': got null, expected text",
    ]
    assert len(lines) == 21
    assert lines[20] == (
        "data: the first 20 are listed; got 26 bad rows and 1 unusable files, "
        "expected at most 0 bad rows (data.max_bad_rows)"
    )
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


def test_a_damaged_file_is_never_left_out(run):
    _write("a.jsonl", [{"text": f"a{n}"} for n in range(30)])
    pathlib.Path("data/b.jsonl.gz").write_text("no gzip")
    with pytest.raises(InputError, match=r"data/b\.jsonl\.gz: got a file that is not gzip"):
        run(max_bad_rows=1000)


def test_a_split_without_rows_is_refused(run, tmp_path):
    _write("a.jsonl", [{"text": "a"}])
    with pytest.raises(InputError, match=r"data: got no row for split 'eval' \(of 1: train 1,"):
        run(split='{"train": 1000, "eval": 1}')
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


def test_files_that_changed_since_the_start_are_refused(run):
    _write("a.jsonl", [{"text": f"a{n}"} for n in range(30)])
    digest = fingerprint(input_files("data", [], "jsonl").files)
    run(fingerprint=digest)
    _write("a.jsonl", [{"text": f"b{n}"} for n in range(30)])
    with pytest.raises(InputError, match="data: changed while the run was starting; run again"):
        run(fingerprint=digest)


def test_windows_and_their_counts_are_in_the_report(run):
    _write("a.jsonl", [{"text": f"{n} b c"} for n in range(30)])
    side = Side("text", "whitespace", max_length=3)
    sequences = {"policy": "window", "settings": Settings("lm", side).to_json()}
    sequences |= {"window": {"stride": 2, "over": "row", "separator": ""}, "span_column": True}
    examples, report = run(sequences=json.dumps(sequences))
    rows = report["splits"]
    assert sum(rows.values()) == 30
    assert report["windows"] == {
        split: {"documents": n, "windows": 2 * n, "context_tokens": 0} for split, n in rows.items()
    }
    assert [(shard["split"], shard["span"], shard["rows"]) for shard in report["shards"]] == [
        (split, 0, 2 * n) for split, n in rows.items()
    ]
    (uri,) = artifact_utils.get_split_uris([examples], "eval")
    record = next(iter(tf.data.TFRecordDataset(tf.io.gfile.glob(f"{uri}/*"), "GZIP"))).numpy()
    assert sorted(tf.train.Example.FromString(record).features.feature) == [
        "_context_length",
        "_continues",
        "_span",
        "text",
    ]


def test_a_row_that_cannot_be_cut_is_one_line_and_leaves_nothing(run, tmp_path):
    _write("a.jsonl", [{"text": "a"} for n in range(30)] + [{"text": "aé"}])
    side = Side("text", "byte", max_length=3, lowercase=True)
    sequences = {"policy": "window", "settings": Settings("lm", side).to_json()}
    sequences |= {"window": {"stride": 2}}
    with pytest.raises(InputError, match=r"^data/a\.jsonl:31: column 'text': got a window, text "):
        run(sequences=json.dumps(sequences))
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


def test_the_component_takes_scalars_and_checks_them():
    component = ExampleGen(
        input_base="data", format="csv", columns='{"text": "text"}', fingerprint="f"
    )
    assert {type(value) for value in component.exec_properties.values()} == {str, int}
    assert set(component.outputs) == {"examples", "ingest_report"}
    with pytest.raises(InputError, match=r"data\.columns: column 'text': got kind 'x'"):
        ExampleGen(input_base="data", format="csv", columns='{"text": "x"}', fingerprint="f")
    with pytest.raises(InputError, match=r"sequences: got 'x', expected a JSON object"):
        ExampleGen(
            input_base="data",
            format="csv",
            columns='{"text": "text"}',
            fingerprint="f",
            sequences="x",
        )


def test_a_negative_weight_is_named_with_its_file_and_line(run):
    _write("a.jsonl", [{"text": f"a{n}", "w": [1, 0], "e": 1} for n in range(30)])
    columns = json.dumps({"text": "text", "w": "weight_list", "e": "weight"})
    examples, _ = run(columns=columns)
    (path, *_) = pathlib.Path(examples.uri).rglob("*.gz")
    record = next(iter(tf.data.TFRecordDataset(str(path), "GZIP"))).numpy()
    features = tf.train.Example.FromString(record).features.feature
    assert list(features["w"].float_list.value) == [1.0, 0.0]
    assert list(features["e"].float_list.value) == [1.0]
    _write("b.jsonl", [{"text": "b", "w": [1, -1], "e": 1}, {"text": "b", "w": [1], "e": -2}])
    with pytest.raises(InputError) as caught:
        run(columns=columns)
    wanted = "expected a finite number >= 0 that float32 can hold"
    assert str(caught.value).splitlines()[:2] == [
        f"data/b.jsonl:1: column 'w', item 2: got the integer -1, {wanted}",
        f"data/b.jsonl:2: column 'e': got the integer -2, {wanted}",
    ]
