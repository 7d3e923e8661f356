"""The training curve as inline SVG; colours come from the page's style."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.report_html import Html, count, element, is_finite, number

_WIDTH, _HEIGHT = 860, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 160, 14, 46
_LOG_FROM = 20.0  # ratio of largest to smallest loss from which a linear axis hides the end
_LABEL_GAP = 16
_LOSSES = (("train_loss", "train"), ("validation_loss", "validation"))
_NORMS = (("gradient_norm", "mean"), ("largest_norm", "largest"))
_RATES = (("learning_rate", "rate"),)
_COLOURS = ("train", "validation")  # of the first and the second line

Point = tuple[float, float]


@dataclass(frozen=True)
class Axis:
    """Maps values to pixels, linearly or by their logarithm, and says where to put ticks."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def at(self, value: float) -> float:
        """The pixel of a value."""
        low, high, here = (math.log(v) if self.logarithmic else v for v in self._span(value))
        return self.start + (self.end - self.start) * (here - low) / (high - low)

    def _span(self, value: float) -> tuple[float, float, float]:
        return self.low, self.high, value

    @property
    def ticks(self) -> list[float]:
        """Round values inside the axis, five or so."""
        return _log_ticks(self.low, self.high) if self.logarithmic else _ticks(self.low, self.high)


def training_curve(history: Sequence[Mapping[str, Any]]) -> Html:
    """Train and validation loss over steps; empty when there is nothing to draw.

    Args:
      history: points with "step" and any of "train_loss" and "validation_loss" (masked per-token
        loss in nats); what is absent or not finite is left out.
    """
    name = "Masked loss per token over training steps"
    return _chart(_series(history, _LOSSES), name, "masked loss (nats per token{scale})")


def gradient_norm_curve(updates: Sequence[Mapping[str, Any]]) -> Html:
    """Mean and largest norm of the gradient, before it was clipped, over steps.

    Args:
      updates: of `curves.thinned`.
    """
    name = "Norm of the gradient over training steps"
    return _chart(_series(updates, _NORMS), name, "norm of the gradient{scale}")


def learning_rate_curve(updates: Sequence[Mapping[str, Any]]) -> Html:
    """The learning rate over steps; empty where it is always the same."""
    series = _series(updates, _RATES)
    if len({rate for _, rate in series["rate"]}) < 2:
        return Html("")
    return _chart(series, "Learning rate over training steps", "learning rate", linear=True)


def _series(
    points: Sequence[Mapping[str, Any]], lines: Sequence[tuple[str, str]]
) -> dict[str, list[Point]]:
    """The points of each line, by its label; of what is absent or not finite there is none."""
    return {
        label: [
            (float(point["step"]), float(point[key]))
            for point in points
            if is_finite(point.get("step")) and is_finite(point.get(key))
        ]
        for key, label in lines
    }


def _chart(
    series: Mapping[str, list[Point]], name: str, title: str, *, linear: bool = False
) -> Html:
    """Lines over steps. `title`: of the y axis, with `{scale}` where that is said."""
    points = [point for line in series.values() for point in line]
    if not points:
        return Html("")
    x = _x_axis([step for step, _ in points])
    y = _y_axis([value for _, value in points], linear=linear)
    colours = dict(zip(series, _COLOURS, strict=False))
    lines = [_line(line, colours[label], x, y) for label, line in series.items() if line]
    ends = {label: line[-1] for label, line in series.items() if line}
    return element(
        "svg",
        element("title", name),
        _grid(x, y, title),
        lines,
        _labels(ends, colours, y),
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_label=name,
    )


def _x_axis(steps: Sequence[float]) -> Axis:
    high = max(steps)
    return Axis(0.0, high if high > 0 else 1.0, _LEFT, _WIDTH - _RIGHT)


def _y_axis(values: Sequence[float], *, linear: bool) -> Axis:
    low, high = min(values), max(values)
    if not linear and low > 0 and high / low > _LOG_FROM:
        return Axis(low / 1.15, high * 1.15, _HEIGHT - _BOTTOM, _TOP, logarithmic=True)
    low, high = min(low, 0.0), max(high, 0.0)
    return Axis(low, (high + 0.05 * (high - low)) or 1.0, _HEIGHT - _BOTTOM, _TOP)


def _grid(x: Axis, y: Axis, title: str) -> list[Html]:
    marks = [_rule(x.start, y.at(tick), x.end, y.at(tick)) for tick in y.ticks]
    marks.append(_rule(x.start, y.start, x.end, y.start))
    marks += [_text(x.start - 8, y.at(tick) + 4, f"{tick:g}", "end") for tick in y.ticks]
    marks += [_rule(x.at(tick), y.start, x.at(tick), y.start + 5) for tick in x.ticks]
    marks += [_text(x.at(tick), y.start + 20, count(tick), "middle") for tick in x.ticks]
    middle = (y.start + y.end) / 2
    scale = ", log scale" if y.logarithmic else ""
    written = _text(0, 0, title.format(scale=scale), "middle")
    marks.append(element("g", written, transform=f"translate(14 {middle:.1f}) rotate(-90)"))
    marks.append(_text((x.start + x.end) / 2, _HEIGHT - 6, "step", "middle"))
    return marks


def _line(points: Sequence[Point], colour: str, x: Axis, y: Axis) -> Html:
    places = [(f"{x.at(step):.1f}", f"{y.at(loss):.1f}") for step, loss in points]
    path = "M" + "L".join(f"{across} {down}" for across, down in places)
    few = len(places) <= 40
    dots = [element("circle", cx=a, cy=d, r="2.6") for a, d in places if few]
    return element("g", element("path", d=path), dots, class_=f"line {colour}")


def _labels(ends: Mapping[str, Point], colours: Mapping[str, str], y: Axis) -> list[Html]:
    """Each line's name and last value beside its end, moved apart where they would overlap."""
    marks: list[Html] = []
    lowest = -math.inf
    ordered = sorted(ends.items(), key=lambda item: y.at(item[1][1]))
    room = y.start - _LABEL_GAP * (len(ordered) - 1)
    for index, (label, (_, loss)) in enumerate(ordered):
        down = max(min(y.at(loss), room + _LABEL_GAP * index) + 4, lowest + _LABEL_GAP)
        lowest = down
        text = f"{label} {number(loss)}"
        colour = f"label {colours[label]}"
        marks.append(_text(_WIDTH - _RIGHT + 8, down, text, "start", colour))
    return marks


def _rule(x1: float, y1: float, x2: float, y2: float) -> Html:
    ends = {"x1": x1, "y1": y1, "x2": x2, "y2": y2}
    places = {name: f"{value:.1f}" for name, value in ends.items()}
    return element("line", class_="rule", **places)


def _text(x: float, y: float, text: str, anchor: str, class_: str = "") -> Html:
    where = {"x": f"{x:.1f}", "y": f"{y:.1f}", "text_anchor": anchor, "class_": class_}
    return element("text", text, **where)


def _ticks(low: float, high: float) -> list[float]:
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [float(f"{index * step:.12g}") for index in range(first, last + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """1, 2, 5 of each power of ten, or the powers alone where that gets too dense."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1, 2, 5) if math.log10(high / low) <= 3.5 else (1,)
    ticks = [float(f"{factor}e{power}") for power in decades for factor in factors]
    return [tick for tick in ticks if low <= tick <= high]
