"""A second watch takes over from the first, however that ends: its lock, its port, its spans."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import urllib.request

import pytest
import test_retrain_command as pretend
from test_renewal import REPOSITORY, free_port, until
from test_retrain_command import configured

from pipeline import lock
from pipeline.retrain import command, metrics, watching
from pipeline.retrain.command import Options, retrain

folder = pretend.folder


@pytest.fixture
def port(folder) -> int:
    found = free_port()
    settings = f"metrics_port: {found}, poll_seconds: 0.1, max_poll_seconds: 0.2"
    (folder / "config.yaml").write_text(configured(settings))
    return found


@contextlib.contextmanager
def watch(folder: pathlib.Path):
    """The real command, in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "retrain", "--watch", "--config", "config.yaml"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def page(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        return answer.read().decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_watch_takes_over_lock_and_port(folder, port, number) -> None:
    with contextlib.ExitStack() as both:
        leads = both.enter_context(watch(folder))
        until(leads, "nothing due")
        assert "tokenline_runs_total" in page(port)
        waits = both.enter_context(watch(folder))
        until(waits, f"is in progress (process {leads.pid}, for ")
        leads.send_signal(number)
        until(waits, "nothing due")
        assert leads.wait() == (0 if number == signal.SIGTERM else -number)
        assert "tokenline_runs_total" in page(port)
        assert lock.holder(str(folder / "runs/pretend/retrain/lock")).pid == waits.pid


def test_the_port_is_free_before_the_lock_is(folder, port, monkeypatch) -> None:
    """Whoever waits for the lock may be at the port at once."""
    found = []
    real = lock.held

    @contextlib.contextmanager
    def held(*arguments, **more):
        with real(*arguments, **more):
            try:
                yield
            finally:
                with metrics.served(str, port, attempts=1):
                    found.append("free")

    class Watcher:
        def pause(self, *, changed: bool, at_most: float | None = None) -> None:
            assert "tokenline_runs_total" in page(port)
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(command.lock, "held", held)
    monkeypatch.setattr(watching, "watcher", lambda config, stop: Watcher())
    assert retrain(Options("config.yaml", watch=True)) == 0
    assert found == ["free"]
