"""The headline figures, and every metric on every slice."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.report import measures
from pipeline.report.as_html import note
from pipeline.report.blocks import Block, Cell, Drawn, Fold, Note, Row, Text, row, soft, table
from pipeline.report.elements import element
from pipeline.report.formats import count, is_finite

Json = Mapping[str, Any]

_TILES = (
    measures.LOSS,
    "perplexity",
    "bits_per_byte",
    "token_accuracy",
    "sequence_accuracy",
    "bleu",
    "tag_macro_f1",
    "span_f1",
)
# The unit is on the tile, where there is room for it.
_TILE_NOTES = {measures.LOSS: "nats, masked"}
_MOST_OF_A_COLUMN = 24


def tiles(metrics: Json, decoded: Json) -> tuple[Block, ...]:
    """The overall figures, large; those of decoded text with how many examples were decoded."""
    overall: Json = next(iter(metrics.get("slices") or ()), {})
    names = [name for name in _TILES if name in measures.values(overall)]
    if not names:
        return ()
    cells = {name: _tile(overall, name, decoded) for name in names}
    drawn = [
        element(
            "div",
            element("span", measures.label(name), class_="soft"),
            element("span", cell.text, class_="value"),
            map(note, cell.notes),
            class_="tile",
        )
        for name, cell in cells.items()
    ]
    plain = [
        row([measures.label(name), Cell(cell.text), ", ".join(n.text for n in cell.notes)])
        for name, cell in cells.items()
    ]
    listed = table(["metric", "value", "interval and change"], plain, text_columns=1)
    return (Drawn(element("div", drawn, class_="tiles"), listed),)


def _tile(overall: Json, name: str, decoded: Json) -> Cell:
    found = measures.measured(overall, name)
    said = _sample(decoded) if name in measures.OF_DECODED else _TILE_NOTES.get(name)
    unit = (Note(said),) if said else ()
    return Cell(found.text, unit + found.notes)


def _sample(decoded: Json) -> str:
    return f"of {_examples(decoded)}" if decoded.get("examples") else ""


def _examples(decoded: Json) -> str:
    number = decoded["examples"]
    return "1 decoded example" if number == 1 else f"{count(number)} decoded examples"


def by_column(slices: Sequence[Json]) -> dict[str, tuple[list[Json], int]]:
    """Slice column -> its largest slices, in their order, and how many are left out."""
    found: dict[str, list[Json]] = {}
    for item in slices:
        found.setdefault(str(item.get("column") or ""), []).append(item)
    return {column: _largest(items) for column, items in found.items()}


def _largest(items: list[Json]) -> tuple[list[Json], int]:
    if len(items) <= _MOST_OF_A_COLUMN:
        return items, 0
    sizes = [float(measures.values(item).get("token_count") or 0.0) for item in items]
    ranked = sorted(range(len(items)), key=lambda index: (-sizes[index], index))
    kept = sorted(ranked[:_MOST_OF_A_COLUMN])
    return [items[index] for index in kept], len(items) - len(kept)


def column_title(column: str) -> str:
    """How a slice column is called: token slices are named, others are the user's columns."""
    known = {
        "token_position": "position in the sequence",
        "token_frequency": "how often the token is in the training data",
        "token_unknown": "known and unknown tokens",
        "token_region": "region",
        "token_class": "class of the token",
        "target_length": "target length",
    }
    return f"by {known.get(column, column)}"


def numbers(metrics: Json, decoded: Json) -> tuple[Block, ...]:
    """Every metric overall and per slice, with intervals and changes."""
    slices = metrics.get("slices") or ()
    names = measures.names(slices)
    if not slices or not names:
        return ()
    heads = ["", *map(measures.label, names), *measures.COUNTS.values()]
    found = table(heads, _rows(slices, names), look="metrics")
    title = f"All metrics of {len(slices):,} slices" if len(slices) > 1 else "All metrics"
    return (Fold(title, found + notes(metrics) + _of_decoded(decoded)),)


def _of_decoded(decoded: Json) -> tuple[Block, ...]:
    """On how many examples the scores of decoded text are, and what sacreBLEU wants beside them."""
    if not decoded.get("examples"):
        return soft(f"Nothing was decoded: {decoded['problem']}." if decoded.get("problem") else "")
    text = f"BLEU, chrF and exact match are of {_examples(decoded)} (eval.decode_examples)."
    signatures = [
        f"{measures.label(name)} {signature}"
        for name, signature in (decoded.get("signatures") or {}).items()
    ]
    return soft(f"{text} sacreBLEU: {'; '.join(signatures)}." if signatures else text)


def notes(metrics: Json) -> tuple[Block, ...]:
    """How to read the numbers."""
    slices = metrics.get("slices") or ()
    level = metrics.get("confidence")
    found = []
    if is_finite(level):
        found.append(f"Intervals: {100 * level:g} %, clustered by example.")
    if any(item.get("diff") for item in slices):
        found.append("Δ: change from the last blessed model on the same examples.")
        found.append("It is called better or worse where its paired interval excludes 0.")
    if not all(item.get("gated", True) for item in slices):
        found.append("Grey slices have too few tokens or examples to be judged.")
    return (Text(" ".join(found), "soft"),) if found else ()


def _rows(slices: Sequence[Json], names: Sequence[str]) -> Iterator[Row]:
    for column, (items, left) in by_column(slices).items():
        if column:
            yield row([column_title(column)], group=True)
        for item in items:
            values = measures.values(item)
            cells: list[str | Cell] = [measures.measured(item, name) for name in names]
            cells += [count(values.get(name)) for name in measures.COUNTS]
            tone = "" if item.get("gated", True) else "aside"
            yield row([measures.slice_name(item), *cells], tone=tone)
        if left:
            yield row([f"… and {left:,} smaller ones in metrics.json"], group=True)
