"""Figures as inline SVG that fits any width: places are shares of it, text keeps its size.

Colours come from the page's style; lines also differ in their dashes, and each is named.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.report.axis import Axis, from_zero
from pipeline.report.elements import Html, element, join
from pipeline.report.formats import count, number

_MOST_POINTS = 360
_MOST_LABELS = 6
_UNITS = 10_000  # of the inner picture, whose height and width are stretched

Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Attributes:
      label: what it is.
      look: "main" or "other".
      points: (x, y), x ascending.
      ranges: (x, low, high), drawn as bars.
    """

    label: str
    look: str
    points: tuple[Point, ...]
    ranges: tuple[tuple[float, float, float], ...] = ()


def line_chart(
    lines: Sequence[Line],
    *,
    name: str,
    unit: str,
    across: str,
    linear: bool = False,
    categories: Sequence[str] = (),
    bars: str = "",
) -> Html:
    """Lines over one axis; nothing where there is nothing to draw.

    Args:
      lines: those without points are left out.
      name: of the chart, for who cannot see it.
      unit: of the values.
      across: what the other axis counts.
      linear: no logarithmic axis, whatever the values.
      categories: names for x = 0, 1, …; without them x is a number from 0 on.
      bars: what the bars of ranges are.
    """
    drawn = [line for line in lines if line.points]
    if not drawn:
        return Html("")
    x = _across([point[0] for line in drawn for point in line.points], categories)
    y = from_zero([value for line in drawn for value in _values(line)], linear=linear)
    marks = [*_grid(x, y, categories), *(mark for line in drawn for mark in _drawn(line, x, y))]
    scale = ", log scale" if y.logarithmic else ""
    return element(
        "figure",
        element(
            "figcaption", f"{unit}{scale}", [_key(line, not categories) for line in drawn], bars
        ),
        element("svg", element("title", name), marks, role="img", aria_label=_spoken(name, drawn)),
        element("p", across, class_="across"),
        class_="chart",
    )


def _across(values: Sequence[float], categories: Sequence[str]) -> Axis:
    if categories:
        return Axis(-0.5, len(categories) - 0.5)
    return Axis(0.0, max(values) if max(values) > 0 else 1.0)


def _values(line: Line) -> list[float]:
    inside = [value for _, low, high in line.ranges for value in (low, high)]
    return [*(value for _, value in line.points), *inside]


def _key(line: Line, goes_on: bool) -> Html:
    """The line's name and, of one that goes somewhere, where it has come to."""
    text = f"{line.label}, last {number(line.points[-1][1])}" if goes_on else line.label
    return element("span", element("i", class_=line.look), text, class_="key")


def _spoken(name: str, lines: Sequence[Line]) -> str:
    ends = [
        f"{line.label} from {number(line.points[0][1])} to {number(line.points[-1][1])}"
        for line in lines
    ]
    return f"{name}: {'; '.join(ends)}"


def _grid(x: Axis, y: Axis, categories: Sequence[str]) -> list[Html]:
    marks = []
    for tick in y.ticks():
        down = place(1 - y.at(tick))
        marks.append(rule(0.0, 1 - y.at(tick), 1.0, 1 - y.at(tick), "rule"))
        marks.append(text("0", down, _tick(tick), "end", dx="-8", dy="4"))
    marks.append(rule(0.0, 1.0, 1.0, 1.0, "rule"))
    for value, label in _labels(x, categories):
        marks.append(text(place(x.at(value)), "100%", label, "middle", dy="18"))
    return marks


