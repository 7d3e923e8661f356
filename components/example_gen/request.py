"""What ExampleGen is asked to do, read from its execution parameters. Pure Python."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from components.errors import InputError
from components.example_gen.columns import Column, parse_columns
from components.example_gen.sequences import SequenceRules, parse_sequences
from components.example_gen.splits import SplitRule, parse_split


@dataclass(frozen=True)
class IngestRequest:
    """Everything that decides what is read and how; see `spec.py` for the parameters.

    `aligned` and `split_key` are positions in `columns`.
    """

    input_base: str
    spans: tuple[int, ...]
    format: str
    columns: tuple[Column, ...]
    aligned: tuple[tuple[int, ...], ...]
    split: SplitRule
    split_key: tuple[int, ...]
    delimiter: str
    max_bad_rows: int
    fingerprint: str = ""
    sequences: SequenceRules = field(default_factory=SequenceRules)
    base_vocabulary: str = ""


def parse_request(parameters: Mapping[str, Any]) -> IngestRequest:
    """Read the execution parameters (strings of JSON and scalars, as in `spec.py`).

    Raises:
      InputError: a parameter is not what it should be.
    """
    columns = parse_columns(_load(parameters, "columns", "{}", dict))
    split = parse_split(_load(parameters, "split", '{"train": 9, "eval": 1}', dict))
    key = _load(parameters, "split_by", "[]", list) or [column.name for column in columns]
    groups = _load(parameters, "aligned", "[]", list)
    aligned = tuple(_list_positions(group, columns) for group in groups)
    sequences = parse_sequences(
        parameters.get("sequences") or "", columns=columns, aligned=aligned, split=split
    )
    return IngestRequest(
        input_base=_text(parameters, "input_base"),
        spans=tuple(_span(span) for span in _load(parameters, "spans", "[]", list)),
        format=_text(parameters, "format"),
        columns=columns,
        aligned=aligned,
        split=split,
        split_key=tuple(_position(name, columns, "split_by") for name in key),
        delimiter=_delimiter(parameters.get("delimiter", ",")),
        max_bad_rows=_count(parameters.get("max_bad_rows", 0)),
        fingerprint=parameters.get("fingerprint") or "",
        sequences=sequences,
        base_vocabulary=parameters.get("base_vocabulary") or "",
    )


def _load(
    parameters: Mapping[str, Any], name: str, default: str, wanted: type[dict] | type[list]
) -> Any:
    text = parameters.get(name) or default
    try:
        value = json.loads(text)
    except (TypeError, ValueError):
        value = None
    if not isinstance(value, wanted):
        kind = "a JSON object" if wanted is dict else "a JSON list"
        raise InputError(f"data.{name}: got {text!r}, expected {kind}")
    return value


def _text(parameters: Mapping[str, Any], name: str) -> str:
    value = parameters.get(name)
    if not isinstance(value, str) or not value:
        raise InputError(f"data.{name}: got {value!r}, expected text")
    return value


def _span(span: Any) -> int:
    if type(span) is not int or span < 0:
        raise InputError(f"data.spans: got {span!r}, expected integers of 0 or more")
    return span


def _delimiter(value: Any) -> str:
    if not isinstance(value, str) or len(value) != 1 or value in '"\r\n':
        raise InputError(f"data.delimiter: got {value!r}, expected one character, no quote")
    return value


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise InputError(f"data.max_bad_rows: got {value!r}, expected an integer of 0 or more")
    return value


def _position(name: Any, columns: Sequence[Column], parameter: str) -> int:
    names = [column.name for column in columns]
    if name not in names:
        raise InputError(f"data.{parameter}: got column {name!r}, expected one of {names}")
    return names.index(name)


def _list_positions(group: Any, columns: Sequence[Column]) -> tuple[int, ...]:
    if not isinstance(group, list) or len(group) < 2:
        raise InputError(f"data.aligned: got {group!r}, expected lists of two columns or more")
    positions = tuple(_position(name, columns, "aligned") for name in group)
    for position in positions:
        column = columns[position]
        if not column.kind.is_list:
            raise InputError(
                f"data.aligned: got column {column.name!r} of kind {column.kind.value}, "
                "expected a list column"
            )
    return positions
