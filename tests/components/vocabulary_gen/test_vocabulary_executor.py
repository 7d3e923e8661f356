"""VocabularyGen's `Do` on small TFRecord files, through Beam."""

import json
import pathlib

import pytest
import tensorflow as tf
from tfx.types import artifact_utils, standard_artifacts

from components import shards
from components.artifacts import IngestReport, TokenLedger, Vocabulary
from components.errors import InputError
from components.example_gen.places import PlaceWriter
from components.vocabulary_gen import counting, spec
from components.vocabulary_gen.executor import Executor
from components.vocabulary_gen.problems import Problem
from transform.settings import Settings, Side
from transform.vocabulary import Vocabularies

SETTINGS = Settings(
    "lm", Side("text", "whitespace", 3), weights=("mask", "example"), example_weights="w"
)


def _example(row):
    """A raw example of (text, weight)."""
    text, weight = row
    example = tf.train.Example()
    example.features.feature["text"].bytes_list.value.append(text.encode())
    example.features.feature["w"].float_list.value.append(weight)
    return example.SerializeToString()


def _write_split(folder, rows, shards):
    folder.mkdir(parents=True)
    for shard in range(shards):
        path = str(folder / f"data-{shard}.gz")
        with tf.io.TFRecordWriter(path, tf.io.TFRecordOptions("GZIP")) as writer:
            for row in rows[shard::shards]:
                writer.write(_example(row))


def _report_artifact(folder, report):
    artifact = IngestReport()
    artifact.uri = str(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(report))
    return artifact


@pytest.fixture
def run(tmp_path):
    """Runs `Do` on splits {name: [(text, weight)]}; returns (vocabulary artifact, ledger folder)."""

    def call(splits, *, base="", name="out", shards=2, report=None, **changes):
        examples = standard_artifacts.Examples()
        examples.uri = str(tmp_path / name / "examples")
        examples.split_names = artifact_utils.encode_split_names(list(splits))
        for split, rows in splits.items():
            _write_split(tmp_path / name / "examples" / f"Split-{split}", rows, shards)
        inputs = {spec.EXAMPLES: [examples]}
        if report:
            inputs[spec.INGEST_REPORT] = [_report_artifact(tmp_path / name / "report", report)]
        vocabulary, ledger = Vocabulary(), TokenLedger()
        vocabulary.uri = str(tmp_path / name / "vocabulary")
        ledger.uri = str(tmp_path / name / "ledger")
        properties = {
            spec.SETTINGS: SETTINGS.to_json(),
            spec.VOCABULARY_SIZE: 100,
            spec.MIN_FREQUENCY: 1,
            spec.MAX_LOST_TOKENS: 1.0,
            spec.MAX_OOV_RATE: 1.0,
            spec.BASE_VOCABULARY: base,
            spec.INPUT_KEY: "key",
        }
        context = Executor.Context(tmp_dir=str(tmp_path), unique_id=name)
        Executor(context).Do(
            inputs,
            {spec.VOCABULARY: [vocabulary], spec.LEDGER: [ledger]},
            properties | changes,
        )
        return vocabulary, pathlib.Path(ledger.uri, "ledger.json")

    return call


def test_vocabulary_from_the_training_split_ledger_of_every_split(run):
    train = [("b a", 1.0), ("b", 2.0), ("b a c d", 1.0)]
    vocabulary, ledger = run({"train": train, "eval": [("e", 1.0), ("a", 0.0)]})
    found = Vocabularies.read(vocabulary.uri)
    assert found["target"].tokens == (b"b", b"a", b"c", b"d")
    assert vocabulary.get_string_custom_property("hash") == found.digest
    assert vocabulary.get_string_custom_property("input_key") == "key"
    assert vocabulary.get_string_custom_property("base_vocabulary") == ""
    written = json.loads(ledger.read_text())
    assert {split: sides["target"] for split, sides in written["splits"].items()} == {
        "eval": {
            "sequences": 2,
            "tokens_read": 4,
            "kept": 4,
            "truncated": 0,
            "dropped": 0,
            "trained": 2,
            "zero_weight": 2,
            "context": 0,
            "out_of_vocabulary": 1,
            "eos_and_bos": 2,
            "dropped_by": {},
        },
        "train": {
            "sequences": 3,
            "tokens_read": 10,
            "kept": 8,
            "truncated": 2,
            "dropped": 0,
            "trained": 8,
            "zero_weight": 0,
            "context": 0,
            "out_of_vocabulary": 0,
            "eos_and_bos": 3,
            "dropped_by": {},
        },
    }
    assert written["spans"] == {}
    assert written["weights"] == {
        "eval": {"sum": 2.0, "mean": 1.0, "factors": {"example": 1.0}},
        "train": {"sum": 10.0, "mean": 1.25, "factors": {"example": 1.25}},
    }
    assert written["checks"] == {"duplicates": {"eval": {"rows": 2, "in_train": 0}}}
    assert found["target"].counts == (0, 0, 0, 3, 3, 2, 1, 1)

    grown, _ = run({"train": [("z z a", 1.0)]}, base=vocabulary.uri, name="second")
    assert Vocabularies.read(grown.uri)["target"].tokens == (b"b", b"a", b"c", b"d", b"z")
    assert grown.get_string_custom_property("base_vocabulary") == vocabulary.uri


