"""SpanCheck as TFX runs it: spans of a window are measured alone, bad ones are named, the rest is kept."""

import json
import pathlib

import pytest
from tfx.components import StatisticsGen  # noqa: F401  (before TFDV: see facts on the import bug)
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils, standard_artifacts

from components.artifacts import IngestReport, SpanList, SpanStatistics
from components.errors import InputError
from components.example_gen.columns import Column, Kind
from components.example_gen.shards import ShardWriter, encode
from components.span_check.component import SpanCheck
from components.span_check.executor import Executor
from components.span_check.request import LENGTHS, MISSING, VALUES, WORDS, Checks, Measure
from components.span_window.window import Window

COLUMNS = (Column("text", Kind.TEXT), Column("year", Kind.INTEGER, optional=True))
CHECKS = Checks(
    (
        Measure("text", Kind.TEXT, LENGTHS, drift=0.2, skew=0.2),
        Measure("text", Kind.TEXT, WORDS, drift=0.1, skew=0.1),
        Measure("year", Kind.INTEGER, MISSING, drift=0.1),
        Measure("year", Kind.INTEGER, VALUES, drift=0.2),
    ),
    {"drift": 50, "skew": 50},
    0.5,
)
GOOD, BAD = ("the dog sees", "a man and a cat"), ("der Hund sieht", "ein Mann und Katze")


def write(folder: pathlib.Path, spans: dict[int, tuple[str, ...]]) -> None:
    """What ExampleGen leaves of these spans: 200 rows each for training, 100 to evaluate."""
    shards = []
    for unit, (span, texts) in enumerate(spans.items()):
        writer = ShardWriter(str(folder), unit=unit, span=span, shard_bytes=2000)
        for split, rows in (("train", 200), ("eval", 100)):
            for row in range(rows):
                year = None if row % 10 == 0 else [1900 + row % 100]
                values = [[texts[row % 2].encode()], year]
                writer.write(split, encode(COLUMNS, values), file=0, line=row + 1)
        writer.close()
        shards += [vars(part) for parts in writer.parts.values() for part in parts]
    (folder / "report.json").write_text(json.dumps({"shards": shards}))


@pytest.fixture
def check(tmp_path: pathlib.Path):
    """Run it on what was written; returns what it made, for the next run."""

    def call(
        name: str, window: Window, before: SpanStatistics | None = None, checks: Checks = CHECKS
    ) -> SpanStatistics:
        examples, made = standard_artifacts.Examples(), SpanStatistics()
        examples.uri, made.uri = str(tmp_path), str(tmp_path / name)
        examples.split_names = artifact_utils.encode_split_names(["train", "eval"])
        report, spans = IngestReport(), SpanList()
        report.uri = spans.uri = str(tmp_path)
        (tmp_path / "spans.json").write_text(window.to_json())
        inputs = {"examples": [examples], "ingest_report": [report], "span_window": [spans]}
        Executor(base_beam_executor.BaseBeamExecutor.Context()).Do(
            inputs | ({"before": [before]} if before else {}),
            {"statistics": [made]},
            {"checks": checks.to_json(), "data_key": "key"},
        )
        return made

    return call


def findings(made: SpanStatistics) -> list[dict]:
    return json.loads((pathlib.Path(made.uri) / "span_check.json").read_text())["findings"]


def test_a_span_that_drifts_is_refused_and_the_next_is_held_against_the_last_good_one(
    tmp_path, check
) -> None:
    write(tmp_path, {1: GOOD, 2: GOOD, 3: BAD, 4: GOOD})
    first = check("first", Window((1,), (1,)))
    assert findings(first)[0]["comparison"] == "skew"  # nothing before it
    # Spans 1 and 2 are replayed: two thirds of the rows are good, and the new span is still seen.
    with pytest.raises(InputError) as refused:
        check("third", Window((1, 2, 3), (2, 3)), first)
    lines = str(refused.value).splitlines()
    assert lines[0].startswith("span 3, train split, column 'text': lengths differ by 0.")
    assert lines[0].endswith(" from span 2, expected at most 0.2 (data.drift.lengths)")
    assert lines[1].startswith("span 3, train split, column 'text': words differ by 0.")
    assert "from span 2, most of all in '" in lines[1]
    assert {line.split(":")[0] for line in lines} == {
        f"span 3, {split} split, column 'text'" for split in ("train", "eval")
    }
    assert (tmp_path / "third" / "span_check.json").exists()  # for whoever looks into it
    last = check("fourth", Window((2, 3, 4), (4,)), first)
    assert {each["against"] for each in findings(last)} == {"span 1", "the train split"}
    assert all(each["passed"] for each in findings(last))
    compared = {(each["column"], each["measure"]) for each in findings(last)}
    assert {("year", "missing"), ("year", "columns"), ("", "rows")} < compared
    assert all(each["value"] is not None for each in findings(last))
    assert {name: last.get_string_custom_property(name) for name in ("span", "data_key")} == {
        "span": "4", "data_key": "key",
    }  # fmt: skip
    assert last.get_string_custom_property("before") == first.uri
    kept = sorted(path.name for path in pathlib.Path(last.uri).iterdir())
    assert kept == ["Split-eval", "Split-train", "span_check.json"]


def test_a_bad_span_among_new_ones_is_named_and_nothing_is_held_against_it(tmp_path, check) -> None:
    write(tmp_path, {1: GOOD, 2: BAD, 3: GOOD})
    with pytest.raises(InputError) as refused:
        check("all", Window((1, 2, 3), (1, 2, 3)))
    assert {line[:6] for line in str(refused.value).splitlines()} == {"span 2"}


def test_a_span_without_rows_in_a_split_has_too_few(tmp_path, check) -> None:
    write(tmp_path, {1: GOOD, 2: GOOD})
    report = json.loads((tmp_path / "report.json").read_text())
    shards = [each for each in report["shards"] if (each["span"], each["split"]) != (2, "eval")]
    (tmp_path / "report.json").write_text(json.dumps({"shards": shards}))
    with pytest.raises(InputError) as refused:
        check("made", Window((1, 2), (1, 2)))
    assert str(refused.value) == (
        "span 2, eval split: got 0 rows after 100 in span 1, expected at least 0.5 and at most 2 "
        "times as many (data.drift.rows)"
    )


def test_without_spans_the_splits_are_compared(tmp_path, check) -> None:
    write(tmp_path, {0: GOOD})
    made = check("made", Window(()))
    assert {(each["span"], each["against"]) for each in findings(made)} == {("", "the train split")}
    assert made.get_string_custom_property("span") == ""


def test_the_component_runs_our_executor() -> None:
    assert SpanCheck.EXECUTOR_SPEC.executor_class is Executor
