"""What nodes read: found by queries, the same that TFX finds by reading all that there ever was."""

import pytest
import store_queries
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as proto
from store_book import Book
from tfx.orchestration import metadata
from tfx.orchestration.portable.input_resolution import channel_resolver
from tfx.proto.orchestration import pipeline_pb2

from pipeline import input_resolution
from pipeline.store import conditions
from pipeline.store.connection import Store


def channel(contexts: dict[str, str], kind: str, output: str = ""):
    found = pipeline_pb2.InputSpec.Channel(output_key=output)
    for context, name in contexts.items():
        query = found.context_queries.add()
        query.type.name = context
        query.name.field_value.string_value = name
    found.artifact_query.type.name = kind
    return found


CHANNELS = {
    "of the pipeline": channel({"pipeline": "p"}, "Model"),
    "of another type": channel({"pipeline": "p"}, "ModelBlessing"),
    "of a type that is nowhere": channel({"pipeline": "p"}, "Schema"),
    "of no pipeline": channel({"pipeline": "none"}, "Model"),
    "of a run's node": channel(
        {"pipeline": "p", "pipeline_run": "r2", "node": "p.Trainer"}, "Model", "model"
    ),
    "another output of it": channel(
        {"pipeline": "p", "pipeline_run": "r2", "node": "p.Trainer"}, "ModelBlessing", "other"
    ),
    "of a run that is not there": channel(
        {"pipeline": "p", "pipeline_run": "r9", "node": "p.Trainer"}, "Model", "model"
    ),
    "of a node of any run": channel({"pipeline": "p", "node": "p.Trainer"}, "Model", "model"),
}


NOTHING = ("of a type that is nowhere", "of no pipeline", "of a run that is not there")


def more_runs(book: Book, numbers: range) -> None:
    for number in numbers:
        run, folder = f"r{number}", f"{book.store.pipeline}/{number}"
        model = book.artifact("Model", f"{folder}/model")
        other = book.artifact("ModelBlessing", f"{folder}/other")
        book.ran(run, "Trainer", {}, {"model": model, "other": other})
        book.ran(run, "Evaluator", {"model": model}, {})


@pytest.fixture
def book(tmp_path) -> Book:
    """Three runs, whose first model was pruned, and those of another pipeline."""
    book = Book(tmp_path)
    more_runs(Book(tmp_path, "q", Store("q", book.store.file)), range(1, 3))
    more_runs(book, range(1, 4))
    (first,) = book.rows.get_artifacts_by_uri(str(tmp_path / "p/1/model"))
    first.state = proto.Artifact.DELETED
    book.rows.put_artifacts([first])
    return book


@pytest.mark.parametrize("queries", [True, False])
@pytest.mark.parametrize("name", CHANNELS)
def test_the_same_artifacts_are_found(book, name, queries, monkeypatch) -> None:
    monkeypatch.setattr(conditions, "_answers_queries", queries)
    with metadata.Metadata(book.store.connection()) as handle:
        theirs = channel_resolver.resolve_union_channels(handle, [CHANNELS[name]])
        with input_resolution.by_query():
            ours = channel_resolver.resolve_union_channels(handle, [CHANNELS[name]])
        again = channel_resolver.resolve_union_channels(handle, [CHANNELS[name]])
    found = [sorted(each.id for each in every) for every in (theirs, ours, again)]
    assert found == [found[0]] * 3
    assert [type(each) for each in ours] == [type(each) for each in theirs]
    assert bool(ours) == (name not in NOTHING)


@pytest.mark.parametrize(
    ("queries", "read"),  # the run's; q has one of that name
    [pytest.param(True, 1, marks=store_queries.answered), (False, 4)],
)
def test_what_a_node_of_a_run_reads_costs_as_much_after_many_runs(
    book, queries, read, monkeypatch
) -> None:
    monkeypatch.setattr(conditions, "_answers_queries", queries)
    rows = []
    call = MetadataStore._call

    def counted(self, method, request, response, *rest):  # type: ignore[no-untyped-def]
        call(self, method, request, response, *rest)
        rows.append(len(getattr(response, "executions", ())))

    def cost() -> list[int]:
        rows.clear()
        with metadata.Metadata(book.store.connection()) as handle, input_resolution.by_query():
            channel_resolver.resolve_union_channels(handle, [CHANNELS["of a run's node"]])
        return list(rows)

    monkeypatch.setattr(MetadataStore, "_call", counted)
    few = cost()
    more_runs(book, range(4, 20))
    assert cost() == few
    assert sum(few) == read