def test_bad_rows_of_all_splits_are_named_and_nothing_is_written(run, tmp_path):
    with pytest.raises(InputError) as caught:
        run({"train": [("fine", 1.0), ("wrong", -1.0)], "eval": [("odd", -2.0)]})
    assert str(caught.value).splitlines() == [
        "train split, row 'wrong': column 'w': got the weight -1, expected a finite number >= 0",
        "eval split, row 'odd': column 'w': got the weight -2, expected a finite number >= 0",
    ]
    assert not (tmp_path / "out" / "vocabulary").exists()


def test_more_bad_rows_than_are_shown_are_counted(run):
    with pytest.raises(InputError) as caught:
        run({"train": [(f"row{n:02}", -1.0) for n in range(25)]})
    lines = str(caught.value).splitlines()
    assert len(lines) == 21
    assert lines[0].startswith("train split, row 'row00'")
    assert lines[-1] == "25 problems in all"


def _reported(report_folder, places, splits=("train",)):
    """ExampleGen's report of shards of these places [(file, line)], by split and shard."""
    shards = []
    for split in splits:
        for number, of_shard in enumerate(places):
            lines = f"lines/Split-{split}/data-{number}.gz"
            (report_folder / lines).parent.mkdir(parents=True, exist_ok=True)
            writer = PlaceWriter(str(report_folder / lines))
            for file, line in of_shard:
                writer.add(file, line)
            writer.close()
            name = f"Split-{split}/data-{number}.gz"
            shards.append(
                {"name": name, "span": number, "rows": len(of_shard), "lines": lines},
            )
    paths = ["data/span-2/a.csv", "data/span-10/b.csv"]
    return {"shards": shards, "files": [{"path": path} for path in paths]}


def test_a_bad_row_is_named_by_the_file_and_line_that_it_is_from(run, tmp_path, monkeypatch):
    monkeypatch.setattr(counting, "_ROWS", 2)
    places = [[(0, 2), (0, 5), (1, 2)], [(1, 9), (1, 10), (1, 700)]]
    report = _reported(tmp_path / "out" / "report", places, ("train", "eval"))
    # Rows go to the two shards in turn.
    train = [("a", 1.0), ("b", -2.0), ("c", -3.0), ("d", 1.0), ("e", -5.0), ("f", -6.0)]
    with pytest.raises(InputError) as caught:
        run({"train": train, "eval": [("a", -1.0), *train[1:]]}, report=report)
    wanted = "expected a finite number >= 0"
    train_lines = [
        f"data/span-2/a.csv:5: column 'w': got the weight -3, {wanted}",
        f"data/span-10/b.csv:2: column 'w': got the weight -5, {wanted}",
        f"data/span-10/b.csv:9: column 'w': got the weight -2, {wanted}",
        f"data/span-10/b.csv:700: column 'w': got the weight -6, {wanted}",
    ]
    first = f"data/span-2/a.csv:2: column 'w': got the weight -1, {wanted}"
    assert str(caught.value).splitlines() == [*train_lines, first, *train_lines]


def test_the_places_of_another_number_of_rows_are_refused(run, tmp_path):
    report = _reported(tmp_path / "out" / "report", [[(0, 2), (0, 5), (1, 2)]])
    report["shards"][0]["rows"] = 2
    with pytest.raises(AssertionError, match=r"lines/Split-train/data-0\.gz: got the lines of 3 "):
        run({"train": [("a", 1.0), ("b", -2.0)]}, report=report, shards=1)


def test_only_the_first_of_many_problems_are_looked_up(run, tmp_path):
    places = [[(0, n) for n in range(1, 14)], [(1, n) for n in range(1, 13)]]
    report = _reported(tmp_path / "out" / "report", places)
    with pytest.raises(InputError) as caught:
        run({"train": [("x", -1.0)] * 25}, report=report)
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[0] for line in lines[:20]] == [
        *(f"data/span-2/a.csv:{n}" for n in range(1, 14)),
        *(f"data/span-10/b.csv:{n}" for n in range(1, 8)),
    ]
    assert lines[20:] == ["25 problems in all"]


