"""What a task is given: values and artifacts, from constants, its dag, or the tasks before it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.emulator.artifact_store import Artifact
from pipeline.emulator.placeholders import filled_by_job
from pipeline.emulator.specification import Component, Json, Task

SUCCEEDED, CACHED, FAILED = "SUCCEEDED", "SKIPPED", "FAILED"  # the service's own names
NOT_TRIGGERED, CANCELLED, RUNNING = "NOT_TRIGGERED", "CANCELLED", "RUNNING"


@dataclass(frozen=True)
class Values:
    """Parameters and artifacts by name: what goes into a task, and what comes out of it."""

    parameters: Mapping[str, Any] = field(default_factory=dict)
    artifacts: Mapping[str, Sequence[Artifact]] = field(default_factory=dict)


@dataclass(frozen=True)
class TaskRun:
    """How a task went.

    Attributes:
      state: one of the service's names; SKIPPED: its outputs came from the cache.
      reason: why it failed, or was not triggered.
      bad_input: what it failed of is the user's data or configuration.
    """

    name: str
    component: str
    state: str
    seconds: float = 0.0
    reason: str = ""
    bad_input: bool = False
    outputs: Values = field(default_factory=Values)

    @property
    def went_well(self) -> bool:
        """Tasks after it may start."""
        return self.state in (SUCCEEDED, CACHED)


class TaskError(Exception):
    """A task cannot go on; the message is the reason that is told."""

    def __init__(self, reason: str, *, bad_input: bool = False) -> None:
        super().__init__(reason)
        self.bad_input = bad_input


def inputs_of(
    task: Task,
    component: Component,
    given: Values,
    runs: Mapping[str, TaskRun],
    job: Mapping[str, str],
) -> Values:
    """What the task is given.

    Args:
      task: of a dag.
      component: that it runs.
      given: the inputs of the dag.
      runs: the dag's tasks before it.
      job: facts that placeholders in values may ask for.

    Raises:
      TaskError: a required parameter has no value.
    """
    parameters = {}
    for name, declared in component.parameters.items():
        value = _parameter(task.parameters.get(name, {}), declared, given, runs, job)
        if value is None:
            value = declared.get("defaultValue")
        if value is not None:
            parameters[name] = filled_by_job(value, job)
        elif not declared.get("isOptional"):
            raise TaskError(f"its parameter {name} has no value")
    artifacts = {name: _artifacts(source, given, runs) for name, source in task.artifacts.items()}
    return Values(parameters, artifacts)


def _parameter(
    source: Json,
    declared: Mapping[str, Any],
    given: Values,
    runs: Mapping[str, TaskRun],
    job: Mapping[str, str],
) -> Any:
    if "runtimeValue" in source:
        return source["runtimeValue"].get("constant")
    if "componentInputParameter" in source:
        return given.parameters.get(source["componentInputParameter"])
    if found := source.get("taskOutputParameter"):
        made = runs[found["producerTask"]].outputs.parameters
        return made.get(found["outputParameterKey"])
    if found := source.get("taskFinalStatus"):
        status = _final_status(runs[found["producerTask"]], job)
        return json.dumps(status) if declared.get("parameterType") == "STRING" else status
    return None


def _artifacts(source: Json, given: Values, runs: Mapping[str, TaskRun]) -> Sequence[Artifact]:
    if found := source.get("taskOutputArtifact"):
        made = runs[found["producerTask"]].outputs.artifacts
        return made.get(found["outputArtifactKey"], ())
    return given.artifacts.get(source.get("componentInputArtifact", ""), ())


def _final_status(run: TaskRun, job: Mapping[str, str]) -> Json:
    """A PipelineTaskFinalStatus, as an exit handler is given it."""
    error = {"code": 9, "message": run.reason} if run.state == FAILED else {}
    return {
        "state": SUCCEEDED if run.went_well else run.state,
        "error": error,
        "pipelineJobUuid": job["pipeline_job_uuid"],
        "pipelineJobName": job["pipeline_job_name"],
        "pipelineJobResourceName": job["pipeline_job_resource_name"],
        "pipelineTaskName": run.name,
    }