def _labels(x: Axis, categories: Sequence[str]) -> list[tuple[float, str]]:
    if not categories:
        return [(tick, count(tick)) for tick in x.ticks(5) if tick == round(tick)]
    every = -(-len(categories) // _MOST_LABELS)
    return [(float(i), label) for i, label in enumerate(categories) if i % every == 0]


def _drawn(line: Line, x: Axis, y: Axis) -> list[Html]:
    points = thinned(line.points)
    few = len(points) <= 40
    corners = (f"{_UNITS * x.at(a):.0f} {_UNITS * (1 - y.at(b)):.0f}" for a, b in points)
    stretched = element(
        "svg",
        element("path", d="M" + "L".join(corners)),
        viewBox=f"0 0 {_UNITS} {_UNITS}",
        preserveAspectRatio="none",
    )
    bars = [rule(x.at(a), 1 - y.at(low), x.at(a), 1 - y.at(high)) for a, low, high in line.ranges]
    dots = [dot(x.at(a), 1 - y.at(b)) for a, b in points] if few else []
    return [element("g", stretched, bars, dots, class_=line.look)]


def thinned(points: Sequence[Point]) -> list[Point]:
    """As many points as a screen shows; of each group the first, lowest and highest: no spike is lost."""
    if len(points) <= _MOST_POINTS:
        return list(points)
    size = -(-3 * len(points) // _MOST_POINTS)
    kept: set[int] = {len(points) - 1}
    for start in range(0, len(points), size):
        group = range(start, min(start + size, len(points)))
        kept |= {
            start,
            min(group, key=lambda i: points[i][1]),
            max(group, key=lambda i: points[i][1]),
        }
    return [points[index] for index in sorted(kept)]


def columns_chart(
    bins: Sequence[tuple[float, float, float]],
    boundaries: Sequence[float],
    *,
    name: str,
    unit: str,
    across: str,
) -> Html:
    """A histogram with lines at boundaries.

    Args:
      bins: (low, high, height) each, low and high exclusive of each other.
      boundaries: where lines are, the labelled ends of buckets.
      name, unit, across: as in `line_chart`.
    """
    if not bins:
        return Html("")
    x = Axis(bins[0][0], max(bins[-1][1], *boundaries, bins[0][0] + 1.0))
    y = from_zero([height for _, _, height in bins], linear=True)
    marks = _grid(x, y, ())
    for low, high, height in bins:
        left, width, top = x.at(low), x.at(high) - x.at(low), y.at(height)
        box = {"x": place(left + 0.04 * width), "width": place(0.92 * width)}
        spoken = element("title", f"{_range(low, high)}: {count(height)}")
        bar = element("rect", spoken, y=place(1 - top), height=place(top), class_="column", **box)
        marks.append(bar)
    for bound in boundaries:
        marks.append(rule(x.at(bound), 0.0, x.at(bound), 1.0, "bound"))
    return element(
        "figure",
        element("figcaption", unit),
        element("svg", element("title", name), marks, role="img", aria_label=name),
        element("p", across, class_="across"),
        class_="chart",
    )


def _range(low: float, high: float) -> str:
    first, last = round(low + 0.5), round(high - 0.5)
    return count(first) if first >= last else f"{count(first)}–{count(last)}"


def interval_mark(
    axis: Axis,
    value: float,
    low: float,
    high: float,
    *,
    look: str,
    lines: Sequence[tuple[float, str]],
) -> Html:
    """A dot with the bar of its interval, as high as the table row that it is in.

    Args:
      axis: shared by the rows; what is outside ends in an arrow.
      value, low, high: the dot and the ends of the bar.
      look: class of both.
      lines: (value, class) of lines from top to bottom.
    """
    marks = [rule(axis.clipped(at), 0.0, axis.clipped(at), 1.0, look) for at, look in lines]
    bar = rule(axis.clipped(low), 0.5, axis.clipped(high), 0.5)
    arrows = [text("0", "50%", "‹", "start", dy="5")] if axis.at(low) < 0 else []
    arrows += [text("100%", "50%", "›", "end", dy="5")] if axis.at(high) > 1 else []
    centre = [dot(axis.at(value), 0.5, "4")] if 0 <= axis.at(value) <= 1 else []
    return element("svg", marks, element("g", bar, centre, arrows, class_=look), aria_hidden="true")


def scale(axis: Axis) -> Html:
    """The axis below such rows."""
    marks = [rule(0.0, 0.0, 1.0, 0.0, "rule")]
    for tick in axis.ticks(3):
        marks.append(text(place(axis.at(tick)), "16", _tick(tick), "middle"))
    return element("svg", marks, aria_hidden="true")


def _tick(value: float) -> str:
    return f"{value:,g}".replace("-", "−")


def rule(x1: float, y1: float, x2: float, y2: float, look: str = "") -> Html:
    """A straight line between two shares."""
    return element("line", x1=place(x1), y1=place(y1), x2=place(x2), y2=place(y2), class_=look)


def dot(x: float, y: float, radius: str = "2.6") -> Html:
    """A dot."""
    return element("circle", cx=place(x), cy=place(y), r=radius)


def text(x: str, y: str, words: str, anchor: str, **moved: str) -> Html:
    """Words at a place."""
    return element("text", join(words), x=x, y=y, text_anchor=anchor, **moved)


def place(share: float) -> str:
    """A share as SVG takes it."""
    return f"{100 * share:.2f}%"
