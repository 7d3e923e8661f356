"""What is asked of a metadata store: of one pipeline's rows, and of no more of them than answer it."""

import collections
import pathlib
import shutil

import pytest
import store_queries
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as proto
from store_book import Book

from pipeline.store import conditions, questions
from pipeline.store.connection import Store


@pytest.fixture
def book(tmp_path: pathlib.Path) -> Book:
    return Book(tmp_path)


def _model(book: Book, place: str, **facts: str | int) -> int:
    made = book.artifact("Model", place, **facts)
    (book.folder / place / "starting_point").mkdir(exist_ok=True)
    (book.folder / place / "starting_point/facts.json").write_text("{}")
    return made


def _vocabulary(book: Book, place: str, **facts: str | int) -> int:
    made = book.artifact("components.Vocabulary", place, **facts)
    (book.folder / place / "vocabulary.json").write_text("{}")
    return made


def _deleted(book: Book, *ids: int) -> None:
    found = book.rows.get_artifacts_by_id(ids)
    for each in found:
        each.state = proto.Artifact.DELETED
    book.rows.put_artifacts(found)


def test_models_that_are_there_oldest_first(book: Book) -> None:
    first = _model(book, "m/1", data_key="d1")
    gone, deleted = _model(book, "m/2"), _model(book, "m/3")
    last = _model(book, "m/4", data_key="d4", base_model="m/1", warm_start="auto")
    book.artifact("ModelBlessing", "b/1", blessed=1, current_model_id=last)
    book.artifact("ModelBlessing", "b/2", blessed=0, current_model_id=first)
    shutil.rmtree(book.folder / "m/2")
    _deleted(book, deleted)
    assert gone < deleted
    folder = str(book.folder)
    assert questions.models(book.store) == [
        questions.MadeModel(f"{folder}/m/1", "d1", "", "", blessed=False),
        questions.MadeModel(f"{folder}/m/4", "d4", "m/1", "auto", blessed=True),
    ]


def test_vocabularies_that_are_there_oldest_first(book: Book) -> None:
    _vocabulary(book, "v/1", input_key="k", hash="h")
    _deleted(book, _vocabulary(book, "v/2"))
    _vocabulary(book, "v/3", base_vocabulary="v/1")
    folder = str(book.folder)
    assert questions.vocabularies(book.store) == [
        questions.MadeVocabulary(f"{folder}/v/1", "k", "", "h"),
        questions.MadeVocabulary(f"{folder}/v/3", "", "v/1", ""),
    ]


def test_another_pipelines_rows_in_the_same_store_are_not_ours(book: Book) -> None:
    other = Book(book.folder, "q", Store("q", book.store.file))
    _model(other, "q/m")
    _vocabulary(other, "q/v")
    other.artifact("InfraBlessing", "q/c", blessed=0)
    other.artifact("PushedModel", "q/p", pushed=1, pushed_destination="gone")
    ours, theirs = (
        [ask(each.store) for ask in (questions.models, questions.vocabularies, *_NUMBERS)]
        for each in (book, other)
    )
    assert ours == [[], [], 0, 0]
    assert all(theirs)


_NUMBERS = (questions.last_failed_check, questions.last_lost_push)


def test_before_the_first_run_there_is_nothing(tmp_path: pathlib.Path) -> None:
    nowhere = Store("p", str(tmp_path / "none" / "metadata.db"))
    assert [ask(nowhere) for ask in _NUMBERS] == [0, 0]
    assert questions.models(nowhere) == questions.vocabularies(nowhere) == []
    assert not (tmp_path / "none").exists()


def test_each_check_that_fails_gives_another_number_also_when_it_is_pruned(book: Book) -> None:
    seen = []
    for passed in (1, 0, 1, 0):
        made = book.artifact("InfraBlessing", "c", blessed=passed)
        seen.append(questions.last_failed_check(book.store))
    assert seen == [0, made - 2, made - 2, made]
    _deleted(book, made)
    assert questions.last_failed_check(book.store) == made


def test_the_newest_push_that_is_not_there_any_more(book: Book) -> None:
    def push(version: int, pushed: int = 1) -> int:
        destination = str(book.folder / "serving" / str(version))
        return book.artifact(
            "PushedModel", f"p/{version}", pushed=pushed, pushed_destination=destination
        )

    first, again, _ = push(1), push(1), push(9, pushed=0)
    assert questions.last_lost_push(book.store) == again
    (book.folder / "serving/1").mkdir(parents=True)
    assert questions.last_lost_push(book.store) == 0
    second = push(2)
    (book.folder / "serving/3").mkdir()
    push(3)
    assert (first, questions.last_lost_push(book.store)) == (1, second)


@store_queries.answered
def test_what_is_asked_does_not_grow_with_what_was_pruned(book: Book, monkeypatch) -> None:
    def cost() -> tuple[dict[str, int], int]:
        asked: dict[str, int] = collections.Counter()
        rows = 0
        call = MetadataStore._call

        def counted(self, method, request, response, *rest):  # type: ignore[no-untyped-def]
            nonlocal rows
            call(self, method, request, response, *rest)
            asked[method] += 1
            rows += len(getattr(response, "artifacts", ()))

        with monkeypatch.context() as patched:
            patched.setattr(MetadataStore, "_call", counted)
            for ask in (questions.models, questions.vocabularies, *_NUMBERS):
                ask(book.store)
            questions.revoke(book.store, lambda uri: False, lambda uri: True)
        return dict(asked), rows

    def run(number: int) -> list[int]:
        model = _model(book, f"m/{number}")
        found = [model, _vocabulary(book, f"v/{number}")]
        found.append(book.artifact("ModelBlessing", "b", blessed=1, current_model_id=model))
        found.append(book.artifact("InfraBlessing", "c", blessed=0, current_model_id=model))
        gone = {"pushed": 1, "pushed_destination": "gone"}
        return [*found, book.artifact("PushedModel", "p", **gone)]

    monkeypatch.setattr(conditions, "_PAGE", 3)
    run(1)
    costs = []
    for number in range(2, 10):
        _deleted(book, *run(number))
        costs.append(cost())
    assert costs[2:] == [costs[-1]] * 6
    # Model, blessing; vocabulary; a page of checks and one of pushes; the failed check, its model's checks,
    # no revoked blessing, the blessing, its model.
    assert costs[-1][1] == 2 + 1 + 3 + 3 + 4
    assert costs[-1][0]["GetArtifactsByContext"] == 2 + 1 + 1 + 1 + 4
