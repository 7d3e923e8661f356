"""The terminal: one line that is rewritten, few lines in a file, and everything else in the log."""

import io
import logging
import os
import pathlib
import subprocess
import sys

import pytest

from components import progress
from pipeline import terminal
from pipeline.terminal import StatusHandler, Terminal, output_to, silenced

CLEAR = "\r\x1b[K"


class FakeStream(io.StringIO):
    """A stream that says what it is, and counts what would not be seen yet."""

    def __init__(self, *, tty: bool) -> None:
        super().__init__()
        self._tty = tty
        self.flushed = ""

    def isatty(self) -> bool:
        return self._tty

    def flush(self) -> None:
        self.flushed = self.getvalue()


@pytest.fixture
def clock(monkeypatch):
    """Sets the monotonic clock: `clock.now`."""

    class Clock:
        now = 1000.0

    monkeypatch.setattr(terminal.time, "monotonic", lambda: Clock.now)
    return Clock


@pytest.fixture
def columns(monkeypatch):
    def set_width(width):
        size = os.terminal_size((width, 24))
        monkeypatch.setattr(terminal.shutil, "get_terminal_size", lambda *_: size)

    set_width(80)
    return set_width


def test_a_terminal_rewrites_one_line(clock, columns):
    stream = FakeStream(tty=True)
    shown = Terminal(stream)
    shown.status("step 1")
    shown.status("step 2")
    assert stream.flushed == f"step 1{CLEAR}step 2"
    shown.line("done")
    shown.line()
    shown.status("next")
    assert stream.flushed == f"step 1{CLEAR}step 2{CLEAR}done\n\nnext"


def test_a_status_fits_the_terminal(clock, columns):
    columns(10)
    stream = FakeStream(tty=True)
    Terminal(stream).status("0123456789abc")
    assert stream.getvalue() == "012345678"


def test_a_file_gets_a_status_every_five_seconds(clock, columns):
    columns(10)
    stream = FakeStream(tty=False)
    shown = Terminal(stream)
    for clock.now, text in [
        (100, "a"),
        (101, "b"),
        (104.9, "c"),
        (105, "long status d"),
        (109, "e"),
    ]:
        shown.status(text)
    assert stream.flushed == "a\nlong status d\n"


def test_in_a_file_a_line_that_stays_counts_as_news(clock):
    stream = FakeStream(tty=False)
    shown = Terminal(stream)
    shown.line("start")
    clock.now += 4.9
    shown.status("too soon")
    clock.now += 0.1
    shown.status("now")
    shown.line("end")
    assert stream.getvalue() == "start\nnow\nend\n"


def test_the_first_status_is_shown_at_once_on_a_machine_just_started(clock):
    clock.now = 0.5
    stream = FakeStream(tty=False)
    Terminal(stream).status("starting")
    assert stream.getvalue() == "starting\n"


@pytest.fixture
def progress_to():
    """Sends the progress of a component, Trainer, to a stream."""
    level, handlers = progress.LOGGER.level, []

    def send(*, tty: bool) -> FakeStream:
        stream = FakeStream(tty=tty)
        handler = StatusHandler(Terminal(stream))
        handler.component = "Trainer"
        handlers.append(handler)
        progress.LOGGER.addHandler(handler)
        progress.LOGGER.setLevel(logging.INFO)
        return stream

    yield send
    for handler in handlers:
        progress.LOGGER.removeHandler(handler)
    progress.LOGGER.setLevel(level)


def test_progress_is_shown_under_the_component(clock, columns, progress_to):
    stream = progress_to(tty=True)
    progress.update("step 3, 40% of an epoch")
    assert stream.getvalue() == "  Trainer: step 3, 40% of an epoch"


def test_a_result_stays_in_a_file_however_soon_it_comes(clock, progress_to):
    stream = progress_to(tty=False)
    progress.update("step 1")
    progress.update("step 2")
    progress.result("423 steps")
    assert stream.getvalue() == "  Trainer: step 1\n  Trainer: 423 steps\n"


