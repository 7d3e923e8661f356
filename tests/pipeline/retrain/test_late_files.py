"""A version that was trained stays in windows, beside late files that are in no run, or not yet."""

import json
import os
import pathlib

import pytest
import test_retrain_command as pretend
from test_retrain_command import once, states

from components.errors import InputChanged
from components.example_gen import files
from pipeline import inputs
from pipeline.config import load_config

folder, runs, span = pretend.folder, pretend.runs, pretend.span


@pytest.fixture
def late(folder, span):
    """Spans 1 and 2 are there; call it to add a file to one of them."""
    config = pathlib.Path("config.yaml")
    window = "window: {spans: 3}, late: ignore"
    config.write_text(config.read_text().replace("window: {spans: 2}", window))
    span(1, 2)

    def add(number: int, name: str = "late.jsonl") -> None:
        there = pathlib.Path(f"data/span-{number}")
        (there / name).write_text(json.dumps({"text": "late words"}) + "\n")
        (there / "_SUCCESS").touch()

    return add


def last_read(runs) -> dict[int, list[str]]:
    """Span -> the texts that the last run was to read, as the run itself finds them."""
    ordered = runs.orders[-1]
    found = inputs.resolve(load_config("config.yaml"), **ordered.inputs)
    listing = files.input_files(found.example_gen["input_base"], found.spans, "jsonl")
    texts: dict[int, list[str]] = {}
    for file in listing.files:
        rows = pathlib.Path(file.path).read_text().splitlines()
        texts.setdefault(file.span, []).extend(json.loads(row)["text"] for row in rows)
    return texts


def test_the_files_that_were_trained_are_read_and_the_late_ones_are_not(runs, span, late) -> None:
    once()
    late(1)
    span(3)
    assert once() == 0
    assert states()[1] == "ignored"
    assert last_read(runs) == {1: ["some words 1"], 2: ["some words 2"], 3: ["some words 3"]}


def test_a_trained_file_that_was_changed_takes_the_span_out_of_windows(
    runs, span, late, capsys
) -> None:
    once()
    late(1, name="rows.jsonl")
    span(3)
    assert once() == 0
    assert last_read(runs) == {2: ["some words 2"], 3: ["some words 3"]}
    said = capsys.readouterr().out
    assert said.count("span 1: its trained files are not as they were: not read again") == 1


def test_a_trained_file_that_changes_after_it_was_planned_ends_the_run(runs, span, late) -> None:
    once()
    late(1)
    span(3)
    once()
    pathlib.Path("data/span-1/rows.jsonl").write_text('{"text": "other"}\n')
    with pytest.raises(InputChanged, match="span 1 is another one by now; run again"):
        last_read(runs)


def test_links_go_when_no_window_needs_them(runs, span, late) -> None:
    once()
    late(1)
    span(3)
    once()
    staged = pathlib.Path("runs/pretend/retrain/staged")
    assert [path.name[:7] for path in staged.glob("span-*")] == ["span-1-"]
    span(4, 5)
    once()
    assert [*staged.glob("span-*")] == []
    assert os.listdir("data/span-1")  # what they led to stays
    assert last_read(runs) == {number: [f"some words {number}"] for number in (3, 4, 5)}


def test_while_late_files_are_still_being_copied_the_window_is_as_before(runs, span, late) -> None:
    """For whoever wants them trained as well: until then, span 1 is what was trained of it."""
    config = pathlib.Path("config.yaml")
    config.write_text(config.read_text().replace("late: ignore", "late: retrain"))
    once()
    pathlib.Path("data/span-1/late.jsonl").write_text('{"text": "half"}\n')  # after _SUCCESS
    span(3)
    assert once() == 0
    assert states()[1] == "waiting"
    assert last_read(runs) == {1: ["some words 1"], 2: ["some words 2"], 3: ["some words 3"]}


def test_late_files_that_are_an_error_are_told_by_the_exit_code(runs, span, late) -> None:
    config = pathlib.Path("config.yaml")
    config.write_text(config.read_text().replace("late: ignore", "late: error"))
    assert once() == 0
    late(1)
    assert once() == 2
    assert states()[1] == "parked"
    assert once() == 0  # once
