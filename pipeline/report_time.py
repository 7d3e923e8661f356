"""Where the trainer's time went, from the start of its process, and what came before its first step."""

from collections.abc import Mapping

from pipeline.report_html import Html, element, is_finite, row, seconds, table

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


def phases(goodput: Mapping[str, float]) -> Html:
    """A row for each phase, and their sum."""
    known, total = _without_short(goodput)
    if not known:
        return Html("")
    rows = [_row(_PHASES.get(name, name), spent, total) for name, spent in known.items()]
    whole = row(["total", "", "", seconds(total)], text_columns=2)
    return table(["phase", "", "share", "time"], [*rows, whole], text_columns=2)


def first_step(spent: Mapping[str, float]) -> str:
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


def _row(name: str, spent: float, total: float) -> Html:
    bar = element("span", class_="bar", style=f"width:{100 * spent / total:.1f}%")
    return element(
        "tr",
        element("th", name, scope="row"),
        element("td", bar, class_="barcell"),
        element("td", f"{100 * spent / total:.1f} %", class_="number"),
        element("td", seconds(spent), class_="number"),
    )
