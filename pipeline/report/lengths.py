"""How long the training sequences are, which lengths batches are padded to, what that pads."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.report.blocks import Block, Drawn, Fold, Heading, row, soft, table
from pipeline.report.charts import columns_chart
from pipeline.report.formats import count, is_finite, share

Json = Mapping[str, Any]

_ROWS_UNFOLDED = 6


def lengths(found: Json) -> tuple[Block, ...]:
    """Of `components.trainer.lengths.summary`: a histogram a side, and the buckets."""
    sides = list(found.get("sides") or ())
    buckets = found.get("buckets") or ()
    parts: list[Block] = []
    for index, side in enumerate(sides):
        ends = sorted({each["shape"][index] + 0.5 for each in buckets})
        parts += _side(side, ends, len(sides) > 1)
    if not parts:
        return ()
    return (*parts, *soft(_said(found)), *_buckets(sides, buckets))


def _side(side: Json, ends: Sequence[float], named: bool) -> tuple[Block, ...]:
    bins = [(low - 0.5, high + 0.5, float(n)) for low, high, n in side.get("bins") or ()]
    name = f"Lengths of the {side['name']} sequences"
    drawing = columns_chart(
        bins, ends, name=name, unit="training examples", across="tokens, eos included"
    )
    rows = [row([_span(low, high), count(n)]) for low, high, n in side.get("bins") or ()]
    heading = (Heading(str(side["name"])),) if named else ()
    return (*heading, Drawn(drawing, table(["tokens", "examples"], rows)))


def _span(low: int, high: int) -> str:
    return count(low) if low == high else f"{count(low)}–{count(high)}"


def _said(found: Json) -> str:
    if not is_finite(found.get("padding_share")):
        return ""
    text = f"{share(found['padding_share'])} of the positions of a training epoch are padding"
    if found.get("packed"):
        return f"{text}; several examples share a row."
    one_length = found.get("one_length_padding_share")
    if is_finite(one_length):
        text += f"; {share(one_length)} if all were padded to the longest"
    return f"{text}. Dashed: the lengths that batches are padded to."


def _buckets(sides: Sequence[Json], buckets: Sequence[Json]) -> tuple[Block, ...]:
    rows = [
        row(
            [
                " × ".join(count(length) for length in each["shape"]),
                count(each.get("rows")),
                count(each.get("examples")),
                share(each.get("padding_share")),
            ]
        )
        for each in buckets
    ]
    padded = " × ".join(str(side["name"]) for side in sides)
    found = table([f"padded to ({padded})", "rows a batch", "examples", "padding"], rows)
    if len(rows) <= _ROWS_UNFOLDED:
        return found
    return (Fold(f"{len(rows)} lengths that batches are padded to", found),)
