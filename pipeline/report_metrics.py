"""The Evaluator's metrics.json as figures and as a table: values, intervals, changes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pipeline.report_html import (
    NOTHING,
    Html,
    count,
    element,
    is_finite,
    join,
    number,
    percent,
    row,
    table,
)

Json = Mapping[str, Any]
Format = Callable[..., str]

# Metric -> what the reader sees, how it is written, and whether less is better.
_METRICS: dict[str, tuple[str, Format, bool]] = {
    "masked_token_loss": ("loss per token", number, True),
    "perplexity": ("perplexity", number, True),
    "token_accuracy": ("token accuracy", percent, False),
    "sequence_accuracy": ("sequence accuracy", percent, False),
    "bits_per_byte": ("bits per byte", number, True),
}
_COUNTS = {"token_count": "tokens", "example_count": "examples"}
_TILES = ("masked_token_loss", "perplexity", "token_accuracy", "sequence_accuracy")
# The unit is on the tile, where there is room for it.
_TILE_NOTES = {"masked_token_loss": "nats, masked, per token"}


def metric_tiles(metrics: Json) -> Html:
    """The overall figures, large."""
    overall: Json = next(iter(metrics.get("slices", ())), {})
    values = overall.get("candidate") or {}
    tiles = [
        element(
            "div",
            element("span", _METRICS[name][0], class_="soft"),
            element("span", _METRICS[name][1](values[name]), class_="value"),
            element("span", _TILE_NOTES.get(name, ""), class_="interval"),
            _interval(overall, name),
            _change(overall, name),
            class_="tile",
        )
        for name in _TILES
        if name in values
    ]
    return element("div", tiles, class_="tiles") if tiles else Html("")


def metric_table(metrics: Json) -> Html:
    """Every metric overall and per slice, with intervals and changes."""
    slices = metrics.get("slices", ())
    if not slices:
        return Html("")
    names = [name for name in _METRICS if any(name in (s.get("candidate") or {}) for s in slices)]
    heads = ["", *(_METRICS[name][0] for name in names), *_COUNTS.values()]
    rows = table(heads, _slice_rows(slices, names))
    level = metrics.get("confidence")
    notes = [f"Intervals: {100 * level:g} %, jackknife over examples."] if is_finite(level) else []
    if any(item.get("diff") for item in slices):
        notes.append("Δ: change from the last blessed model, coloured where the paired interval")
        notes.append("excludes 0.")
    if not all(item.get("gated", True) for item in slices):
        notes.append("Grey slices have too few tokens to be judged.")
    return join(rows, element("p", " ".join(notes), class_="soft"))


def _slice_rows(slices: Sequence[Json], names: Sequence[str]) -> Iterator[Html]:
    group = ""
    for item in slices:
        column = str(item.get("column") or "")
        if column != group:
            group = column
            head = element("th", f"by {column}", colspan=1 + len(names) + len(_COUNTS))
            yield element("tr", head, class_="group")
        name = str(item.get("value", "")) if column else "overall"
        values = item.get("candidate") or {}
        cells = [_measured(item, metric) for metric in names]
        cells += [Html(count(values.get(metric))) for metric in _COUNTS]
        yield row([name, *cells], class_="" if item.get("gated", True) else "aside")


def _measured(item: Json, name: str) -> Html:
    """A metric's value on a slice, with its interval and change; why, where there is no value."""
    value = (item.get("candidate") or {}).get(name)
    if not is_finite(value):
        reason = item.get("absent", {}).get("candidate", {}).get(name, "")
        return join(NOTHING, element("span", reason, class_="interval"))
    return join(_METRICS[name][1](value), _interval(item, name), _change(item, name))


def _interval(item: Json, name: str) -> Html:
    bounds = item.get("intervals", {}).get("candidate", {}).get(name)
    if not bounds:
        return Html("")
    low, high = (_METRICS[name][1](bound).removesuffix(" %") for bound in bounds)
    return element("span", f"{low} … {high}", class_="interval")


def _change(item: Json, name: str) -> Html:
    """candidate - baseline; better or worse only where the paired interval excludes 0."""
    change = (item.get("diff") or {}).get(name)
    if not is_finite(change):
        return Html("")
    _, written, less_is_better = _METRICS[name]
    low, high = item.get("intervals", {}).get("diff", {}).get(name) or (change, change)
    settled = low > 0 or high < 0
    better = (change < 0) == less_is_better
    look = ("better" if better else "worse") if settled else "same"
    points = written(change, sign=True).replace(" %", " points")
    return element("span", f"Δ {points}", class_=f"change {look}")
