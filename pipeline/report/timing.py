"""Where the time went: by component, and in the trainer by phase, from the start of its process."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.report.blocks import Block, Cell, Heading, row, soft, table
from pipeline.report.elements import Html, element
from pipeline.report.formats import count, is_finite, seconds, share

Json = Mapping[str, Any]

# As `components.trainer.goodput` names them.
_PHASES = {
    "import": "loading TensorFlow and TFX",
    "components": "components before",
    "setup": "setup",
    "tracing": "tracing",
    "data_wait": "waiting for data",
    "step": "steps",
    "evaluation": "validation",
    "checkpoint": "checkpoints",
    "export": "export",
    "other": "other",
}
_FIRST = _PHASES | {"data_wait": "first batch", "step": "first step", "checkpoint": "resuming"}
_SHORTEST = 0.05  # seconds that are shown for themselves


def goodput(time: Json) -> tuple[Block, ...]:
    """A row for each phase, and their sum; the steps are what is wanted, the rest is around them."""
    known, total = _without_short(time.get("goodput") or {})
    if not known:
        return ()
    rows = [
        row([_PHASES.get(name, name), _bar(spent / total), share(spent / total), seconds(spent)])
        for name, spent in known.items()
    ]
    rows.append(row(["total", "", "", seconds(total)], tone="total"))
    heads = ["phase", "", "share", "time"]
    parts = [*soft(_goodput(known, total)), *table(heads, rows, text_columns=2, drawn=1)]
    parts += soft(_first_step(time.get("first_step") or {}))
    if time.get("cached"):
        parts += soft(
            "Measured in the run that trained the model; this one took it from the cache."
        )
    if time.get("resumes"):
        parts += soft(f"Interrupted and continued: {count(time['resumes'])}.")
    return tuple(parts)


def _goodput(known: Mapping[str, float], total: float) -> str:
    steps = known.get("step", 0.0)
    return f"Goodput: {share(steps / total)} of the time went into training steps." if steps else ""


def components(durations: Sequence[Json]) -> tuple[Block, ...]:
    """A row for each component, in the order they ran."""
    if not durations:
        return ()
    times = [item["seconds"] if is_finite(item.get("seconds")) else 0.0 for item in durations]
    longest = max(times) or 1.0
    rows = [
        row(
            [
                str(item.get("component", "")),
                _bar(time / longest),
                str(item.get("state") or ""),
                seconds(item.get("seconds")),
            ]
        )
        for item, time in zip(durations, times, strict=True)
    ]
    rows.append(row(["total", "", "", seconds(sum(times))], tone="total"))
    found = table(["component", "", "state", "time"], rows, text_columns=3, drawn=1)
    return (Heading("Components"), *found)


def _first_step(spent: Mapping[str, float]) -> str:
    """One sentence: how long until the first step was done, and what took it."""
    known, total = _without_short(spent)
    if not known:
        return ""
    parts = [f"{_FIRST.get(name, name)} {seconds(value)}" for name, value in known.items()]
    took = f"{seconds(total)} ({', '.join(parts)})"
    return f"Time to first step, from the start of the process: {took}."


def _without_short(spent: Mapping[str, float]) -> tuple[dict[str, float], float]:
    """In the order above, what is too short to show being in `other`; and the sum."""
    known = {name: spent[name] for name in (*_PHASES, *spent) if is_finite(spent.get(name))}
    short = [name for name, value in known.items() if value < _SHORTEST and name != "other"]
    total = sum(known.values())
    rest = sum(known.pop(name) for name in short) + known.pop("other", 0.0)
    return known | ({"other": rest} if rest >= _SHORTEST else {}), total


def _bar(length: float) -> Cell:
    drawing = element("span", class_="bar", style=f"width:{100 * length:.1f}%")
    return Cell("", drawing=Html(drawing))
