"""The terminal during a run: lines that stay, and one line that is rewritten.

Everything else that TFX, TensorFlow and Beam print, from Python and from C++, goes to the log.
"""

import contextlib
import ctypes
import logging
import os
import shutil
import sys
import time
from collections.abc import Iterator
from typing import BinaryIO, TextIO

from components import progress

_QUIET_SECONDS = 5.0  # between two progress lines where they cannot be rewritten


class Terminal:
    """What the user sees. On a terminal `status` rewrites one line; in a file it adds a few."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._rewrites = stream.isatty()
        self._open = False
        self._last = float("-inf")

    def line(self, text: str = "") -> None:
        """Print a line that stays."""
        self._clear()
        self._stream.write(text + "\n")
        self._stream.flush()
        self._last = time.monotonic()

    def status(self, text: str) -> None:
        """Say what is going on now."""
        self.said(text)

    def said(self, text: str) -> bool:
        """`status`; returns whether it was said: in a file only so often."""
        if self._rewrites:
            width = shutil.get_terminal_size().columns - 1
            self._clear()
            self._stream.write(text[:width])
            self._open = True
        elif time.monotonic() - self._last >= _QUIET_SECONDS:
            self._stream.write(text + "\n")
            self._last = time.monotonic()
        else:
            return False
        self._stream.flush()
        return True

    def clear(self) -> None:
        """Take the status away, for what somebody else writes."""
        self._clear()
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
        stays = getattr(record, progress.STAYS, False)
        show = self._terminal.line if stays else self._terminal.status
        here = os.getcwd() + os.sep  # paths as the user would type them
        show(f"  {self.component}: {record.getMessage().replace(here, '')}")


@contextlib.contextmanager
def output_to(log: str) -> Iterator[Terminal]:
    """Send file descriptors 1 and 2 to a log file; yields the terminal that they were."""
    with (
        open(log, "ab") as file,
        _redirected(1, file) as terminal,
        _redirected(2, file),
        os.fdopen(os.dup(terminal), "w", encoding=sys.stdout.encoding, errors="replace") as stream,
    ):
        yield Terminal(stream)


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Drop what is written to file descriptor 2 meanwhile: TensorFlow greets there from C++."""
    with open(os.devnull, "wb") as nowhere, _redirected(2, nowhere):
        yield


@contextlib.contextmanager
def _redirected(descriptor: int, file: BinaryIO) -> Iterator[int]:
    """Point a file descriptor at a file; yields a descriptor of what it was."""
    _flush()
    saved = os.dup(descriptor)
    os.dup2(file.fileno(), descriptor)
    try:
        try:
            yield saved
        finally:
            _flush()
    finally:
        os.dup2(saved, descriptor)
        os.close(saved)


def _flush() -> None:
    """Write out what Python and C hold back, so that it goes where it was meant to go."""
    sys.stdout.flush()
    sys.stderr.flush()
    ctypes.CDLL(None).fflush(None)
