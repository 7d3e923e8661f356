"""What a report shows of a run beyond the terminal: lineage, worst, samples, tags, decoding, drift."""

import dataclasses
import json
import os
import re
from collections.abc import Mapping
from typing import Any

from components import folders
from pipeline import retention
from pipeline.store import lineage
from pipeline.store.connection import Store

_HASHED = 64 * 2**20  # bytes of an artifact up to which its content is hashed
_FILES = {
    "worst": "worst.json",
    "samples": "samples.json",
    "tags": "tags.json",
    "decoded": "decoded.json",
}

_START = 1000  # characters
_TFX_RUN = re.compile(
    r'^ "tfx_run": "([^"\\\\]*)"', re.MULTILINE
)  # of the record itself, as `run` writes it

Outputs = Mapping[str, Mapping[str, str]]


def details(outputs: Outputs, kept: Store, tfx_run: str, pipeline_folder: str) -> dict[str, Any]:
    """For the run's record; a file that no component wrote is {}.

    Args:
      outputs: node -> output -> folder.
      kept: the metadata store.
      tfx_run: TFX's id of the run.
      pipeline_folder: what places in the lineage are relative to, where they are below it.
    """
    folders = [folder for each in outputs.values() for folder in each.values()]
    found = {name: _first(folders, file) for name, file in _FILES.items()}
    # The span before has such a file too.
    found["drift"] = _first([*outputs.get("SpanCheck", {}).values()], "span_check.json")
    return found | {"lineage": _lineage(kept, tfx_run, pipeline_folder)}


def _first(folders: list[str], name: str) -> Any:
    for folder in folders:
        path = os.path.join(folder, name)
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                return json.load(file)
    return {}


def _lineage(kept: Store, tfx_run: str, pipeline_folder: str) -> list[dict[str, Any]]:
    """The nodes that made something, with what they read; what is of another run says of which."""
    ran = [
        each for each in lineage.executions(kept, tfx_run) if each.outputs
    ]  # others look things up
    here = {made.id for each in ran for made in each.outputs}
    others = {made.run for each in ran for made in (*each.inputs, *each.outputs)} - {tfx_run}
    names = _our_names(others, pipeline_folder)
    return [
        {
            "name": each.node,
            "execution": each.execution,
            "cached": each.cached,
            "run": names.get(each.outputs[0].run, "") if each.cached else "",
            "started": each.started,
            "ended": each.ended,
            "inputs": [
                {"name": made.name, "id": made.id, "run": _run(made, here, names)}
                for made in each.inputs
            ],
            "outputs": [_output(made, pipeline_folder) for made in each.outputs],
        }
        for each in ran
    ]


def _run(made: lineage.Made, here: set[int], names: Mapping[str, str]) -> str:
    return "" if made.id in here else names.get(made.run, "")


def _our_names(tfx_runs: set[str], pipeline_folder: str) -> dict[str, str]:
    """TFX's ids of runs -> ours; those of runs that left no record stay as they are."""
    pruned = {each.get("tfx_run"): each["run"] for each in retention.history(pipeline_folder)}
    names = {run: pruned.get(run, run) for run in tfx_runs}
    left = tfx_runs - pruned.keys()
    folder = os.path.join(pipeline_folder, "runs")
    for run in sorted(os.listdir(folder) if os.path.isdir(folder) else [], reverse=True):
        path = os.path.join(folder, run, "run.json")
        if left and os.path.exists(path):
            found = _tfx_run(path)
            if found in left:
                names[found] = run
                left.remove(found)
    return names


def _tfx_run(path: str) -> str:
    """TFX's id of a run, from its record, which has it near its start and may be large."""
    with open(path, encoding="utf-8") as file:
        start = file.read(_START)
        if found := _TFX_RUN.search(start):
            return found[1]
        return str(json.loads(start + file.read()).get("tfx_run", ""))


def _output(made: lineage.Made, pipeline_folder: str) -> dict[str, Any]:
    known = dataclasses.asdict(made)
    del known["run"]
    known["type"] = made.type.removeprefix("components.")
    known["hash"] = made.hash or _content_hash(made.uri)
    known["uri"] = below(made.uri, pipeline_folder)
    return known


def below(path: str, folder: str) -> str:
    """The path relative to the folder where it is inside, so that both can be moved together."""
    relative = os.path.relpath(path, folder)
    return path if relative.startswith("..") else relative


def _content_hash(folder: str) -> str:
    """Of all files of a folder; none where it is so large that it would take long."""
    total, files = 0, 0
    for where, _, names in os.walk(folder):
        files += len(names)
        total += sum(os.path.getsize(os.path.join(where, name)) for name in names)
        if total > _HASHED:
            return ""
    return folders.digest(folder) if files else ""
