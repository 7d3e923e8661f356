"""Waiting for the next look at the spans: by the clock, and locally by file events. No TensorFlow.

Polling always goes on, as on a network file system others' files cause no events here.
"""

import contextlib
import os
import select
import signal
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Any

from components import storage
from components.example_gen.files import SpanPattern, span_pattern
from pipeline.config import Config

Wait = Callable[[float], bool]  # waits up to so many seconds; True: something may have changed
_GATHERED_SECONDS = 1.0
_TICK_MILLISECONDS = 200


class Stop:
    """While it is entered, SIGTERM and SIGINT are noted, and end every wait at once.

    The second one acts as it did before.
    """

    def __init__(self) -> None:
        """Make the pipe through which a signal is felt: what locks could wait for itself."""
        self._read, self._written = os.pipe()
        self._before: dict[int, Any] = {}
        self._signal = 0
        self._asked = False

    def __enter__(self) -> "Stop":
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._restore()
        os.close(self._read)
        os.close(self._written)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._signal = number
        os.write(self._written, b"x")
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    @property
    def signal(self) -> int:
        """The number of the signal that came; 0 before."""
        return self._signal

    def set(self) -> None:
        """End every wait, as a signal does; from any thread."""
        self._asked = True
        os.write(self._written, b"x")

    def is_set(self) -> bool:
        """Whether a signal came, or somebody has asked."""
        return bool(self._signal) or self._asked

    def fileno(self) -> int:
        """Readable from the signal on, for `select`."""
        return self._read

    def wait(self, seconds: float) -> bool:
        """Wait, and say whether it is to end."""
        select.select([self._read], [], [], seconds)
        return self.is_set()


class Watcher:
    """Decides how long to wait: twice as long each time, for as long as nothing changes."""

    def __init__(self, *, poll_seconds: float, max_poll_seconds: float, wait: Wait) -> None:
        """Take the shortest and the longest pause, and what waits."""
        self._shortest, self._longest = poll_seconds, max_poll_seconds
        self._pause = poll_seconds
        self._wait = wait

    def pause(self, *, changed: bool, at_most: float | None = None) -> None:
        """Wait until the next look.

        Args:
          changed: whether the look before found anything new.
          at_most: seconds until something is due all the same, as another attempt.
        """
        if changed:
            self._pause = self._shortest
        seconds = self._pause if at_most is None else min(self._pause, max(at_most, 0.0))
        if self._wait(seconds):
            self._pause = self._shortest
        else:
            self._pause = min(2 * self._pause, self._longest)


def watcher(config: Config, stop: Stop) -> Watcher:
    """The watcher of a configuration's spans."""
    retrain, path = config.retrain, config.data.path
    wait: Wait = stop.wait if storage.is_remote(path) else FileEvents(path, stop)
    return Watcher(
        poll_seconds=retrain.poll_seconds, max_poll_seconds=retrain.max_poll_seconds, wait=wait
    )


class FileEvents:
    """Waits for files that come, change or go in the folders of spans.

    Where the system cannot say (too many folders, no such folder yet), it only waits, and tries again
    the next time.

    Attributes:
      problem: why there are no events just now, or "".
    """

    def __init__(
        self, input_base: str, stop: Stop, gathered_seconds: float = _GATHERED_SECONDS
    ) -> None:
        """Start to listen.

        Args:
          input_base: a folder pattern of this machine with {SPAN}.
          stop: what ends every wait.
          gathered_seconds: how long to go on after an event, since files seldom come alone.
        """
        self._pattern = span_pattern(os.path.abspath(input_base))
        self._stop = stop
        self._gathered = gathered_seconds
        self._folders: list[str] = []
        self._events: Iterator[set[Any]] | None = None
        self.problem = ""
        self._listen()

    def __call__(self, seconds: float) -> bool:
        """Wait up to so many seconds; whether something may have changed."""
        changed = self._listen()  # in a new folder something may have come before we listened
        if not changed and self._events is None:
            self._stop.wait(seconds)
            return False
        changed = changed or self._came(seconds)
        if changed:
            self._stop.wait(self._gathered)
        return changed and not self._stop.is_set()

    def _came(self, seconds: float) -> bool:
        ticks = max(1, round(seconds * 1000 / _TICK_MILLISECONDS))
        for _ in range(ticks):
            if self._stop.is_set():
                return False
            found = self._next()
            if any(self._concerns(path) for _, path in found):
                return True
        return False

    def _concerns(self, path: str) -> bool:
        entry = os.path.relpath(path, self._pattern.root).split(os.sep)[0]
        return self._pattern.span_of(entry) is not None

    def _listen(self) -> bool:
        """Listen to the folders that are there now; whether there are others than before."""
        folders = _folders(self._pattern)
        if folders == self._folders and self._events is not None:
            return False
        from watchfiles import watch

        changed = folders != self._folders
        halt: Any = self._stop  # is_set() is all that is asked of it
        self._folders = folders
        self._events = watch(
            *folders,
            watch_filter=None,
            stop_event=halt,
            rust_timeout=_TICK_MILLISECONDS,
            yield_on_timeout=True,
            raise_interrupt=True,
            recursive=False,
        )
        self.problem = ""
        found = self._next()  # only now it begins
        return changed or bool(found)

    def _next(self) -> set[Any]:
        assert self._events is not None
        try:
            return next(self._events, set())
        except (OSError, RuntimeError) as error:
            self._events, self.problem = None, f"no file events: {error}"
            return set()


def _folders(pattern: SpanPattern) -> list[str]:
    """The folders in which files of spans appear: that of the spans, and those of each of them."""
    found, entries = [pattern.root], list[str]()
    with contextlib.suppress(OSError):  # not there, or out of reach: the look before has said so
        entries = sorted(os.listdir(pattern.root))
    for entry in entries:
        if pattern.span_of(entry) is not None:
            folder = os.path.join(pattern.root, entry)
            found.append(folder)
            for part in pattern.below:
                folder = os.path.join(folder, part)
                found.append(folder)
    return [folder for folder in found if os.path.isdir(folder) or folder == pattern.root]
