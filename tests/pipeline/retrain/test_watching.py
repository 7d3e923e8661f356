"""When the next look is: pauses that grow, events that end them, signals that end everything."""

import os
import pathlib
import signal
import threading

import pytest
import watchfiles

from pipeline.config import load_config
from pipeline.retrain.watching import FileEvents, Stop, Watcher, watcher

LONG = 60.0  # no test waits for so long, unless it fails


def pauses(looks: list[tuple[bool, float | None, bool]]) -> list[float]:
    """The seconds waited, for (the look found something, seconds until due, an event came)."""
    waited: list[float] = []

    def wait(seconds: float) -> bool:
        waited.append(seconds)
        return looks[len(waited) - 1][2]

    made = Watcher(poll_seconds=30, max_poll_seconds=300, wait=wait)
    for changed, at_most, _ in looks:
        made.pause(changed=changed, at_most=at_most)
    return waited


def test_pauses_double_while_nothing_changes_and_start_again_upon_change() -> None:
    nothing = (False, None, False)
    assert pauses([nothing] * 6) == [30, 60, 120, 240, 300, 300]
    assert pauses([nothing] * 3 + [(True, None, False)] + [nothing]) == [30, 60, 120, 30, 60]
    assert pauses([nothing] * 2 + [(False, None, True)] + [nothing]) == [30, 60, 120, 30]


def test_what_is_due_shortens_a_pause() -> None:
    assert pauses([(False, 5.0, False), (False, 400.0, False), (False, -1.0, False)]) == [5, 60, 0]


@pytest.fixture
def data(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "data/span-1/raw").mkdir(parents=True)
    return tmp_path / "data"


def test_a_new_file_ends_the_wait_and_what_is_no_span_does_not(data: pathlib.Path) -> None:
    with Stop() as stop:
        events = FileEvents(f"{data}/span-{{SPAN}}", stop, gathered_seconds=0.0)
        assert events.problem == ""
        (data / "notes.md").write_text("x")
        (data / "span-1/raw/deeper.jsonl").write_text("x")
        assert not events(0.4)
        (data / "span-1" / "_SUCCESS").write_text("")  # before the wait, as while a run goes on
        assert events(LONG)
        assert not events(0.4)
        threading.Timer(0.3, (data / "span-1" / "late.jsonl").write_text, ["x"]).start()
        assert events(LONG)


def test_a_new_span_is_listened_to_at_every_level(data: pathlib.Path) -> None:
    with Stop() as stop:
        events = FileEvents(f"{data}/span-{{SPAN}}/raw", stop, gathered_seconds=0.0)
        (data / "span-2").mkdir()
        while events(0.4):  # of the folder, and of the folders now listened to
            pass
        (data / "span-2/raw").mkdir()
        assert events(LONG)
        while events(0.4):
            pass
        (data / "span-2/raw/a.jsonl").write_text("x")
        assert events(LONG)


def test_where_there_are_no_events_it_waits_and_tries_again(data, monkeypatch) -> None:
    def limited(*_: str, **__: object) -> None:
        raise OSError("OS file watch limit reached")

    with Stop() as stop:
        with monkeypatch.context() as patched:
            patched.setattr(watchfiles, "watch", lambda *_, **__: iter(limited, None))
            events = FileEvents(f"{data}/span-{{SPAN}}", stop, gathered_seconds=0.0)
            assert not events(0.1)
            assert events.problem == "no file events: OS file watch limit reached"
        events(0.0)
        assert events.problem == ""
        (data / "span-1/a.jsonl").write_text("x")
        assert events(LONG)
        absent = FileEvents(f"{data}/nowhere/span-{{SPAN}}", stop)
        assert not absent(0.0)
        assert absent.problem.startswith("no file events: ")


def test_a_folder_that_cannot_be_listed_is_waited_for(data, monkeypatch) -> None:
    def refused(path: str) -> list[str]:
        raise PermissionError(13, "Permission denied", path)

    with Stop() as stop:
        events = FileEvents(f"{data}/span-{{SPAN}}", stop, gathered_seconds=0.0)
        with monkeypatch.context() as patched:
            patched.setattr(os, "listdir", refused)
            events(0.2)
        assert events(LONG)  # the folders of spans are others than at the look before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_every_wait_at_once(data: pathlib.Path, number: int) -> None:
    before = signal.getsignal(number)
    with Stop() as stop:
        events = FileEvents(f"{data}/span-{{SPAN}}", stop)
        threading.Timer(0.2, os.kill, [os.getpid(), number]).start()
        assert not events(LONG)
        assert stop.signal == number
        assert stop.wait(LONG)
        assert not events(LONG)
        assert signal.getsignal(number) == before  # the next one acts
    with Stop() as stop:
        threading.Timer(0.2, os.kill, [os.getpid(), number]).start()
        assert stop.wait(LONG)
    assert signal.getsignal(number) == before


def test_a_configuration_says_how_long_and_remote_addresses_are_polled(data) -> None:
    text = "pipeline: {name: p}\ntask: lm\ndata: {path: '%s'}\nretrain: {poll_seconds: 2}\n"
    for path in (f"{data}/span-{{SPAN}}", "gs://bucket/span-{SPAN}"):
        config = data.parent / "c.yaml"
        config.write_text(text % path)
        with Stop() as stop:
            watcher(load_config(config), stop).pause(changed=False, at_most=0.0)