def test_windows_of_one_row_have_one_line(run, tmp_path):
    report = _reported(tmp_path / "out" / "report", [[(0, 3), (0, 3), (0, 4)]])
    with pytest.raises(InputError) as caught:
        run({"train": [("x", -1.0)] * 3}, report=report, shards=1)
    wanted = "column 'w': got the weight -1, expected a finite number >= 0"
    assert str(caught.value).splitlines() == [
        f"data/span-2/a.csv:3: {wanted}",
        f"data/span-2/a.csv:4: {wanted}",
        "3 problems in all",
    ]


def test_too_much_trimming_stops_the_run_before_anything_is_written(run, tmp_path):
    with pytest.raises(InputError, match=r"loses 2 of 5 target tokens \(40.0%\)"):
        run({"train": [("a b c d", 1.0)]}, **{spec.MAX_LOST_TOKENS: 0.3})
    assert not (tmp_path / "out" / "vocabulary").exists()


def test_too_many_unknown_tokens_stop_the_run(run):
    splits = {"train": [("a b c", 1.0)], "eval": [("a x", 1.0)]}
    with pytest.raises(InputError, match=r"eval split: 1 of 2 target tokens .*data\.max_oov_rate"):
        run(splits, **{spec.MAX_OOV_RATE: 0.4})
    run(splits, name="again", **{spec.MAX_OOV_RATE: 0.5})


def test_spans_and_what_example_gen_dropped_come_from_its_report(run):
    report = {
        "shards": [
            {"split": "train", "name": "Split-train/data-0.gz", "span": 1, "rows": 2},
            {"split": "train", "name": "Split-train/data-1.gz", "span": 2, "rows": 1},
            {"split": "eval", "name": "Split-eval/data-0.gz", "span": 1, "rows": 1},
            {"split": "eval", "name": "Split-eval/data-1.gz", "span": 2, "rows": 0},
        ],
        "dropped": {"train": {"1": {"too_long": {"sequences": 1, "tokens": {"target": 9}}}}},
    }
    train = [("a b", 1.0), ("c", 1.0), ("b a", 2.0)]
    _, ledger = run({"train": train, "eval": [("b a", 1.0)]}, report=report)
    written = json.loads(ledger.read_text())
    assert written["checks"]["duplicates"]["eval"] == {"rows": 1, "in_train": 1}
    rows = {
        (split, span): sides["target"]["tokens_read"]
        for split, spans in written["spans"].items()
        for span, sides in spans.items()
    }
    assert rows == {("train", "1"): 15, ("train", "2"): 2, ("eval", "1"): 3, ("eval", "2"): 0}
    whole = written["splits"]["train"]["target"]
    assert (whole["tokens_read"], whole["dropped_by"]) == (17, {"too_long": 9})


def test_a_shard_that_the_report_names_must_be_there(run):
    lost = {"split": "train", "name": "Split-train/data-7.gz", "span": 1, "rows": 2}
    with pytest.raises(AssertionError, match=r"not there: \['Split-train/data-7\.gz'\]"):
        run({"train": [("a", 1.0)]}, report={"shards": [lost]})


def test_a_shard_must_hold_the_rows_that_the_report_says(run):
    part = {"split": "train", "name": "Split-train/data-0.gz", "span": 1, "rows": 2}
    with pytest.raises(AssertionError, match=r"data-0\.gz: got 1 rows, ExampleGen wrote 2"):
        run({"train": [("a", 1.0)]}, report={"shards": [part]}, shards=1)


def test_the_result_is_the_same_whatever_the_shards_and_threads(run, monkeypatch):
    rows = [(f"w{n % 7} w{n % 3} \u00e9", 1.0) for n in range(50)]
    splits = {"train": rows, "eval": rows[:3]}
    results = []
    for count, threads in ((1, 1), (5, 1), (5, 4)):
        monkeypatch.setattr(shards, "THREADS", threads)
        vocabulary, ledger = run(splits, name=f"{count}-{threads}", shards=count)
        results.append((Vocabularies.read(vocabulary.uri), ledger.read_text()))
    assert results[0] == results[1] == results[2]
    assert json.loads(results[0][1])["checks"]["duplicates"]["eval"]["in_train"] == 3


def test_ids_outside_the_vocabulary_are_named(tmp_path):
    settings = Settings("lm", Side("text", "ids", 4))
    path = tmp_path / "ids.gz"
    example = tf.train.Example()
    example.features.feature["text"].int64_list.value.extend([4, 7, -1])
    with tf.io.TFRecordWriter(str(path), tf.io.TFRecordOptions("GZIP")) as writer:
        writer.write(example.SerializeToString())
    counting.count_shard(str(path), settings=settings, vocab_size=7, folder=str(tmp_path))
    shard = counting.Shard("train", "", str(path))
    assert counting.Results(str(tmp_path)).tally(shard).problems == [
        Problem(0, "column 'text', item 2: got the id 7, expected one from 0 to 6", "4 7 -1")
    ]
