"""`metrics.json` and `verdict.json`: what reports and terminal tables read.

metrics.json: {"confidence": 0.95, "models": ["candidate", "baseline"?], "slices": [slice, ...]},
overall first. A slice is {"slice": label, "column", "value", "gated", "candidate": {metric: value},
"baseline": {...} or null, "diff": {...} or null, "intervals": {"candidate": {metric: [low, high]},
"baseline": ..., "diff": ...}, "absent": {"candidate": {metric: reason}, ...}}. A metric without a
value is in `absent`, not among the values, so every number is finite.
"""

import json
import os
from collections.abc import Sequence

import tensorflow as tf

from components.evaluator.metrics import Measurements, SliceReport
from components.evaluator.validation import BASELINE_USED, Verdict, is_gated

METRICS_FILE = "metrics.json"
VERDICT_FILE = "verdict.json"


def write_json(
    output: str,
    reports: Sequence[SliceReport],
    verdict: Verdict,
    *,
    confidence: float,
    min_tokens: int,
) -> None:
    """Write both files into the folder `output`."""
    compared = bool(reports[0].baseline)
    document = {
        "confidence": confidence,
        "models": ["candidate", "baseline"] if compared else ["candidate"],
        "slices": [_slice(report, is_gated(report, min_tokens)) for report in reports],
    }
    _write(os.path.join(output, METRICS_FILE), document)
    _write(os.path.join(output, VERDICT_FILE), verdict_as_dict(verdict))


def verdict_as_dict(verdict: Verdict) -> dict[str, object]:
    """Return the verdict as it is written to `verdict.json`."""
    return {
        "blessed": verdict.blessed,
        "reasons": list(verdict.reasons),
        "notes": list(verdict.notes),
        "baseline": verdict.baseline.status == BASELINE_USED,
        "baseline_status": verdict.baseline.status,
        "baseline_problem": verdict.baseline.problem,
    }


def _slice(report: SliceReport, gated: bool) -> dict[str, object]:
    models = {"candidate": report.candidate, "baseline": report.baseline, "diff": report.diff}
    return {
        "slice": report.key.label,
        "column": report.key.column,
        "value": report.key.value,
        "gated": gated,
        **{name: _values(measured) if measured else None for name, measured in models.items()},
        "intervals": {name: _intervals(measured) for name, measured in models.items() if measured},
        "absent": {name: _absent(measured) for name, measured in models.items() if measured},
    }


def _values(measured: Measurements) -> dict[str, float]:
    return {name: item.value for name, item in measured.items() if not item.absent}


def _intervals(measured: Measurements) -> dict[str, list[float]]:
    return {name: [m.low, m.high] for name, m in measured.items() if m.has_interval}


def _absent(measured: Measurements) -> dict[str, str]:
    return {name: item.absent for name, item in measured.items() if item.absent}


def _write(path: str, document: object) -> None:
    with tf.io.gfile.GFile(path, "w") as file:
        json.dump(document, file, indent=1, allow_nan=False, ensure_ascii=False)
        file.write("\n")
