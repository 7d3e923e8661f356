"""What a running step says of itself: `components.progress`, read from its log as it grows."""

import inspect
import re
from collections.abc import Callable

from components import progress

# As absl writes it: I1123 14:04:14.123456 139 progress.py:15] text
_LINE = re.compile(rb"[IWEF]\d{4} \S+ +\d+ progress\.py:(\d+)\] (.*)")


class Watched:
    """Called every now and then, tells the new lines of progress in a log."""

    def __init__(self, log: str, tell: Callable[[str, bool], None]) -> None:
        """Take the log, and who is told the text and whether it stays."""
        self._log = log
        self._tell = tell
        self._at = 0
        self._stays = _lines_of(progress.result)

    def __call__(self) -> None:
        """Look."""
        with open(self._log, "rb") as file:
            file.seek(self._at)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._at += len(whole) + len(newline)
        for line in whole.split(b"\n"):
            if found := _LINE.fullmatch(line):
                self._tell(found[2].decode("utf-8", "replace"), int(found[1]) in self._stays)


def _lines_of(function: Callable[..., None]) -> range:
    """Numbers of the function's lines: the log names the line that logged, not the function."""
    lines, first = inspect.getsourcelines(function)
    return range(first, first + len(lines))
