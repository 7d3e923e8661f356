"""The one exception that means "the user's input is at fault": exit code 2, one line, no traceback."""

import re
from collections.abc import Iterable

_MOST_SHOWN = 40
_STACK = "Traceback (most recent call last):"
_RAISED = re.compile(r"^[A-Za-z_][\w.]*: .+$", re.MULTILINE)  # at the end of a stack


class InputError(ValueError):
    """Bad input data or configuration.

    The message is what the user reads: it names the file, row and key, what was got and what was
    expected. Several problems are separate lines of one message.
    """


class Passing(InputError):
    """Something outside is in the way that may be gone later: the same command may then succeed."""


class InputChanged(Passing):
    """The input is no longer what the run was started for; nothing need be wrong with what it is now."""


def in_a_line(error: BaseException) -> str:
    """An exception that is no input's fault: its type and the first line of what it says.

    A Beam worker in another process has only text for it, with the stack there: its last exception.
    """
    text, kind = str(error).strip(), type(error).__name__
    if _STACK in text and (raised := _RAISED.findall(text.rpartition(_STACK)[2])):
        return raised[-1]
    return f"{kind}: {text.splitlines()[0]}" if text else kind


def excerpt(values: Iterable[bytes | int]) -> str:
    """The start of a row's text, tokens or ids: what a message names the row by."""
    parts = [value if isinstance(value, bytes) else str(value).encode() for value in values]
    text = b" ".join(parts).decode("utf-8", "replace")
    return text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 1] + "…"
