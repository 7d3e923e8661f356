"""A watch whose code is upgraded or whose configuration changes goes on with what there is then."""

import collections
import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
import test_retrain_command as pretend
from test_retrain_command import CONFIG, configured, states

from pipeline.config import load_config
from pipeline.retrain import order, renewal, supervise, watching
from pipeline.retrain.command import Options, retrain
from pipeline.retrain.metrics import served

REPOSITORY = pathlib.Path(renewal.__file__).parents[2]
folder, runs, span = pretend.folder, pretend.runs, pretend.span
OTHER = CONFIG + "train: {epochs: 3}\n"


class BeganAgain(Exception):
    """What replaces the process replaces it here as well: nothing after it is done."""


@pytest.fixture
def watch(monkeypatch):
    """Watches until the process is replaced or nothing is left to do; returns the arguments, or [].

    `at_rest` is called each time the watch waits, and says whether it is to go on.
    """

    def replaced(path: str, arguments: list[str]) -> None:
        raise BeganAgain(path, arguments)

    monkeypatch.setattr(os, "execv", replaced)

    def call(at_rest=lambda: False) -> list[str]:
        class Watcher:
            def pause(self, *, changed: bool, at_most: float | None = None) -> None:
                if not at_rest():
                    os.kill(os.getpid(), signal.SIGTERM)

        monkeypatch.setattr(watching, "watcher", lambda config, stop: Watcher())
        try:
            assert retrain(Options("config.yaml", watch=True)) == 0
        except BeganAgain as again:
            path, arguments = again.args
            assert path == sys.executable
            return arguments
        return []

    return call


def after_a_run(monkeypatch, runs, do) -> None:
    """Have something done while the first run is going on."""

    def child(config_file: str, path: str, stop, output=None) -> supervise.ChildEnd:
        monkeypatch.setattr(supervise, "run_child", runs)
        ended = runs(config_file, path, stop, output)
        do()
        return ended

    monkeypatch.setattr(supervise, "run_child", child)


def test_another_configuration_is_taken_before_the_next_run_is_planned(
    runs, folder, span, watch, monkeypatch, capsys
) -> None:
    span(1, 2)
    after_a_run(monkeypatch, runs, lambda: (folder / "config.yaml").write_text(OTHER))
    assert watch() == [sys.executable, *sys.orig_argv[1:]]
    assert states() == {1: "pushed", 2: "pending"}
    assert "has changed: going on with the new one" in capsys.readouterr().out
    assert watch() == []
    assert states() == {1: "pushed", 2: "pushed"}
    assert runs.orders[1].config == order.config_digest(load_config(str(folder / "config.yaml")))


def test_so_is_other_code(runs, span, watch, monkeypatch) -> None:
    span(1, 2)
    after_a_run(
        monkeypatch, runs, lambda: monkeypatch.setattr(renewal, "code_hash", lambda *_: "other")
    )
    assert watch()
    assert len(runs.orders) == 1


def test_a_configuration_that_is_wrong_is_waited_for(
    runs, folder, span, watch, monkeypatch, capsys
) -> None:
    span(1, 2)
    config = folder / "config.yaml"
    after_a_run(monkeypatch, runs, lambda: config.write_text(CONFIG + "modle: {}\n"))
    rests = iter(["still wrong", "gone", "mended"])

    def at_rest() -> bool:
        assert len(runs.orders) == 1  # nothing is begun meanwhile
        step = next(rests)
        if step == "gone":
            config.unlink()
        if step == "mended":
            config.write_text(OTHER)
        return True

    assert watch(at_rest)
    said = capsys.readouterr().out
    assert said.count("cannot be used") == 2  # each once: wrong, gone
    assert "modle" in said
    assert "Traceback" not in said


def test_what_is_mended_elsewhere_is_noticed_without_a_change_of_the_file(
    runs, folder, span, watch, monkeypatch, capsys
) -> None:
    span(1, 2)
    wrong = configured("metrics_file: later/metrics.prom")
    after_a_run(monkeypatch, runs, lambda: (folder / "config.yaml").write_text(wrong))
    rests = iter(["still", "still", "mended"])

    def at_rest() -> bool:
        assert len(runs.orders) == 1  # nothing is begun meanwhile
        if next(rests) == "mended":
            (folder / "later").mkdir()
        return True

    assert watch(at_rest) == [sys.executable, *sys.orig_argv[1:]]
    said = capsys.readouterr().out
    assert said.count("cannot be used") == 1  # though it was asked for each time
    assert "retrain.metrics_file: got " in said


