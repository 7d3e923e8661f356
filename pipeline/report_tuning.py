"""The search for hyperparameters: each trial, the best first."""

from collections.abc import Mapping
from typing import Any

from components.trainer.tunable import described, shown_value
from pipeline.report_html import NOTHING, Html, count, element, join, number, row, seconds, table

Json = Mapping[str, Any]


def tuning_table(tuning: Json) -> Html:
    """Of `History.tuning`; nothing where nothing was tuned."""
    if not tuning:
        return Html("")
    trials = sorted(tuning["trials"], key=_rank)  # several that failed stay in their order
    names = list(tuning["values"])
    heads = ["trial", *names, "validation loss", "steps", "parameters", "time"]
    rows = [_row(trial, names) for trial in trials]
    return join(table(heads, rows) if rows else "", element("p", described(tuning), class_="soft"))


def _rank(trial: Json) -> tuple[bool, float, int]:
    return trial["loss"] is None, trial["loss"] or 0.0, trial["number"]


def _row(trial: Json, names: list[str]) -> Html:
    values = [shown_value(trial["values"].get(name, NOTHING)) for name in names]
    failed = f"failed: {trial['reason']}" if trial["reason"] else ""
    loss = element("span", failed, class_="interval") if failed else number(trial["loss"])
    counts = [count(trial[name] or None) for name in ("steps", "parameters")]
    took = seconds(trial["seconds"]) if trial["seconds"] else NOTHING
    cells = [str(trial["number"]), *values, loss, *counts, took]
    return row(cells, class_="aside" if failed else "")
