"""What the serving check found: the exported model in a process that has none of our code."""

from collections.abc import Mapping
from typing import Any

from pipeline.report.blocks import Block, Cell, Row, row, soft, table
from pipeline.report.formats import NOTHING, is_finite, number

Json = Mapping[str, Any]


def serving(found: Json) -> tuple[Block, ...]:
    """Of serving_check.json: each check, the latencies, the memory."""
    rows = [_check(each) for each in found.get("checks") or ()]
    parts = [*table(["check", "", "what was found"], rows, text_columns=3)]
    parts += _latencies(found.get("latency_ms"))
    if is_finite(found.get("memory_mb")):
        parts += soft(f"Memory of the serving process: {number(found['memory_mb'])} MB.")
    return tuple(parts)


def _check(each: Json) -> Row:
    passed = bool(each.get("passed"))
    verdict = Cell("✓ passed" if passed else "✕ failed", tone="good" if passed else "bad")
    name = str(each.get("name", "")).replace("_", " ")
    return row([name, verdict, str(each.get("text") or "")])


def _latencies(latencies: Any) -> tuple[Block, ...]:
    """By batch size, or whatever else they are told apart by."""
    if not isinstance(latencies, Mapping) or not latencies:
        return ()
    nested = [value for value in latencies.values() if isinstance(value, Mapping)]
    if not nested:
        return table(["latency", "ms"], [row([_named(k), _value(v)]) for k, v in latencies.items()])
    names = list(dict.fromkeys(name for each in nested for name in each))
    rows = [
        row([_named(key), *(_value(each.get(name)) for name in names)])
        for key, each in latencies.items()
        if isinstance(each, Mapping)
    ]
    return table(["latency in ms", *map(_named, names)], rows)


def _named(name: object) -> str:
    text = str(name).replace("_", " ")
    return f"batch of {text}" if text.isdigit() else text


def _value(value: object) -> str:
    return number(value) if is_finite(value) else str(value or NOTHING)
