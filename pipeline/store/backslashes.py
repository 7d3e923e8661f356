"""Text with a backslash, kept by PostgreSQL through ml_metadata, which cannot write it.

ml_metadata 1.21 quotes text by PQescapeLiteral and takes what that returns for '…', cutting off the quotes
(metadata_source/postgresql_metadata_source.cc). With a backslash it is E'…', and the statement is no SQL any
more. Regular expressions, and JSON with quotes or letters beyond ASCII in its texts, have backslashes.
"""

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any

_SIGN = (
    "\ue05c"  # of the private use area: nobody's letter, and text that has it even so is kept too
)
_BACKSLASH, _ITSELF = f"{_SIGN}0", f"{_SIGN}1"


def written(text: str) -> str:
    """The text without backslashes."""
    return text.replace(_SIGN, _ITSELF).replace("\\", _BACKSLASH)


def read(text: str) -> str:
    """The text that was `written`."""
    return re.sub(f"{_SIGN}[01]", lambda found: "\\" if found[0] == _BACKSLASH else _SIGN, text)


@contextlib.contextmanager
def kept(connection: Any) -> Iterator[None]:
    """While it is entered, all clients of this process write and read them, TFX's own as well.

    Args:
      connection: ml_metadata's ConnectionConfig; nothing happens unless it is one of PostgreSQL.
    """
    if connection.WhichOneof("config") != "postgresql":
        yield
        return
    from ml_metadata.metadata_store.metadata_store import MetadataStore

    theirs = MetadataStore._call_method
    if getattr(theirs, "keeps_backslashes", False):
        yield
        return

    def call_method(self: Any, method_name: str, request: Any, response: Any) -> None:
        sent = type(request)()
        sent.CopyFrom(request)  # it may be sent again
        _change(sent, written)
        theirs(self, method_name, sent, response)
        _change(response, read)

    call_method.keeps_backslashes = True  # type: ignore[attr-defined]
    MetadataStore._call_method = call_method
    try:
        yield
    finally:
        MetadataStore._call_method = theirs


def _change(message: Any, change: Callable[[str], str]) -> None:
    """Change every text in a protocol buffer, but for the keys of maps."""
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            if field.message_type.GetOptions().map_entry:
                _change_map(field, value, change)
            else:
                for one in value if field.is_repeated else [value]:
                    _change(one, change)
        elif field.type == field.TYPE_STRING:
            if field.is_repeated:
                value[:] = [change(text) for text in value]
            else:
                setattr(message, field.name, change(value))


def _change_map(field: Any, values: Any, change: Callable[[str], str]) -> None:
    kind = field.message_type.fields_by_name["value"]
    for key in values:
        if kind.type == kind.TYPE_MESSAGE:
            _change(values[key], change)
        elif kind.type == kind.TYPE_STRING:
            values[key] = change(values[key])
