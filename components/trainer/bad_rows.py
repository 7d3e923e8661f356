"""The rows of a bad batch, as someone reads them who looks for what is wrong with the data."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from components import storage
from components.errors import excerpt
from components.trainer.objective import Batch
from components.trainer.origins import Origins
from components.trainer.unpacking import is_packed, unpacked
from transform import features

PLACES, TEXT, PACKED = "places", "text", "packed"
_MOST_NAMED = 3
_EXAMPLE = re.compile(r"\bexample (\d+)\b(?: position (\d+)\b)?")

Row = dict[str, Any]


def described(batch: Batch, origins: Origins | None) -> list[Row]:
    """Each example of a batch: where it is from, its text, and its features as lists.

    Where it shared a row with others, `packed` says which row, and its first and last position + 1.
    """
    values = {name: value.numpy() for name, value in batch.items()}
    shared: list[Row] = []
    if is_packed(values):
        values, found = unpacked(values)
        shared = [{PACKED: list(place)} for place in found]
    columns = [
        dict(zip(values, row, strict=True))
        for row in zip(*(value.tolist() for value in values.values()), strict=True)
    ]
    heads: list[Row] = shared or [{} for _ in columns]
    if origins is not None:
        places, texts = origins.places(values), origins.texts(values)
        told = zip(places, texts, heads, strict=True)
        heads = [{PLACES: where, TEXT: text} | head for where, text, head in told]
    return [head | row for head, row in zip(heads, columns, strict=True)]


def save(rows: Sequence[Row], path: str) -> None:
    """One JSON object a row. A number that is not finite is NaN or Infinity, as Python reads it."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    storage.write_whole(path, lambda file: file.write(text.encode()))


def names(rows: Sequence[Row], reason: str) -> list[str]:
    """What to find the first few rows by; the blamed one alone if there is one."""
    blamed = _EXAMPLE.search(reason)
    chosen = [rows[at] for at in _blamed(rows, blamed)] if blamed else []
    return [_name(row) for row in chosen or rows[:_MOST_NAMED]]


def _blamed(rows: Sequence[Row], blamed: re.Match[str]) -> list[int]:
    """The index of the example that a reason blames, if it can be told."""
    row, position = int(blamed[1]), int(blamed[2] or 0)
    if not rows or PACKED not in rows[0]:
        return [row] if row < len(rows) else []
    shared = [each[PACKED] for each in rows]
    return [
        index
        for index, (of, start, end) in enumerate(shared)
        if of == row and start <= position < end
    ]


def listed(told: Mapping[str, Any]) -> str:
    """The part of a message that names the rows: the blamed one, or how many and the first few."""
    first = ", ".join(told["first"])
    if len(told["first"]) == 1 and _EXAMPLE.search(told["reason"]):
        return f"; that example is {first}"
    more = ", …" if told["rows"] > len(told["first"]) else ""
    return f"; the batch has {told['rows']} rows: {first}{more}"


def _name(row: Row) -> str:
    if row.get(PLACES):
        return " or ".join(row[PLACES])
    texts = row.get(TEXT) or {}
    for name in (features.INPUTS, features.TARGETS):
        if name in texts:
            return repr(excerpt([texts[name].encode()]))
    return f"targets {excerpt(row[features.TARGETS])}"
