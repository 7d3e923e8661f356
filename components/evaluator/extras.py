"""Metrics of one task, over all examples: of decoded text (seq2seq), of tags and spans (tagging).

They are functions of sums too, [G, M, C] for G jackknife buckets and M models, so that their intervals
are those of all other metrics.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from components.evaluator import tags, translation
from components.evaluator.exact import Array
from components.evaluator.metrics import (
    EXTRAS,
    SPAN_F1,
    TAG_MACRO_F1,
    Measurement,
    Measurements,
    SliceReport,
    interval,
    within,
)
from components.evaluator.slicing import OVERALL

_UPPER = dict.fromkeys(EXTRAS, 1.0) | {translation.BLEU: 100.0, translation.CHRF: 100.0}
_NO_SPANS = "no span was found: spans need tags that are all O, B-x or I-x"


@dataclasses.dataclass(frozen=True)
class Found:
    """What the pipeline collected.

    Attributes:
      decoded: [G, M, translation.SUMS], or nothing.
      problem: why nothing could be decoded.
      tags: (kind, name) -> [G, M, 3], see `tags`.
    """

    decoded: Array | None = None
    problem: str = ""
    tags: Mapping[tuple[str, str], Array] = dataclasses.field(default_factory=dict)

    def kind(self, kind: str) -> dict[str, Array]:
        """name -> [G, M, 3]."""
        return {name: found for (each, name), found in sorted(self.tags.items()) if each == kind}


def added(report: SliceReport, found: Found, confidence: float) -> SliceReport:
    """The report on all examples with the task's metrics; one on a slice as it is."""
    measured = _measured(found, confidence) if report.key == OVERALL else []
    if not measured:
        return report
    ours, theirs, diff = measured
    return dataclasses.replace(
        report,
        candidate={**report.candidate, **ours},
        baseline={**report.baseline, **theirs} if report.baseline else report.baseline,
        diff={**report.diff, **diff} if report.diff else report.diff,
    )


def _measured(found: Found, confidence: float) -> list[dict[str, Measurement]]:
    """Of the candidate, the baseline, and their difference; nothing where nothing was collected."""
    if found.problem:
        nothing = {n: Measurement(math.nan, absent=found.problem) for n in translation.METRICS}
        return [nothing] * 3
    if found.decoded is not None:
        return measurements(translation.METRICS, translation.scores, found.decoded, confidence)
    parts: list[dict[str, Measurement]] = [{}, {}, {}]
    classes, spans = found.kind(tags.CLASS), found.kind(tags.SPAN)
    if classes:
        parts = _with(parts, TAG_MACRO_F1, tags.macro_f1, list(classes.values()), confidence)
    if spans:
        stacked = list(spans.values())
        parts = _with(parts, SPAN_F1, lambda sums: tags.f1(sums.sum(-2)), stacked, confidence)
    elif classes:
        nothing = {SPAN_F1: Measurement(math.nan, absent=_NO_SPANS)}
        parts = [{**part, **nothing} for part in parts]
    return parts if classes or spans else []


def _with(
    parts: Sequence[Measurements],
    name: str,
    score: Callable[[Array], Array],
    counts: Sequence[Array],
    confidence: float,
) -> list[dict[str, Measurement]]:
    stacked = np.stack(counts, axis=2)  # [G, M, N, 3]
    more = measurements((name,), lambda sums: score(sums)[..., None], stacked, confidence)
    return [{**part, **each} for part, each in zip(parts, more, strict=True)]


def measurements(
    names: Sequence[str], score: Callable[[Array], Array], sums: Array, confidence: float
) -> list[dict[str, Measurement]]:
    """Measure M models, one or two.

    Args:
      names: K metrics.
      score: sums [..., *C] -> [..., K].
      sums: [G, M, *C].
      confidence: of the intervals.

    Returns:
      Of the candidate, the baseline and the difference; the latter two are empty without a baseline.
    """
    groups = sums.reshape(len(sums), -1).any(axis=1)
    others = (1.0 - np.eye(len(sums)))[groups]
    whole, without = score(sums.sum(axis=0)), score(np.tensordot(others, sums, axes=1))
    models: list[dict[str, Measurement]] = [{}, {}, {}]
    for place, name in enumerate(names):
        for model in range(sums.shape[1]):
            low, high = interval(whole[model, place], without[:, model, place], confidence)
            bounds = within(low, high, 0.0, _UPPER[name])
            models[model][name] = _measurement(whole[model, place], *bounds)
        if sums.shape[1] > 1:
            change = whole[0, place] - whole[1, place]
            changes = without[:, 0, place] - without[:, 1, place]
            bounds = within(*interval(change, changes, confidence), -_UPPER[name], _UPPER[name])
            models[2][name] = _measurement(change, *bounds)
    return models


def _measurement(value: float, low: float, high: float) -> Measurement:
    absent = "" if math.isfinite(value) else "no example to measure it on"
    return Measurement(float(value), float(low), float(high), absent)


def tables(found: Found) -> dict[str, Any]:
    """`decoded.json` and `tags.json`, by name; those that there is something to say in."""
    told: dict[str, Any] = {}
    if found.problem or found.decoded is not None:
        examples = 0 if found.decoded is None else int(found.decoded[:, 0, -1].sum())
        told["decoded"] = {
            "examples": examples,
            "problem": found.problem,
            "signatures": translation.signatures(),
        }
    if found.tags:
        told["tags"] = {
            kind: tags.scores({n: each[:, 0].sum(axis=0) for n, each in found.kind(kind).items()})
            for kind in (tags.CLASS, tags.SPAN)
        }
    return told
