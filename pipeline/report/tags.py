"""Precision and recall of tags and of spans, the worst first."""

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.report.blocks import Block, Row, row, soft, table
from pipeline.report.formats import NOTHING, percent

Json = Mapping[str, Any]


def tags(found: Json) -> tuple[Block, ...]:
    """Of the Evaluator's tags.json; nothing of another task."""
    blocks: tuple[Block, ...] = ()
    for kind, name in (("tokens", "tag"), ("spans", "span")):
        if scores := found.get(kind):
            heads = [name, "F1", "precision", "recall", "in the data", "predicted"]
            blocks += table(heads, _rows(scores))
    return blocks + soft("By the weights of the tokens; spans count once." if blocks else "")


def _rows(scores: Json) -> Iterator[Row]:
    yield _row("all", scores["micro"])
    for each in sorted(scores["tags"], key=lambda each: (each["f1"], each["tag"])):
        yield _row(each["tag"], each)


def _row(name: str, found: Json) -> Row:
    shares = [found["f1"], found["precision"], found["recall"]]
    cells = [NOTHING if value is None else percent(value) for value in shares]
    return row([name, *cells, *(f"{found[side]:,.10g}" for side in ("actual", "predicted"))])
