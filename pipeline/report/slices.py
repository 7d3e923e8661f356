"""Slices as intervals: a dot and a bar for each, on one axis, with the margin where there is one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.report import charts, measures
from pipeline.report.axis import Axis, around
from pipeline.report.blocks import Block, Cell, Drawn, Note, Row, Text, row, soft, table
from pipeline.report.elements import Html, element
from pipeline.report.formats import NOTHING, count, is_finite
from pipeline.report.metrics import by_column, column_title
from pipeline.report.verdict import is_change

Json = Mapping[str, Any]

POSITION = "token_position"


_Columns = Mapping[str, tuple[list[Json], int]]


@dataclass(frozen=True)
class _Shown:
    """What the dots are: a metric's change from the baseline, or its value."""

    metric: str
    model: str
    margins: Mapping[str, float]
    axis: Axis
    reference: float

    @property
    def is_change(self) -> bool:
        return self.model == "diff"

    def value(self, item: Json) -> Any:
        return measures.values(item, self.model).get(self.metric)


def intervals(metrics: Json, verdict: Json) -> tuple[Block, ...]:
    """A row for each slice, column by column; columns that can show the same are on one axis.

    Changes of the metric that was judged; of the loss, where a column has none; losses, where there
    is nothing to compare with.
    """
    slices = metrics.get("slices") or ()
    findings = [each for each in verdict.get("findings") or () if is_change(each)]
    judged = [str(each.get("metric")) for each in findings]
    left = {name: found for name, found in by_column(slices).items() if name != POSITION}
    parts: list[Block] = []
    ways = [*(("diff", name) for name in (*judged, measures.LOSS)), ("candidate", measures.LOSS)]
    for model, metric in dict.fromkeys(ways):
        if not _worth_drawing(slices, model, metric):
            continue
        taken = {column: found for column, found in left.items() if _has(found[0], model, metric)}
        if taken:
            shown = _shown(slices, taken, model, metric, _margins(findings, model, metric))
            parts += [*_table(taken, shown), *_legend(taken, shown)]
            left = {column: found for column, found in left.items() if column not in taken}
    if parts and _unchanged(slices):
        parts.append(Text("On no slice does the loss differ from the baseline's.", "soft"))
    return tuple(parts)


def _worth_drawing(slices: Sequence[Json], model: str, metric: str) -> bool:
    """Whether there is a value; of changes, one that is not 0."""
    values = [measures.values(item, model).get(metric) for item in slices]
    return any(is_finite(value) and (value or model != "diff") for value in values)


def _unchanged(slices: Sequence[Json]) -> bool:
    compared = any(item.get("diff") for item in slices)
    return compared and not _worth_drawing(slices, "diff", measures.LOSS)


def _has(items: Sequence[Json], model: str, metric: str) -> bool:
    return any(is_finite(measures.values(item, model).get(metric)) for item in items)


def _margins(findings: Sequence[Json], model: str, metric: str) -> dict[str, float]:
    """Slice -> what its change has to keep to."""
    return {
        str(each.get("slice") or "overall"): each["bound"]
        for each in findings
        if model == "diff" and each.get("metric") == metric and is_finite(each.get("bound"))
    }


def _shown(
    slices: Sequence[Json],
    taken: _Columns,
    model: str,
    metric: str,
    margins: Mapping[str, float],
) -> _Shown:
    """With an axis for the slices that are judged; others may reach beyond it."""
    items = [item for found, _ in taken.values() for item in found]
    known = [item for item in items if is_finite(measures.values(item, model).get(metric))]
    gated = [item for item in known if item.get("gated", True)] or known
    overall = measures.values(slices[0], model).get(metric)
    reference = 0.0 if model == "diff" or not is_finite(overall) else overall
    ends = [reference, *(margins[key] for key in map(_key, items) if key in margins)]
    for item in gated:
        value = measures.values(item, model)[metric]
        ends += measures.bounds(item, metric, model) or (value, value)
    return _Shown(metric, model, margins, around(ends), reference)


def _key(item: Json) -> str:
    return str(item.get("slice") or "overall")


def _table(taken: _Columns, shown: _Shown) -> tuple[Block, ...]:
    rows: list[Row] = []
    for column, (items, more) in taken.items():
        rows += [row([column_title(column)], group=True)] if column else []
        rows += [*(_row(item, shown) for item in items), _scale(shown)]
        rows += [row([f"… and {more:,} smaller ones in metrics.json"], group=True)] if more else []
    name = measures.label(shown.metric)
    heads = ["slice", "", f"Δ {name}" if shown.is_change else name, "tokens"]
    return table(heads, rows, text_columns=2, look="forest", drawn=1)


