"""The search for hyperparameters: each trial, the best first."""

from collections.abc import Mapping
from typing import Any

from components.trainer.tunable import described, shown_value
from pipeline.report.blocks import Block, Cell, Note, Row, row, soft, table
from pipeline.report.formats import NOTHING, count, number, seconds

Json = Mapping[str, Any]


def tuning(found: Json) -> tuple[Block, ...]:
    """Of `History.tuning`; nothing where nothing was tuned."""
    if not found:
        return ()
    trials = sorted(found["trials"], key=_rank)  # several that failed stay in their order
    names = list(found["values"])
    heads = ["trial", *names, "validation loss", "steps", "parameters", "time"]
    return table(heads, [_row(trial, names) for trial in trials]) + soft(described(found))


def _rank(trial: Json) -> tuple[bool, float, int]:
    return trial["loss"] is None, trial["loss"] or 0.0, trial["number"]


def _row(trial: Json, names: list[str]) -> Row:
    values = [shown_value(trial["values"].get(name, NOTHING)) for name in names]
    failed = f"failed: {trial['reason']}" if trial["reason"] else ""
    loss = Cell("", (Note(failed),)) if failed else Cell(number(trial["loss"]))
    counted = [count(trial[name] or None) for name in ("steps", "parameters")]
    took = seconds(trial["seconds"]) if trial["seconds"] else NOTHING
    cells: list[str | Cell] = [str(trial["number"]), *values, loss, *counted, took]
    return row(cells, tone="aside" if failed else "")
