"""What a run's record keeps for its report, read from a metadata store as TFX writes it."""

import json
import pathlib

import pytest
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2

from pipeline.run_details import details

COMPLETE = metadata_store_pb2.Execution.COMPLETE
CACHED = metadata_store_pb2.Execution.CACHED


def _created(path: str) -> metadata_store_pb2.ConnectionConfig:
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = path
    config.sqlite.connection_mode = 3  # create it if it is not there
    return config


class Book:
    """A metadata store in a folder, written as TFX's launcher does."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.path = str(folder / "metadata.db")
        self.store = metadata_store.MetadataStore(_created(self.path))
        self.types = {
            "context": self._type(metadata_store_pb2.ContextType, "put_context_type"),
            "execution": self._type(metadata_store_pb2.ExecutionType, "put_execution_type"),
        }

    def _type(self, kind, put):  # type: ignore[no-untyped-def]
        return lambda name: getattr(self.store, put)(kind(name=name))

    def context(self, kind: str, name: str) -> int:
        found = self.store.get_context_by_type_and_name(kind, name)
        if found is None:
            context = metadata_store_pb2.Context(type_id=self.types["context"](kind), name=name)
            return self.store.put_contexts([context])[0]
        return found.id

    def artifact(self, kind: str, place: str, **texts: str) -> int:
        type_id = self.store.put_artifact_type(metadata_store_pb2.ArtifactType(name=kind))
        made = metadata_store_pb2.Artifact(type_id=type_id, uri=str(self.folder / place))
        for name, text in texts.items():
            made.custom_properties[name].string_value = text
        (self.folder / place).mkdir(parents=True, exist_ok=True)
        return self.store.put_artifacts([made])[0]

    def ran(self, run: str, node: str, inputs: dict, outputs: dict, state: int = COMPLETE) -> int:
        execution = metadata_store_pb2.Execution(
            type_id=self.types["execution"](node), last_known_state=state
        )
        contexts = [self.context("pipeline_run", run), self.context("node", f"p.{node}")]
        number = self.store.put_executions([execution])[0]
        event = metadata_store_pb2.Event
        events = []
        for kind, given in ((event.INPUT, inputs), (event.OUTPUT, outputs)):
            for name, artifact in given.items():
                made = event(execution_id=number, artifact_id=artifact, type=kind)
                made.path.steps.add(key=name)
                events.append(made)
        self.store.put_events(events)
        links = [
            metadata_store_pb2.Association(execution_id=number, context_id=each)
            for each in contexts
        ]
        self.store.put_attributions_and_associations([], links)
        return number


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
    found = details({}, book.path, "tfx-2", str(book.folder))["lineage"]
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
        found = details({}, book.path, "tfx-2", str(book.folder))["lineage"]
        return found[1]["outputs"][0]["hash"]

    before = model_hash()
    assert len(before) == 64
    (book.folder / "artifacts/model/5/weights").write_text("v")
    assert model_hash() != before


def test_a_run_that_left_no_record_goes_by_its_tfx_id(book: Book) -> None:
    found = details({}, book.path, "tfx-2", str(book.folder))["lineage"]
    assert found[0]["run"] == "tfx-1"


def test_the_time_of_a_cached_result_is_when_it_was_made(book: Book) -> None:
    first, second = (
        details({}, book.path, run, str(book.folder))["lineage"][0] for run in ("tfx-1", "tfx-2")
    )
    assert (second["started"], second["ended"]) == (first["started"], first["ended"])
    assert second["execution"] != first["execution"]


def test_files_of_the_components_are_found_wherever_they_are(book: Book) -> None:
    folder = book.folder / "artifacts/evaluation/6"
    (folder / "worst.json").write_text('{"examples": [1]}')
    outputs = {"A": {"model": str(book.folder)}, "B": {"evaluation": str(folder)}}
    found = details(outputs, book.path, "no such run", str(book.folder))
    assert found == {
        "worst": {"examples": [1]},
        "samples": {},
        "tags": {},
        "lineage": [],
    }