def _row(item: Json, shown: _Shown) -> Row:
    gated = item.get("gated", True)
    drawing, value = _drawn(item, shown, "main" if gated else "aside")
    tokens = count(measures.values(item).get("token_count"))
    cells: list[str | Cell] = [measures.slice_name(item), Cell("", drawing=drawing), value, tokens]
    return row(cells, tone="" if gated else "aside")


def _drawn(item: Json, shown: _Shown, look: str) -> tuple[Html, Cell]:
    """The dot with its bar, and the same as numbers."""
    value = shown.value(item)
    if not is_finite(value):
        reason = ((item.get("absent") or {}).get(shown.model) or {}).get(shown.metric, "")
        return Html(""), Cell(NOTHING, (Note(str(reason)),))
    bounds = measures.bounds(item, shown.metric, shown.model)
    low, high = bounds or (value, value)
    lines = [(shown.reference, "zero")]
    if _key(item) in shown.margins:
        lines.append((shown.margins[_key(item)], "margin"))
    mark = charts.interval_mark(shown.axis, value, low, high, look=look, lines=lines)
    tone = measures.change_tone(item, shown.metric) if shown.is_change else ""
    text = (
        measures.change(item, shown.metric)
        if shown.is_change
        else measures.written(shown.metric, value)
    )
    ends = measures.interval(shown.metric, low, high, sign=shown.is_change)
    return mark, Cell(text, (Note(ends),) if bounds else (), tone if tone != "soft" else "")


def _scale(shown: _Shown) -> Row:
    return Row((Cell(""), Cell("", drawing=charts.scale(shown.axis)), Cell(""), Cell("")), "scale")


def _legend(taken: _Columns, shown: _Shown) -> tuple[Block, ...]:
    items = [item for found, _ in taken.values() for item in found]
    if shown.is_change:
        said = "Dots: candidate − baseline on the same examples; bars: the paired interval."
        if measures.less_is_better(shown.metric):
            said += " Left of the line at 0 the candidate is better."
        if any(_key(item) in shown.margins for item in items):
            said += " Dashed: the margin that the bar has to keep to."
    else:
        said = "Dots: the candidate; bars: its interval. The line is the value over all examples."
    if not all(item.get("gated", True) for item in items):
        said += (
            " Grey slices have too few tokens or examples to be judged; their ‹ and › go on beyond"
        )
        said += " the axis."
    return (Text(said, "soft"),)


def positions(metrics: Json) -> tuple[Block, ...]:
    """Loss by position in the sequence, with intervals, of both models."""
    items = [
        item
        for item in metrics.get("slices") or ()
        if item.get("column") == POSITION and is_finite(measures.values(item).get(measures.LOSS))
    ]
    if not items:
        return ()
    models = {"candidate": "main", "baseline": "other"}
    lines = [_line(items, model, look) for model, look in models.items()]
    names = [measures.slice_name(item).text for item in items]
    drawing = charts.line_chart(
        lines,
        name="Loss by position in the sequence",
        unit="masked loss, nats per token",
        across="position in the target",
        categories=names,
        bars="bars: intervals of this model" if any(line.ranges for line in lines) else "",
    )
    both = any(line.points for line in lines[1:])
    heads = [
        "position",
        "loss per token",
        *([measures.MODELS["baseline"]] if both else []),
        "tokens",
    ]
    rows = [_numbers(item, both) for item in items]
    small = [n for n, item in zip(names, items, strict=True) if not item.get("gated", True)]
    said = f"Too small, so not judged: positions {', '.join(small)}." if small else ""
    return (Drawn(element("div", drawing), table(heads, rows)), *soft(said))


def _line(items: Sequence[Json], model: str, look: str) -> charts.Line:
    points, ranges = [], []
    for index, item in enumerate(items):
        value = measures.values(item, model).get(measures.LOSS)
        if is_finite(value):
            points.append((float(index), value))
            if found := measures.bounds(item, measures.LOSS, model):
                ranges.append((float(index), max(0.0, found[0]), found[1]))
    return charts.Line(
        measures.MODELS[model], look, tuple(points), tuple(ranges) if look == "main" else ()
    )


def _numbers(item: Json, both: bool) -> Row:
    baseline = measures.values(item, "baseline").get(measures.LOSS)
    ours = measures.measured(item, measures.LOSS)
    tokens = count(measures.values(item).get("token_count"))
    other: list[str | Cell] = [measures.written(measures.LOSS, baseline)] if both else []
    return row([measures.slice_name(item), ours, *other, tokens])
