"""The data that was read, where things are, and the configuration."""

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.report.blocks import Block, Cell, Fold, bullets, pairs, row, soft, table
from pipeline.report.formats import NOTHING, count, counts, size

Json = Mapping[str, Any]

_FILES_SHOWN = 50


def data(ingest: Json) -> tuple[Block, ...]:
    """Of ExampleGen's report.json."""
    if not ingest:
        return ()
    known = {
        "rows": count(ingest.get("rows")),
        "bad rows left out": count(ingest.get("bad_rows")),
        "splits": counts(ingest.get("splits")),
        "spans": counts(ingest.get("spans")),
        "columns not used": counts(ingest.get("unconfigured_columns")),
        "files not read": ", ".join(map(str, ingest.get("unread_files", ()))),
    }
    files = ingest.get("files", ())
    rows = [
        row(
            [
                Cell(str(file.get("path", "")), code=True),
                *(count(file.get(name)) for name in ("span", "rows", "bad")),
                size(file.get("bytes")),
            ]
        )
        for file in files[:_FILES_SHOWN]
    ]
    left = len(files) - len(rows)
    return (
        *pairs((name, text) for name, text in known.items() if text not in ("", NOTHING)),
        *table(["file", "span", "rows", "bad", "size"], rows),
        *soft(f"… and {left} more files" if left else ""),
        *bullets(ingest.get("first_bad_rows", ())),
    )


def places(found: Mapping[str, str], links: Mapping[str, str]) -> tuple[Block, ...]:
    """What is where."""
    return pairs(
        (name, Cell(text, link=links.get(name, ""), code=True)) for name, text in found.items()
    )


def configuration(config: Json) -> tuple[Block, ...]:
    """Every setting by its key, folded away."""
    flat = [(key, _shown(value)) for key, value in _flatten(config, "")]
    return (Fold(f"{len(flat)} settings", pairs(flat)),) if flat else ()


def _flatten(values: Json, prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k}: {_shown(v)}" for k, v in value.items() if v is not None) or NOTHING
    if isinstance(value, list | tuple):
        return "; ".join(map(_shown, value)) or NOTHING
    if isinstance(value, bool):
        return str(value).lower()
    return NOTHING if value is None else str(value)
