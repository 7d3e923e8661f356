"""The training curve with train and validation on one scale, and what went on below it."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.report.blocks import Block, Drawn, Fold, Row, Text, bullets, row, soft, table
from pipeline.report.charts import Line, Point, line_chart
from pipeline.report.data import ReportData
from pipeline.report.formats import count, is_finite, number, percent

Json = Mapping[str, Any]

_LOSSES = (("train_loss", "train", "other"), ("validation_loss", "validation", "main"))
_NORMS = (("gradient_norm", "mean", "main"), ("largest_norm", "largest", "other"))
_RATES = (("learning_rate", "rate", "main"),)
_ROWS = 12
_SKIPPED_SHOWN = 10


def training(data: ReportData) -> tuple[Block, ...]:
    """All of it."""
    found = loss_curve(data.history)
    found += soft(data.start) if found else ()
    found += soft(_speed(data.history)) if found else ()
    return found + _updates(data) + _skipped(data.skipped)


def loss_curve(history: Sequence[Json]) -> tuple[Block, ...]:
    """Train and validation loss over steps; nothing where there is nothing to draw.

    Args:
      history: points with "step" and any of "train_loss" and "validation_loss" (masked per-token
        loss in nats); what is absent or not finite is left out.
    """
    name = "Masked loss per token over training steps"
    return _curve(history, _LOSSES, name, "masked loss, nats per token")


def _curve(
    points: Sequence[Json],
    lines: Sequence[tuple[str, str, str]],
    name: str,
    unit: str,
    *,
    linear: bool = False,
) -> tuple[Block, ...]:
    made = [Line(label, look, _points(points, key)) for key, label, look in lines]
    made = [line for line in made if line.points]
    if not made:
        return ()
    drawing = line_chart(made, name=name, unit=unit, across="step", linear=linear)
    return (Drawn(drawing, table(["step", *(line.label for line in made)], _rows(made))),)


def _points(points: Sequence[Json], key: str) -> tuple[Point, ...]:
    return tuple(
        (float(point["step"]), float(point[key]))
        for point in points
        if is_finite(point.get("step")) and is_finite(point.get(key))
    )


def _rows(lines: Sequence[Line]) -> list[Row]:
    """As many points as fit, the last one among them; with validation, where it was measured."""
    known = [dict(line.points) for line in lines]
    steps = sorted(set(known[-1]) | {max(max(values) for values in known)})
    every = -(-len(steps) // _ROWS)
    chosen = steps[::-1][::every][::-1]
    return [row([count(step), *(number(v.get(step)) for v in known)]) for step in chosen]


def _speed(history: Sequence[Json]) -> str:
    given = [point.get("useful_tokens_per_second") for point in history]
    speeds = [speed for speed in given if is_finite(speed)]
    if not speeds:
        return ""
    text = f"{count(history[-1].get('step'))} steps, {count(round(statistics.median(speeds)))} "
    return f"{text}useful tokens per second (median)"


def _updates(data: ReportData) -> tuple[Block, ...]:
    """What tells an unstable or badly scheduled training from a good one; folded away."""
    norms = _curve(
        data.updates, _NORMS, "Norm of the gradient over training steps", "norm of the gradient"
    )
    curves = norms + _rate_curve(data.updates)
    if not curves:
        return ()
    return (Fold("Gradient norm and learning rate", curves + soft(_clipped(data))),)


def _rate_curve(updates: Sequence[Json]) -> tuple[Block, ...]:
    """The learning rate over steps; nothing where it is always the same."""
    if len({rate for _, rate in _points(updates, "learning_rate")}) < 2:
        return ()
    name = "Learning rate over training steps"
    return _curve(updates, _RATES, name, "learning rate", linear=True)


def _clipped(data: ReportData) -> str:
    limit = (data.config.get("train") or {}).get("clip_norm")
    clipped = [each["clipped"] for each in data.updates if is_finite(each.get("clipped"))]
    if not clipped or not is_finite(limit) or not limit:
        return ""
    share = percent(sum(clipped) / sum(update["updates"] for update in data.updates))
    return f"{share} of the updates were clipped to {limit:g}."


def _skipped(batches: Sequence[Json]) -> tuple[Block, ...]:
    if not batches:
        return ()
    shown = [
        f"step {count(batch.get('step'))}: {batch.get('reason', '')}; "
        f"{count(batch.get('rows'))} rows: " + ", ".join(map(str, batch.get("first", ())))
        for batch in batches[:_SKIPPED_SHOWN]
    ]
    more = len(batches) - len(shown)
    shown += [f"… and {more:,} more in history.json"] if more else []
    return (Text(f"Bad batches skipped: {len(batches):,}", "warning"), *bullets(shown))
