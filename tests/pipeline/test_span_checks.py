"""What is compared of which column, and with which earlier span: a re-run repeats its choice."""

import pathlib

import pytest
from store_book import Book

from components.example_gen.columns import Kind
from components.span_check.request import Measure
from pipeline import inputs
from pipeline.config import load_config
from pipeline.inputs import RunInputs
from pipeline.span_checks import MadeStatistics, before, checks, data_key, made_statistics
from pipeline.store.connection import Store

SPLIT = {"split": '{"train": 9, "eval": 1}', "split_by": '["text"]'}


def reads(content: str, *new: int, spans: tuple[int, ...] = ()) -> RunInputs:
    return RunInputs(spans or new, {"fingerprint": content} | SPLIT, new=new)


def made(uri: pathlib.Path | str, span: int, content: str, held: object = "") -> MadeStatistics:
    return MadeStatistics(str(uri), str(span), data_key(reads(content, span)), str(held))


def test_the_first_span_is_held_against_none() -> None:
    assert before([], reads("1", 1)) == ""


def test_a_new_span_is_held_against_the_one_that_was_well_last() -> None:
    assert before([made("a", 1, "1"), made("b", 2, "2")], reads("3", 3)) == "b"


def test_a_rerun_is_held_against_what_the_run_was_so_that_it_is_cached(tmp_path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.mkdir()
    earlier = [made(first, 1, "1"), made(second, 2, "2", first), made("c", 3, "3", second)]
    assert before(earlier, reads("1", 1)) == ""
    assert before(earlier, reads("2", 2)) == str(first)


def test_late_files_of_a_span_are_not_held_against_the_span_itself(tmp_path) -> None:
    earlier = [made("a", 1, "1"), made("b", 2, "2", "gone")]
    assert before(earlier, reads("2 and more", 2)) == "a"
    assert before(earlier, reads("2", 2)) == "a"  # what it was held against is gone


def test_without_new_spans_the_newest_one_is_looked_at() -> None:
    earlier = [made("a", 1, "1"), made("b", 2, "2")]
    assert before(earlier, reads("12", spans=(1, 2))) == "a"


def test_what_is_made_is_found_again_and_nothing_else(tmp_path: pathlib.Path) -> None:
    assert made_statistics(Store("p", str(tmp_path / "metadata.db"))) == []
    book = Book(tmp_path)
    assert made_statistics(book.store) == []
    facts = {"span": "3", "data_key": "key", "before": "earlier"}
    kind = "components.SpanStatistics"
    for kind_of, place, given in [
        (kind, "good", facts),
        (kind, "unfinished", facts),
        (kind, "imported", {}),
        ("ExampleStatistics", "other", facts),
    ]:
        book.artifact(kind_of, place, **given)
        if place != "unfinished":
            (tmp_path / place / "span_check.json").write_text("{}")
    Book(tmp_path, "another").artifact(kind, "of-another", **facts)
    (tmp_path / "of-another" / "span_check.json").write_text("{}")
    (found,) = made_statistics(book.store)
    assert found == MadeStatistics(str(tmp_path / "good"), "3", "key", "earlier")


CONFIG = """
pipeline: {{name: p, root: {root}}}
task: tagging
data:
  path: "{root}/span-{{SPAN}}"
  extra_columns: {{year: "integer?"}}
  {sections}
"""


@pytest.fixture
def asked(tmp_path):
    """The checks that a configuration asks for."""

    def call(sections: str):
        (tmp_path / "span-1").mkdir()
        (tmp_path / "span-1/a.jsonl").write_text('{"tokens": ["a"], "tags": ["b"]}\n')
        (tmp_path / "c.yaml").write_text(CONFIG.format(root=tmp_path, sections=sections))
        config = load_config(tmp_path / "c.yaml")
        return checks(config, inputs.resolve(config))

    return call


def test_nothing_is_compared_by_default(asked) -> None:
    assert asked("max_bad_rows: 0") is None


def test_what_is_compared_of_which_column(asked) -> None:
    found = asked("drift: {columns: {year: 0.3}}\n  skew: {words: 0.01, min_rows: 5}")
    assert {*found.measures} == {
        Measure("tokens", Kind.TEXT_LIST, "lengths", 0.2, 0.2),
        Measure("tokens", Kind.TEXT_LIST, "words", 0.05, 0.01),
        Measure("tags", Kind.TEXT_LIST, "words", 0.05, 0.01),
        Measure("year", Kind.INTEGER, "missing", 0.1, 0.1),
        Measure("year", Kind.INTEGER, "columns", 0.3, None),
    }
    assert (found.rows, found.min_rows) == (0.1, {"drift": 200, "skew": 5})
