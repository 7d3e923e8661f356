"""The one exception that means "the user's input is at fault": exit code 2, one line, no traceback."""

from collections.abc import Iterable

_MOST_SHOWN = 40


class InputError(ValueError):
    """Bad input data or configuration.

    The message is what the user reads: it names the file, row and key, what was got and what was
    expected. Several problems are separate lines of one message.
    """


class Passing(InputError):
    """Something outside is in the way that may be gone later: the same command may then succeed."""


class InputChanged(Passing):
    """The input is no longer what the run was started for; nothing need be wrong with what it is now."""


def excerpt(values: Iterable[bytes | int]) -> str:
    """The start of a row's text, tokens or ids: what a message names the row by."""
    parts = [value if isinstance(value, bytes) else str(value).encode() for value in values]
    text = b" ".join(parts).decode("utf-8", "replace")
    return text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 1] + "…"
