"""What a run's record keeps for its report, read from a metadata store as TFX writes it."""

import json
import pathlib

import pytest
from store_book import CACHED, Book

from pipeline.run_details import details


@pytest.fixture
def book(tmp_path: pathlib.Path) -> Book:
    """Two runs: the second takes its examples from the cache, and compares with the first's model."""
    book = Book(tmp_path)
    examples = book.artifact("Examples", "artifacts/examples/1", input_fingerprint="e1a2")
    first = book.artifact("Model", "artifacts/model/2")
    second = book.artifact("Model", "artifacts/model/5")
    (tmp_path / "artifacts/model/5/weights").write_text("w")
    evaluation = book.artifact("components.Evaluation", "artifacts/evaluation/6")
    book.ran("tfx-1", "ExampleGen", {}, {"examples": examples})
    book.ran("tfx-1", "SequenceTrainer", {"examples": examples}, {"model": first})
    book.ran("tfx-2", "LastBlessedModel", {}, {})
    book.ran("tfx-2", "ExampleGen", {}, {"examples": examples}, CACHED)
    book.ran("tfx-2", "SequenceTrainer", {"examples": examples}, {"model": second})
    given = {"model": second, "examples": examples, "baseline_model": first}
    book.ran("tfx-2", "SequenceEvaluator", given, {"evaluation": evaluation})
    return book


def _record(folder: pathlib.Path, run: str, tfx_run: str) -> None:
    (folder / "runs" / run).mkdir(parents=True)
    (folder / "runs" / run / "run.json").write_text(json.dumps({"tfx_run": tfx_run}))


def test_lineage_says_what_was_made_from_what(book: Book) -> None:
    _record(book.folder, "20260101-000000", "tfx-0")
    _record(book.folder, "20260102-000000", "tfx-1")
    found = details({}, book.store, "tfx-2", str(book.folder))["lineage"]
    assert [(node["name"], node["cached"], node["run"]) for node in found] == [
        ("ExampleGen", True, "20260102-000000"),
        ("SequenceTrainer", False, ""),
        ("SequenceEvaluator", False, ""),
    ]
    assert found[0]["outputs"] == [
        {
            "name": "examples",
            "id": 1,
            "type": "Examples",
            "uri": "artifacts/examples/1",
            "hash": "e1a2",
        }
    ]
    assert found[1]["inputs"] == [{"name": "examples", "id": 1, "run": ""}]
    read = {each["name"]: (each["id"], each["run"]) for each in found[2]["inputs"]}
    assert read == {
        "model": (3, ""),
        "examples": (1, ""),
        "baseline_model": (2, "20260102-000000"),
    }
    assert found[2]["outputs"][0]["type"] == "Evaluation"
    assert all(node["ended"] >= node["started"] > 0 for node in found)


def test_a_hash_is_of_the_content_where_no_component_gave_one(book: Book) -> None:
    def model_hash() -> str:
        found = details({}, book.store, "tfx-2", str(book.folder))["lineage"]
        return found[1]["outputs"][0]["hash"]

    before = model_hash()
    assert len(before) == 64
    (book.folder / "artifacts/model/5/weights").write_text("v")
    assert model_hash() != before


def test_a_run_that_left_no_record_goes_by_its_tfx_id(book: Book) -> None:
    found = details({}, book.store, "tfx-2", str(book.folder))["lineage"]
    assert found[0]["run"] == "tfx-1"


def test_a_run_that_was_pruned_goes_by_its_name_in_the_history(book: Book) -> None:
    line = json.dumps({"run": "20260102-000000", "tfx_run": "tfx-1"})
    (book.folder / "history.jsonl").write_text(f"{line}\n" + line[:20])
    found = details({}, book.store, "tfx-2", str(book.folder))["lineage"]
    assert found[0]["run"] == "20260102-000000"


def test_the_time_of_a_cached_result_is_when_it_was_made(book: Book) -> None:
    first, second = (
        details({}, book.store, run, str(book.folder))["lineage"][0] for run in ("tfx-1", "tfx-2")
    )
    assert (second["started"], second["ended"]) == (first["started"], first["ended"])
    assert second["execution"] != first["execution"]


def test_files_of_the_components_are_found_wherever_they_are(book: Book) -> None:
    folder = book.folder / "artifacts/evaluation/6"
    (folder / "worst.json").write_text('{"examples": [1]}')
    outputs = {"A": {"model": str(book.folder)}, "B": {"evaluation": str(folder)}}
    found = details(outputs, book.store, "no such run", str(book.folder))
    assert found == {
        "worst": {"examples": [1]},
        "samples": {},
        "tags": {},
        "decoded": {},
        "drift": {},
        "lineage": [],
    }


def test_drift_is_that_of_the_run_and_not_of_the_span_before(book: Book) -> None:
    for place, span in (("before", 1), ("now", 2)):
        (book.folder / place).mkdir()
        (book.folder / place / "span_check.json").write_text(json.dumps({"span": span}))
    outputs = {
        "SpanBefore": {"result": str(book.folder / "before")},
        "SpanCheck": {"statistics": str(book.folder / "now")},
    }
    assert details(outputs, book.store, "tfx-2", str(book.folder))["drift"] == {"span": 2}
    assert details({}, book.store, "tfx-2", str(book.folder))["drift"] == {}
