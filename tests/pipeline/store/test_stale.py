"""What a killed run left is marked as failed and removed, and nothing else is."""

import pathlib

import pytest
from store_book import RUNNING, Book

from pipeline.store import stale
from pipeline.store.connection import Store


def _write(folder: pathlib.Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def _files(folder: pathlib.Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def book(tmp_path: pathlib.Path) -> Book:
    """A finished ExampleGen (1) and Transform (2); a Transform (3) that runs."""
    book = Book(tmp_path)
    examples = book.artifact("Examples", "artifacts/ExampleGen/examples/1")
    graph = book.artifact("TransformGraph", "artifacts/Transform/transform_graph/2")
    book.ran("20260102-000009.123456", "ExampleGen", {}, {"examples": examples})
    book.ran("20260102-000009.123456", "Transform", {"e": examples}, {"transform_graph": graph})
    book.ran("20260103-000009.123456", "Transform", {"e": examples}, state=RUNNING)
    return book


def _clean(book: Book) -> list[stale.Ended]:
    folder = book.folder
    return stale.clean(book.store, str(folder / "artifacts"), str(folder / "serving"))


def test_what_ran_is_marked_as_failed_once(book: Book) -> None:
    assert _clean(book) == [stale.Ended("20260103-000009.123456", ("Transform",))]
    assert book.states() == {1: "COMPLETE", 2: "COMPLETE", 3: "FAILED"}
    assert _clean(book) == []


def test_its_folders_go_and_the_others_stay(book: Book) -> None:
    kept = {
        "ExampleGen/examples/1/data",
        "ExampleGen/examples/3/of another node",
        "Transform/transform_graph/2/saved_model.pb",
        "Transform/transform_graph/33/saved_model.pb",
        "Transform/state/checkpoints/3/a.npz",
        "Transform/state/3/b.npz",
        "Transform/.system/executor_execution/2/output",
    }
    gone = {
        "Transform/transform_graph/3/.temp_path/saved_model.pb",
        "Transform/transformed_examples/3/Split-train/beam-temp-x/part",
        "Transform/transformed_examples/beam-temp-data-1f/part",
        "Transform/.system/executor_execution/3/.temp/x",
        "Transform/.system/stateful_working_dir/a-b/x",
    }
    _write(book.folder / "artifacts", *kept, *gone)
    _clean(book)
    assert _files(book.folder / "artifacts") == kept


def test_where_an_artifact_lies_stays(book: Book) -> None:
    book.artifact("TransformGraph", "artifacts/Transform/transform_graph/3")
    _write(book.folder / "artifacts", "Transform/transform_graph/3/a", "Transform/other/3/a")
    _clean(book)
    assert _files(book.folder / "artifacts") == {"Transform/transform_graph/3/a"}


@pytest.mark.parametrize("node", ["Pusher", "SequenceTrainer"])
def test_half_a_push_goes_with_its_execution(tmp_path: pathlib.Path, node: str) -> None:
    book = Book(tmp_path)
    book.ran("r", node, state=RUNNING)
    _write(tmp_path / "serving", ".incoming/a", "1/saved_model.pb", ".withdrawn/2/a")
    _clean(book)
    assert (tmp_path / "serving/.incoming").exists() == (node != "Pusher")
    assert _files(tmp_path / "serving") >= {"1/saved_model.pb", ".withdrawn/2/a"}


def test_another_pipeline_in_the_same_store_goes_on(book: Book) -> None:
    other = Book(book.folder, "q", Store("q", book.store.file))
    running = other.ran("other run", "Transform", state=RUNNING)
    assert [each.tfx_run for each in _clean(book)] == ["20260103-000009.123456"]
    assert book.states()[running] == "RUNNING"


def test_before_the_first_run_there_is_nothing(tmp_path: pathlib.Path) -> None:
    store = Store("p", str(tmp_path / "p" / "metadata.db"))
    assert stale.clean(store, str(tmp_path), str(tmp_path)) == []
    assert not (tmp_path / "p").exists()
    Book(tmp_path)
    assert stale.clean(Store("q", str(tmp_path / "metadata.db")), "", "") == []


def test_the_line_names_the_run_by_its_folder(tmp_path: pathlib.Path) -> None:
    ended = stale.Ended("20260103-000009.123456", ("Transform",))
    assert stale.told(ended, str(tmp_path / "none")) == (
        "cleaned up after run 20260103-000009.123456, which ended in Transform"
    )
    # The first has a record, so it ended well; the last started later.
    _write(tmp_path, "20260103-000001/run.json", "20260103-000010/log.txt", "notes/a")
    _write(tmp_path, "20260102-235959/log.txt", "20260103-000000/log.txt")
    assert stale.told(ended, str(tmp_path)) == (
        "cleaned up after run 20260103-000000, which ended in Transform"
    )