def test_it_is_asked_once_a_look(runs, folder, span, watch, monkeypatch) -> None:
    """A question is a process: not for each of the places where an answer is needed."""
    asked = []
    monkeypatch.setattr(renewal, "problem_of", lambda file, port: asked.append(port) or "wrong")
    port = free_port()
    (folder / "config.yaml").write_text(configured(f"metrics_port: {port}"))
    span(1)
    after_a_run(monkeypatch, runs, lambda: (folder / "config.yaml").write_text(OTHER))
    rests = iter([True, True, False])
    assert watch(lambda: next(rests)) == []
    assert asked == [port] * 3


@pytest.fixture
def reason(folder) -> Callable[[str], str]:
    """Why a watch could not begin with more keys of `retrain`."""

    def of(more: str, port: int = 0) -> str:
        (folder / "config.yaml").write_text(configured(more))
        return renewal.problem_of("config.yaml", port=port)

    return of


def test_who_asks_meets_what_a_start_would_meet(folder, reason) -> None:
    assert reason("late: ignore") == ""
    assert not (folder / "runs").exists()  # nothing is made, no lock is taken
    assert reason("notify: [no-such-command]").startswith("tokenline: retrain.notify: got ")
    (folder / "runs").touch()
    assert "runs: got a file, expected a folder" in reason("late: ignore")
    (folder / "runs").unlink()
    ledger = folder / "runs/pretend/retrain/ledger.sqlite"
    ledger.parent.mkdir(parents=True)
    ledger.write_text("no database, long enough to be looked at as one")
    assert "is damaged" in reason("late: ignore")


def test_who_asks_may_have_the_port_that_it_will_leave(reason) -> None:
    with served(str, 0) as port:
        assert "retrain.metrics_port: got " in reason(f"metrics_port: {port}")
        assert reason(f"metrics_port: {port}", port) == ""


def test_what_is_as_it_was_before_is_no_reason_to_begin_again(
    runs, folder, span, watch, monkeypatch
) -> None:
    span(1, 2)
    config = folder / "config.yaml"
    after_a_run(monkeypatch, runs, lambda: config.write_text("pipeline: 7\n"))
    rests = iter([True, False])

    def at_rest() -> bool:
        config.write_text(CONFIG)
        return next(rests)

    assert watch(at_rest) == []
    assert states() == {1: "pushed", 2: "pushed"}


def test_code_that_does_not_start_is_told_by_its_last_line(folder, monkeypatch) -> None:
    broken = folder / "broken/pipeline"
    broken.mkdir(parents=True)
    (broken / "__init__.py").touch()
    (broken / "__main__.py").write_text("import nothing_of_this_name\n")
    monkeypatch.setattr(renewal, "code_path", lambda: str(broken.parent))
    found = renewal.problem_of("config.yaml")
    assert found == "ModuleNotFoundError: No module named 'nothing_of_this_name'"


def test_the_process_itself_goes_on(folder) -> None:
    """One process id, one lock; ports and handles as before."""
    config = folder / "config.yaml"
    settings = f"poll_seconds: 0.2, max_poll_seconds: 0.2, metrics_port: {free_port()}, window"
    config.write_text(CONFIG.replace("window", settings))
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "retrain", "--watch", "--config", "config.yaml"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        until(process, "nothing due")
        handles = open_handles(process.pid)
        config.write_text(config.read_text() + "train: {epochs: 3}\n")
        until(process, "going on with the new one")
        until(process, "nothing due")
        assert open_handles(process.pid) == handles
        lock = (folder / "runs/pretend/retrain/lock").read_text()
        assert f'"pid": {process.pid},' in lock
    finally:
        process.terminate()
    assert process.wait() == 0


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def until(process: subprocess.Popen[str], text: str) -> None:
    """Read the process's output up to a line with the text."""
    assert process.stdout
    read = []
    for line in process.stdout:
        read.append(line)
        if text in line:
            return
    raise AssertionError("".join(read))


def open_handles(pid: int) -> list[str]:
    """What kinds of files the process has open, but for those that it opens for a moment."""
    looks = []
    for _ in range(5):
        looks.append(collections.Counter(_handles(pid)))
        time.sleep(0.05)
    always = looks[0]
    for look in looks[1:]:
        always &= look
    return sorted(always.elements())


def _handles(pid: int) -> Iterator[str]:
    folder = f"/proc/{pid}/fd"
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            yield os.readlink(f"{folder}/{name}").split("[")[0]
