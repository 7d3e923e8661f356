"""The rows of a bad batch, as someone reads them who looks for what is wrong with the data."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from components.errors import excerpt
from components.trainer.objective import Batch
from components.trainer.origins import Origins
from transform import features

PLACES, TEXT = "places", "text"
_MOST_NAMED = 3
_EXAMPLE = re.compile(r"\bexample (\d+)\b")

Row = dict[str, Any]


def described(batch: Batch, origins: Origins | None) -> list[Row]:
    """Each row of a batch: where it is from, its text, and its features as lists."""
    values = {name: value.numpy() for name, value in batch.items()}
    columns = [
        dict(zip(values, row, strict=True))
        for row in zip(*(value.tolist() for value in values.values()), strict=True)
    ]
    if origins is None:
        return columns
    places, texts = origins.places(values), origins.texts(values)
    return [
        {PLACES: where, TEXT: text} | row
        for where, text, row in zip(places, texts, columns, strict=True)
    ]


def save(rows: Sequence[Row], path: str) -> None:
    """One JSON object a row. A number that is not finite is NaN or Infinity, as Python reads it."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def row_in(reason: str) -> int | None:
    """The row of the batch that the loss blames; None where it blames none."""
    found = _EXAMPLE.search(reason)
    return int(found[1]) if found else None


def names(rows: Sequence[Row], blamed: int | None) -> list[str]:
    """What to find the first few rows by; the blamed one alone if there is one."""
    chosen = rows[:_MOST_NAMED]
    if blamed is not None and blamed < len(rows):
        chosen = [rows[blamed]]
    return [_name(row) for row in chosen]


def listed(told: Mapping[str, Any]) -> str:
    """The part of a message that names the rows: the blamed one, or how many and the first few."""
    first = ", ".join(told["first"])
    if row_in(told["reason"]) is not None:
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
