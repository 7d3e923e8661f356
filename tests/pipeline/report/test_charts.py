"""Figures: where things are drawn, what is left out, what is never left out."""

import math
import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from pipeline.report.as_html import blocks
from pipeline.report.axis import Axis, around, from_zero
from pipeline.report.charts import Line, columns_chart, interval_mark, line_chart, thinned
from pipeline.report.data import ReportData
from pipeline.report.training import loss_curve, training


def _curve(history: list[dict[str, Any]]) -> ET.Element:
    return ET.fromstring(str(blocks(loss_curve(history))))


def _texts(curve: ET.Element) -> list[str]:
    return [item.text or "" for item in curve.iter("text")]


def _share(given: str | None) -> float:
    assert given
    assert given.endswith("%")
    return float(given[:-1]) / 100


def _path(curve: ET.Element, look: str) -> list[tuple[float, ...]]:
    group = next(item for item in curve.iter("g") if item.get("class") == look)
    path = group.find("svg/path")
    assert path is not None
    return [tuple(map(float, place.split())) for place in re.split("[ML]", path.get("d") or "")[1:]]


def test_curve_maps_points_to_the_axes() -> None:
    curve = _curve(
        [
            {"step": 0, "train_loss": 4.0},
            {"step": 50, "train_loss": 3.0, "validation_loss": 2.0},
            {"step": 100, "train_loss": 2.0, "validation_loss": 1.0},
        ]
    )
    train, validation = _path(curve, "other"), _path(curve, "main")
    # One scale: the axis ends at 4.2, so a loss of 2 is at the same height on both lines.
    assert train == [(0, 10000 * 0.2 / 4.2 // 1), (5000, 2857), (10000, 5238)]
    assert validation == [(5000, 5238), (10000, 7619)]
    assert {"0", "1", "2", "3", "4", "20", "100"} <= set(_texts(curve))
    dots = [(_share(item.get("cx")), _share(item.get("cy"))) for item in curve.iter("circle")]
    assert dots[-1] == pytest.approx((1.0, 1 - 1 / 4.2), abs=1e-4)
    said = "".join(curve.itertext())
    assert "train, last 2.000" in said
    assert "validation, last 1.000" in said
    assert "masked loss, nats per token" in said
    assert "log scale" not in said


def test_curve_of_a_steep_fall_is_logarithmic() -> None:
    curve = _curve([{"step": 1, "train_loss": 3.0}, {"step": 1000, "train_loss": 0.003}])
    assert "masked loss, nats per token, log scale" in "".join(curve.itertext())
    assert {"0.01", "0.1", "1"} <= set(_texts(curve))


@pytest.mark.parametrize(
    "history",
    [
        [{"step": 0, "train_loss": 0.0}],
        [{"step": 5, "validation_loss": 2.5}],
        [{"step": 1, "train_loss": 1.0}, {"step": 2, "train_loss": 1.0, "validation_loss": 1.0}],
        [{"step": 1, "train_loss": -1.0}, {"step": 2, "train_loss": -3.0}],
        [{"step": 1, "train_loss": 1e9}, {"step": 2, "train_loss": 1e-9}],
    ],
)
def test_curves_that_are_odd_stay_inside_the_frame(history: list[dict[str, Any]]) -> None:
    curve = _curve(history)
    places = [item.get(axis) for item in curve.iter("circle") for axis in ("cx", "cy")]
    places += [item.get(axis) for item in curve.iter("line") for axis in ("x1", "x2", "y1", "y2")]
    assert all(0 <= _share(place) <= 1 for place in places)


def test_a_constant_learning_rate_has_no_chart() -> None:
    points = [{"step": step, "learning_rate": 0.1, "gradient_norm": 1.0} for step in (1, 2)]
    one = str(blocks(training(ReportData(name="n", updates=points))))
    assert "mean, last 1.000" in one
    assert "rate, last 0.1" not in one
    points.append({"step": 3, "learning_rate": 0.2})
    assert "rate, last 0.2000" in str(blocks(training(ReportData(name="n", updates=points))))


def test_thinning_keeps_ends_and_spikes() -> None:
    points = [(float(step), math.sin(step)) for step in range(50_000)]
    points[31_234] = (31_234.0, 99.0)
    points[31_300] = (31_300.0, -99.0)
    found = thinned(points)
    assert len(found) <= 400
    assert {points[0], points[-1], points[31_234], points[31_300]} <= set(found)
    assert found == sorted(found)
    assert thinned(points[:300]) == points[:300]


def test_categories_are_evenly_spaced_and_their_intervals_are_drawn() -> None:
    line = Line("candidate", "main", ((0.0, 2.0), (1.0, 1.0)), ((0.0, 1.5, 2.5),))
    text = line_chart([line], name="n", unit="u", across="a", categories=["1-4", "5-8"])
    chart = ET.fromstring(str(text))
    assert [_share(item.get("cx")) for item in chart.iter("circle")] == [0.25, 0.75]
    bars = [item for group in chart.iter("g") for item in group.iter("line")]
    assert [_share(item.get("x1")) for item in bars] == [0.25]
    assert _share(bars[0].get("y2")) < _share(bars[0].get("y1"))
    assert {"1-4", "5-8"} <= set(_texts(chart))


def test_a_histogram_has_a_column_for_each_bin_and_a_line_for_each_boundary() -> None:
    text = columns_chart(
        [(0.5, 1.5, 3.0), (1.5, 2.5, 6.0)], [1.0, 2.0], name="n", unit="u", across="a"
    )
    chart = ET.fromstring(str(text))
    columns = list(chart.iter("rect"))
    heights = [_share(item.get("height")) for item in columns]
    assert heights[1] == pytest.approx(2 * heights[0], abs=2e-4)
    tops = [_share(item.get("y")) + height for item, height in zip(columns, heights, strict=True)]
    assert tops == pytest.approx([1.0, 1.0], abs=2e-4)
    bounds = [item for item in chart.iter("line") if item.get("class") == "bound"]
    assert [_share(item.get("x1")) for item in bounds] == [0.25, 0.75]
    assert [item.findtext("title") for item in columns] == ["1: 3", "2: 6"]


def test_an_interval_beyond_the_axis_ends_in_an_arrow() -> None:
    axis = Axis(-1.0, 1.0)

    def drawn(value: float, low: float, high: float) -> tuple[list[str], int, list[float]]:
        mark = interval_mark(axis, value, low, high, look="main", lines=[(0.0, "zero")])
        found = ET.fromstring(str(mark))
        bar = next(item for group in found.iter("g") for item in group.iter("line"))
        ends = [_share(bar.get("x1")), _share(bar.get("x2"))]
        return _texts(found), len(list(found.iter("circle"))), ends

    assert drawn(0.0, -0.5, 0.5) == ([], 1, [0.25, 0.75])
    assert drawn(0.0, -3.0, 0.5) == (["‹"], 1, [0.0, 0.75])
    assert drawn(2.0, 1.5, 2.5) == (["›"], 0, [1.0, 1.0])


def test_axes() -> None:
    assert from_zero([2.0, 4.0]).low == 0.0
    assert from_zero([0.01, 4.0]).logarithmic
    assert not from_zero([0.01, 4.0], linear=True).logarithmic
    assert around([0.0]).low < 0 < around([0.0]).high
    assert Axis(-0.03, 0.05).ticks() == [-0.02, 0.0, 0.02, 0.04]
