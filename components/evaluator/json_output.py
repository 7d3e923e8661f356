"""`metrics.json`, `verdict.json`, `worst.json`, `samples.json`: what reports and terminal tables read.

metrics.json: {"confidence": 0.95, "models": ["candidate", "baseline"?], "slices": [slice, ...]},
overall first. A slice is {"slice": label, "column", "value", "gated": whether it has enough to be
judged, "too_small": what it lacks or "", "candidate": {metric: value}, "baseline": {...} or null,
"diff": {...} or null, "intervals": {"candidate": {metric: [low, high]}, "baseline": ..., "diff": ...},
"absent": {"candidate": {metric: reason}, ...}}. A metric without a value is in `absent`, not among the
values, so every number is finite.

verdict.json: {"blessed", "verdict": name, "reasons": [text], "notes": [text], "baseline": whether one
was compared, "baseline_status", "baseline_problem", "findings": [{"slice", "metric", "kind": finite,
min, max, max_increase or max_decrease, "value", "low", "high", "bound": numbers or null, "passed",
"verdict": name, "text"}]}. The names are those of `findings.Outcome`.

worst.json: {"min_tokens", "examples": [...], "examples_by_sum": [...], "tokens": [...]}, worst first.
An example is {"key", "loss": nats per token, "loss_sum", "tokens", "source", "text"}, `examples` are
ranked by loss per token, those of at least min_tokens tokens; a token is {"token", "loss", "loss_sum",
"weight", "count"}, ranked by loss_sum. samples.json: {"samples": [{"key", "source", "text", "tokens":
[str], "losses": nats, "weights", "generated": str or null}]}, with "prompt" where one was continued.

decoded.json, of seq2seq: {"examples": decoded, "problem": why none was, "signatures": {metric: sacreBLEU's}}.
tags.json, of tagging: {"tokens": scores, "spans": scores, or null where the tags are not BIO}; scores are
{"tags": [{"tag", "precision", "recall", "f1", "right", "predicted", "actual"}], "micro": {...}, "macro_f1"}.
"""

import json
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from components.evaluator import ranking
from components.evaluator.findings import Finding
from components.evaluator.metrics import Measurements, SliceReport
from components.evaluator.thresholds import FINITE_LOSS
from components.evaluator.validation import BASELINE_USED, Verdict, why_not_judged

METRICS_FILE = "metrics.json"
VERDICT_FILE = "verdict.json"
WORST_FILE = "worst.json"
SAMPLES_FILE = "samples.json"


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
        "slices": [
            _slice(report, why_not_judged(report, min_tokens, verdict)) for report in reports
        ],
    }
    _write(os.path.join(output, METRICS_FILE), document)
    _write(os.path.join(output, VERDICT_FILE), verdict_as_dict(verdict))


def write_tables(
    output: str,
    tables: Mapping[str, Sequence[Mapping[str, Any]]],
    samples: Sequence[Mapping[str, Any]],
    min_tokens: int,
) -> None:
    """Write `worst.json` and `samples.json` into the folder `output`."""
    worst = {
        "min_tokens": min_tokens,
        "examples": tables.get(ranking.BY_LOSS, []),
        "examples_by_sum": tables.get(ranking.BY_LOSS_SUM, []),
        "tokens": tables.get(ranking.TOKENS, []),
    }
    _write(os.path.join(output, WORST_FILE), worst)
    _write(os.path.join(output, SAMPLES_FILE), {"samples": list(samples)})


def write_of_task(output: str, tables: Mapping[str, Any]) -> None:
    """Write `decoded.json` or `tags.json`, what the task has, into the folder `output`."""
    for name, table in tables.items():
        _write(os.path.join(output, f"{name}.json"), table)


def verdict_as_dict(verdict: Verdict) -> dict[str, object]:
    """Return the verdict as it is written to `verdict.json`."""
    return {
        "blessed": verdict.blessed,
        "reasons": list(verdict.reasons),
        "notes": list(verdict.notes),
        "baseline": verdict.baseline.status == BASELINE_USED,
        "baseline_status": verdict.baseline.status,
        "baseline_problem": verdict.baseline.problem,
        "verdict": verdict.outcome.value,
        "findings": [_finding(finding) for finding in verdict.findings],
    }


def _finding(finding: Finding) -> dict[str, object]:
    numbers = {
        "value": finding.value,
        "low": finding.low,
        "high": finding.high,
        "bound": finding.threshold.bound,
    }
    return {
        "slice": finding.key.label,
        "metric": finding.threshold.metric,
        "kind": "finite" if finding.threshold == FINITE_LOSS else finding.threshold.kind,
        **{name: number if math.isfinite(number) else None for name, number in numbers.items()},
        "passed": finding.passed,
        "verdict": finding.outcome.value,
        "text": finding.text,
    }


def _slice(report: SliceReport, too_small: str) -> dict[str, object]:
    models = {"candidate": report.candidate, "baseline": report.baseline, "diff": report.diff}
    return {
        "slice": report.key.label,
        "column": report.key.column,
        "value": report.key.value,
        "gated": not too_small,
        "too_small": too_small,
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
