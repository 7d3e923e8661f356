"""The terminal during a run: lines that stay, and one line that is rewritten.

Everything else that TFX, TensorFlow and Beam print, from Python and from C++, goes to the log.
"""

import contextlib
import logging
import os
import shutil
import sys
import time
from collections.abc import Iterator
from typing import TextIO

_QUIET_SECONDS = 5.0  # between two progress lines where they cannot be rewritten


class Terminal:
    """What the user sees. On a terminal `status` rewrites one line; in a file it adds a few."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._rewrites = stream.isatty()
        self._open = False
        self._last = 0.0

    def line(self, text: str = "") -> None:
        """Print a line that stays."""
        self._clear()
        self._stream.write(text + "\n")
        self._stream.flush()
        self._last = time.monotonic()

    def status(self, text: str) -> None:
        """Say what is going on now."""
        if self._rewrites:
            width = shutil.get_terminal_size().columns - 1
            self._clear()
            self._stream.write(text[:width])
            self._open = True
        elif time.monotonic() - self._last >= _QUIET_SECONDS:
            self._stream.write(text + "\n")
            self._last = time.monotonic()
        self._stream.flush()

    def _clear(self) -> None:
        if self._open:
            self._stream.write("\r\x1b[K")
            self._open = False


class StatusHandler(logging.Handler):
    """Shows `components.progress` updates under the name of the running component."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__()
        self._terminal = terminal
        self.component = ""

    def emit(self, record: logging.LogRecord) -> None:
        self._terminal.status(f"  {self.component}: {record.getMessage()}")


@contextlib.contextmanager
def output_to(log: str) -> Iterator[Terminal]:
    """Send file descriptors 1 and 2 to a log file; yields the terminal that they were."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    with open(log, "ab") as file, os.fdopen(os.dup(saved[0]), "w") as stream:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield Terminal(stream)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os.dup2(saved[0], 1)
            os.dup2(saved[1], 2)
            os.close(saved[0])
            os.close(saved[1])


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Drop what is written to file descriptor 2 meanwhile: TensorFlow greets there from C++."""
    sys.stderr.flush()
    saved = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)
