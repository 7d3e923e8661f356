"""How a run has ended, told to whoever ordered it: `<folder>/<run key>/outcome.json`.

A run in the cloud has no process here that could tell. The Pusher is its last step, so what it has done is
how the run ended; a run that fails before has no such file. It is written after the push, which the note in
`run_keys` vouches for if this is never written.
"""

import json
import os
from typing import Any

from components import storage

FILE = "outcome.json"


def path(folder: str, key: str) -> str:
    """Where the outcome of the run with this key is."""
    return os.path.join(folder, key, FILE)


def write(
    folder: str, key: str, *, version: str = "", reason: str = "", evaluation: str = ""
) -> None:
    """Tell how a run has ended.

    Args:
      folder: of all runs.
      key: of the run.
      version: the pushed version's number; "" where there is none.
      reason: why there is none.
      evaluation: folder of the Evaluator's output, for metrics and the verdict's first reason; "": none.
    """
    facts = {
        "key": key,
        "state": "pushed" if version else "refused",
        "reason": "" if version else _with_verdict(reason, evaluation),
        "version": version,
        "metrics": _metrics(evaluation),
    }
    text = json.dumps(facts, indent=1, sort_keys=True) + "\n"
    storage.write_whole(path(folder, key), lambda file: file.write(text.encode()))


def _with_verdict(reason: str, evaluation: str) -> str:
    verdict = _read(evaluation, "verdict.json")
    reasons = verdict.get("reasons") or []
    return reason if verdict.get("blessed", True) or not reasons else f"{reason}: {reasons[0]}"


def _metrics(evaluation: str) -> dict[str, float]:
    """Of the whole eval split; {} where nobody wrote them."""
    slices = _read(evaluation, "metrics.json").get("slices") or [{}]
    found: dict[str, float] = slices[0].get("candidate") or {}
    return found


def _read(folder: str, name: str) -> dict[str, Any]:
    try:
        with storage.opened(os.path.join(folder, name)) as file:
            found: dict[str, Any] = json.load(file)
    except FileNotFoundError:
        return {}
    return found