def test_paths_below_the_current_folder_are_as_the_user_would_type_them(
    clock, progress_to, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    stream = progress_to(tty=False)
    progress.result(f"started from {tmp_path}/runs/model/8, not from /runs/model/8")
    assert stream.getvalue() == "  Trainer: started from runs/model/8, not from /runs/model/8\n"


# Python's streams, the descriptors themselves, and C's buffered output.
SCRIPT = """
import ctypes, os, sys
from pipeline.terminal import output_to, silenced

def write(mark):
    print(f"{mark} print")
    print(f"{mark} error", file=sys.stderr)
    os.write(1, f"{mark} one\\n".encode())
    os.write(2, f"{mark} two\\n".encode())
    ctypes.CDLL(None).puts(f"{mark} puts".encode())

"""


@pytest.fixture
def run(tmp_path):
    """Runs SCRIPT and more code in its own process, the log being `log`; returns what it wrote.

    A process of its own, as pytest replaces sys.stdout, and C decides once how it buffers.
    """

    def call(code, **environment):
        inherited = {key: os.environ[key] for key in os.environ if key != "PYTHONUNBUFFERED"}
        return subprocess.run(
            [sys.executable, "-c", SCRIPT + f"log = {str(tmp_path / 'run.log')!r}\n" + code],
            cwd=pathlib.Path(__file__).resolve().parents[2],
            env=inherited | environment,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return call


def _ways(text, mark):
    return sorted(line.split()[1] for line in text.splitlines() if line.startswith(mark))


def test_all_output_goes_to_the_log_and_the_terminal_stays(run, tmp_path):
    (tmp_path / "run.log").write_text("earlier\n")
    done = run("""
write("before")
with output_to(log) as shown:
    write("inside")
    shown.line("to the user")
write("after")
""")
    log = (tmp_path / "run.log").read_text()
    assert log.startswith("earlier\n")
    assert _ways(log, "inside") == ["error", "one", "print", "puts", "two"]
    assert len(log.splitlines()) == 6
    for mark in ("before", "after"):
        assert _ways(done.stdout, mark) == ["one", "print", "puts"]
        assert _ways(done.stderr, mark) == ["error", "two"]
    assert "to the user\n" in done.stdout
    assert "inside" not in done.stdout + done.stderr


def test_a_log_that_cannot_be_flushed_still_gives_the_descriptors_back(run):
    done = run("""
log = "/dev/full"
try:
    with output_to(log):
        print("lost")
except OSError as error:
    os.write(1, f"{error.errno}".encode())
    os.write(2, b"err")
os._exit(0)
""")
    assert (done.stdout, done.stderr) == ("28", "err")


def test_silenced_drops_errors_only_and_only_meanwhile(run):
    done = run("""
with silenced():
    write("inside")
write("after")
""")
    assert _ways(done.stdout, "inside") == ["one", "print", "puts"]
    assert _ways(done.stderr, "inside") == []
    assert _ways(done.stderr, "after") == ["error", "two"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_descriptors_come_back_whatever_happens(tmp_path, capfd, error):
    descriptors = len(os.listdir("/proc/self/fd"))

    def fail():
        with output_to(str(tmp_path / "run.log")):
            os.write(1, b"inside\n")
            raise error

    with pytest.raises(error):
        fail()
    os.write(1, b"out\n")
    os.write(2, b"err\n")
    assert tuple(capfd.readouterr()) == ("out\n", "err\n")
    assert (tmp_path / "run.log").read_text() == "inside\n"
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_a_log_that_cannot_be_opened_leaves_everything_as_it_was(tmp_path, capfd):
    descriptors = len(os.listdir("/proc/self/fd"))
    with pytest.raises(FileNotFoundError), output_to(str(tmp_path / "absent" / "run.log")):
        pass
    os.write(1, b"out\n")
    assert capfd.readouterr().out == "out\n"
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_a_child_process_writes_to_the_log_too(tmp_path, capfd):
    with output_to(str(tmp_path / "run.log")):
        subprocess.run([sys.executable, "-S", "-c", "print('child')"], check=True)
    assert (tmp_path / "run.log").read_text() == "child\n"
    assert capfd.readouterr().out == ""


def test_a_terminal_without_unicode_still_shows_the_line(run):
    done = run("with output_to(log) as shown: shown.line('a … b')", PYTHONIOENCODING="ascii")
    assert done.stdout == "a ? b\n"


def test_silenced_gives_the_descriptor_back_on_an_error(capfd):
    with pytest.raises(ValueError, match="x"), silenced():
        raise ValueError("x")
    os.write(2, b"err\n")
    assert capfd.readouterr().err == "err\n"
