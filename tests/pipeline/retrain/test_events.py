"""The events: numbers for machines, lines for people, and docs/operations.md lists them all."""

import ast
import json
import os
import pathlib
import re
import signal

import pytest
import test_retrain_command as pretend
from test_retrain_command import configured, holding, once

from pipeline.retrain import telling, watching
from pipeline.retrain.command import Options, retrain

folder, runs, span = pretend.folder, pretend.runs, pretend.span
REPOSITORY = pathlib.Path(telling.__file__).parents[2]
SPANS = {"span", "version", "reason"}
NUMBERS = ("span", "attempt", "pending", "known", "waiting", "parked", "seconds")


def listed() -> dict[str, set[str]]:
    """Event -> its facts, as the page has them."""
    text = (REPOSITORY / "docs/operations.md").read_text()
    table = text.split("| event | when | facts |\n|---|---|---|\n")[1].split("\n\n")[0]
    found: dict[str, set[str]] = {}
    for line in table.splitlines():
        event, _, facts = (cell.strip() for cell in line.strip("|").split(" | "))
        names = set(re.findall(r"`(\w+)`", facts))
        for other in names & found.keys():
            names = names - {other} | found[other]
        found[event.strip("`")] = names
    return found


def told() -> dict[str, set[str]]:
    """Event -> facts, of all calls in the code that name both."""
    found: dict[str, set[str]] = {}
    for path in (REPOSITORY / "pipeline/retrain").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            if is_call and node.func.attr == "tell" and isinstance(node.args[0], ast.Constant):
                facts = {each.arg for each in node.keywords if each.arg}
                found.setdefault(node.args[0].value, set()).update(facts)
    return found


def test_the_page_lists_every_event_that_is_told() -> None:
    page = listed()
    spans = {"span_ready", "span_waiting", "span_parked", "span_ignored"}
    assert set(page) == {*told(), *spans, "run_pushed", "run_refused"}
    assert set(telling._LINES) == set(page) - {"looked", "ended"}
    for event, facts in told().items():
        assert facts - {"pipeline"} <= page[event]
    assert all(page[event] == SPANS for event in spans)


@pytest.fixture
def events(runs, folder, span, monkeypatch, capsys) -> list[dict]:
    """What is told as JSON of a pipeline in which most things happen."""

    class Watcher:
        def pause(self, *, changed: bool, at_most: float | None = None) -> None:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(watching, "watcher", lambda config, stop: Watcher())
    (folder / "config.yaml").write_text(configured("late: ignore"))
    span(1, 2, 3)
    (folder / "data/span-4").mkdir()
    runs.ends = {1: ["failed", "pushed"], 2: ["refused"], 3: ["bad"]}
    once(as_json=True)
    span(1, text="late")
    once(as_json=True)
    with holding(folder / "runs/pretend/lock"):
        once(as_json=True, retry=3)
        capsys_text = capsys.readouterr().out.replace("span 3 is pending again", "\nspan 3")
        retrain(Options("config.yaml", watch=True, as_json=True))
    lines = (capsys_text + capsys.readouterr().out).splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def test_events_have_the_facts_of_the_page(events) -> None:
    page = listed()
    for each in events:
        assert each.keys() - {"time", "event", "pipeline"} == page[each["event"]], each
    names = {each["event"] for each in events}
    assert names >= {
        "started", "version_lost", "span_ready", "span_waiting", "span_parked", "span_ignored", "run_started",
        "run_pushed", "run_refused", "run_failed", "nothing_new", "ended", "trouble", "stopped",
    }  # fmt: skip


def test_numbers_are_numbers(events) -> None:
    for each in events:
        for name in NUMBERS:
            assert type(each.get(name, 0)) in (int, float), each
        for name in ("version", "retry_in_seconds"):
            assert type(each.get(name, 0)) in (int, float, type(None)), each
    of_one = [each for each in events if each.get("new") == "1"]
    assert [each["attempt"] for each in of_one if each["event"] == "run_started"] == [1, 2]
    [failed] = [each for each in of_one if each["event"] == "run_failed"]
    assert (failed["retry_in_seconds"], failed["version"]) == (0.0, None)
    [pushed] = [each for each in of_one if each["event"] == "run_pushed"]
    assert pushed["version"] == 1
    [late] = [each for each in events if each["event"] == "span_ignored"]
    assert (late["span"], late["version"]) == (1, 2)


LINES = [
    ("span_ready", {"span": 4, "version": 1}, "  span 4: ready"),
    ("span_ready", {"span": 4, "version": 2}, "  span 4 version 2: ready"),
    (
        "run_started",
        {"key": "k", "new": "4", "window": "3-4", "attempt": 1},
        "  run k: new span 4, reads 3-4",
    ),
    (
        "run_started",
        {"key": "k", "new": "4", "window": "3-4", "attempt": 2},
        "  run k: new span 4, reads 3-4, attempt 2",
    ),
    (
        "run_failed",
        {"key": "k", "reason": "bad\nworse", "retry_in_seconds": 29.6, "version": None},
        "  run k: failed: bad …; again in 30 s",
    ),
    (
        "run_failed",
        {"key": "k", "reason": "bad", "retry_in_seconds": None, "version": None},
        "  run k: failed: bad",
    ),
    (
        "run_pushed",
        {"key": "k", "new": "4", "version": 7, "seconds": 12.4},
        "  run k: span 4 pushed as version 7 (12 s)",
    ),
    (
        "nothing_new",
        {"known": 1, "pending": 0, "waiting": 0, "parked": 0},
        "nothing new: 1 span known, 0 pending, 0 waiting, 0 parked",
    ),
]


@pytest.mark.parametrize(("event", "facts", "line"), LINES)
def test_a_person_gets_a_line(capsys, event, facts, line) -> None:
    telling.to_terminal(event, facts)
    assert capsys.readouterr().out == f"{line}\n"
