"""What a killed run left: executions that look as if they ran still, and half-written folders.

TFX writes down that an execution runs before it starts and that it ended afterwards. Under the
pipeline's lock nobody else runs, so what is said to run belongs to a dead process.
"""

import glob
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ml_metadata.proto import metadata_store_pb2

from pipeline.store import conditions
from pipeline.store.connection import Store

_RESUMED = "state"  # a component's folder that outlives a kill: see components.trainer.inputs
_STAGING = ".incoming"  # see components.pusher.versions
_RUN_ID = re.compile(r"\d{8}-\d{6}(-\d+)?")


@dataclass(frozen=True)
class Ended:
    """A run that was killed: TFX's id of it, and the nodes that were running."""

    tfx_run: str
    nodes: tuple[str, ...]


def clean(store: Store, artifacts: str, push_to: str) -> list[Ended]:
    """Mark what dead processes left as failed, and remove the folders that they were writing.

    The caller holds the pipeline's lock. What a rerun goes on from, and what an artifact lies in,
    stays. Being killed here does no harm: an execution is marked after its folders are gone.

    Args:
      store: of the pipeline.
      artifacts: folder of its artifacts, one folder a node in it.
      push_to: folder of the pushed versions.

    Returns:
      The runs that were ended, oldest first; none, usually.
    """
    if not store.exists():
        return []
    with store.opened() as rows:
        context = rows.get_context_by_type_and_name("pipeline", store.pipeline)
        if context is None:
            return []
        found = conditions.find(
            lambda options: rows.get_executions_by_context(context.id, options),
            conditions.RUNNING,
        )
        ended: dict[str, list[str]] = {}
        for execution in found:
            run, node = _run_and_node(rows, execution.id)
            for folder in _written(os.path.join(artifacts, node), execution.id):
                if not _holds_an_artifact(rows, folder):
                    shutil.rmtree(folder)
            if node == "Pusher":
                shutil.rmtree(os.path.join(push_to, _STAGING), ignore_errors=True)
            execution.last_known_state = metadata_store_pb2.Execution.FAILED
            ended.setdefault(run, []).append(node)
        if found:
            rows.put_executions(found)
    return [Ended(run, tuple(nodes)) for run, nodes in ended.items()]


def told(ended: Ended, runs: str) -> str:
    """One line for the user.

    Args:
      ended: what `clean` returned.
      runs: folder of the runs' own folders, where a run that ended has one without a record.
    """
    names = os.listdir(runs) if os.path.isdir(runs) else []
    # TFX gives its id a moment after the run's folder was made.
    before = [
        name
        for name in names
        if _RUN_ID.fullmatch(name)
        and name <= ended.tfx_run
        and not os.path.exists(os.path.join(runs, name, "run.json"))
    ]
    run = max(before, default=ended.tfx_run)
    return f"cleaned up after run {run}, which ended in {', '.join(ended.nodes)}"


def _run_and_node(rows: Any, execution: int) -> tuple[str, str]:
    contexts = {each.type: each.name for each in rows.get_contexts_by_execution(execution)}
    return contexts.get("pipeline_run", ""), contexts.get("node", "").rsplit(".", 1)[-1]


def _written(node: str, execution: int) -> Iterator[str]:
    """The folders of one execution of a node, and what Beam was writing beside them."""
    for output in glob.glob(os.path.join(glob.escape(node), "*")):
        if os.path.basename(output) != _RESUMED:
            yield from glob.glob(os.path.join(glob.escape(output), "beam-temp-*"))
            yield os.path.join(output, str(execution))
    system = os.path.join(node, ".system")
    yield os.path.join(system, "executor_execution", str(execution))
    yield from glob.glob(os.path.join(glob.escape(system), "stateful_working_dir", "*"))


def _holds_an_artifact(rows: Any, folder: str) -> bool:
    """Also true of a folder that is not there: there is nothing to remove."""
    if not os.path.isdir(folder):
        return True
    live = metadata_store_pb2.Artifact.LIVE
    return any(each.state == live for each in rows.get_artifacts_by_uri(folder))
