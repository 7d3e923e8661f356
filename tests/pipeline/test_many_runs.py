"""What is looked up for a run does not grow with the runs before it, and is what a look at all would find."""

import collections
import json
import pathlib
import random

import pytest
import store_queries
from ml_metadata.metadata_store import MetadataStore
from store_book import Book

from pipeline import base_model, run_details, span_checks
from pipeline.inputs import RunInputs
from pipeline.store import conditions, questions

SPLIT = {"split": '{"train": 9}', "split_by": '["text"]'}
# Names of columns that cannot be part of a query, and one that can.
ODD = ("it's", "a\\b", "ä", "text")


def inputs(number: int, **changes: str) -> RunInputs:
    found = {"fingerprint": f"content {number}"} | SPLIT | changes
    return RunInputs((number,), found, new=(number,))


def ran(book: Book, number: int, *, blessed: int = 1, checked: int = 1, **changes: str) -> None:
    """A run on span `number`: its statistics and its model, started from the one before."""
    key = base_model.data_key(inputs(number, **changes))
    before = str(book.folder / f"m/{number - 1}") if number > 1 else ""
    model = book.artifact(
        "Model", f"m/{number}", data_key=key, base_model=before, warm_start="auto"
    )
    (book.folder / f"m/{number}/starting_point").mkdir()
    (book.folder / f"m/{number}/starting_point/facts.json").write_text("{}")
    facts = {"current_model_id": model}
    book.artifact("ModelBlessing", f"b/{number}", blessed=blessed, **facts)
    book.artifact("InfraBlessing", f"c/{number}", blessed=checked, **facts)
    span_key = span_checks.data_key(inputs(number, **changes))
    facts = {"span": str(number), "data_key": span_key}
    book.artifact("components.SpanStatistics", f"s/{number}", **facts, before="")
    (book.folder / f"s/{number}/span_check.json").write_text("{}")


def looked_up(book: Book, number: int) -> tuple[str, str]:
    found = inputs(number)
    key = base_model.data_key(found)
    return base_model.find(book.store, key), span_checks.find(book.store, found)


@store_queries.answered
def test_questions_read_as_little_after_many_runs_as_after_few(tmp_path, monkeypatch) -> None:
    book = Book(tmp_path)
    monkeypatch.setattr(questions, "_NEWEST", 3)
    monkeypatch.setattr(conditions, "_PAGE", 3)

    def cost() -> tuple[int, int]:
        asked: dict[str, int] = collections.Counter()
        call = MetadataStore._call

        def counted(self, method, request, response, *rest):  # type: ignore[no-untyped-def]
            call(self, method, request, response, *rest)
            asked["calls"] += 1
            asked["rows"] += len(getattr(response, "artifacts", ()))

        with monkeypatch.context() as patched:
            patched.setattr(MetadataStore, "_call", counted)
            looked_up(book, 99)
            questions.revoke(book.store, None, lambda uri: False)
            assert questions.set_aside(book.store) == 0
        return asked["calls"], asked["rows"]

    for number in range(1, 9):
        ran(book, number)
    few = cost()
    for number in range(9, 33):
        ran(book, number)
    assert cost() == few


@pytest.mark.parametrize("seed", range(4))
def test_they_find_what_a_look_at_all_would_find(tmp_path, monkeypatch, seed) -> None:
    monkeypatch.setattr(questions, "_NEWEST", 2)
    draw, book = random.Random(seed), Book(tmp_path)
    monkeypatch.setitem(SPLIT, "split_by", json.dumps([ODD[seed]]))
    for number in range(1, 12):
        split = draw.choice(["{}", SPLIT["split"], SPLIT["split"]])
        ran(book, number, blessed=draw.randrange(2), split=split)
    all_models, all_statistics = (
        questions.models(book.store),
        span_checks.made_statistics(book.store),
    )
    for number in (1, 2, 7, 11, 99):
        found = inputs(number)
        expected = (
            base_model.base_model(all_models, base_model.data_key(found)),
            span_checks.before(all_statistics, found),
        )
        assert looked_up(book, number) == expected


def test_only_what_failed_its_last_check_is_revoked_and_given_back(tmp_path) -> None:
    book = Book(tmp_path)
    for number, checked in enumerate((1, 0, 0, 1), start=1):
        ran(book, number, checked=checked)
    models = {each.uri: each.id for each in book.rows.get_artifacts_by_type("Model")}
    second = models[f"{tmp_path}/m/2"]
    book.artifact("InfraBlessing", "c/again", blessed=1, current_model_id=second)

    def blessed() -> list[int]:
        questions.revoke(book.store, None, lambda uri: False)
        found = book.rows.get_artifacts_by_type("ModelBlessing")
        return [each.custom_properties["blessed"].int_value for each in found]

    assert blessed() == [1, 1, 0, 1]
    assert questions.set_aside(book.store) == 1
    third = models[f"{tmp_path}/m/3"]
    book.artifact("InfraBlessing", "c/third", blessed=1, current_model_id=third)
    assert blessed() == [1, 1, 1, 1]
    assert questions.set_aside(book.store) == 0


def test_the_name_of_a_run_is_read_from_the_start_of_its_record(tmp_path: pathlib.Path) -> None:
    for number, tail in enumerate(("", '\n "broken', "{}"), start=1):
        folder = tmp_path / f"runs/2026010{number}-000000"
        folder.mkdir(parents=True)
        text = json.dumps({"run": "r", "tfx_run": f"t{number}", "long": "x" * 2000}, indent=1)
        (folder / "run.json").write_text(text + tail)
    names = run_details._our_names({"t1", "t2", "t9"}, str(tmp_path))
    assert names == {"t1": "20260101-000000", "t2": "20260102-000000", "t9": "t9"}


def test_a_record_in_which_something_else_has_that_name(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "runs/20260101-000000"
    folder.mkdir(parents=True)
    text = json.dumps({"config": {"tfx_run": "not this"}, "tfx_run": "t1"}, indent=1)
    (folder / "run.json").write_text(text)
    assert run_details._our_names({"t1", "not this"}, str(tmp_path))["t1"] == folder.name
