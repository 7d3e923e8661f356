"""A task with a container: ExecutorInput, driver, cache, the container itself, its outputs."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline import beam_profile
from pipeline.emulator import cache, failures, placeholders
from pipeline.emulator.artifact_store import PROJECT, Artifact, ArtifactStore, title
from pipeline.emulator.isolation import NOT_FOUND, Isolation, Step
from pipeline.emulator.places import Places
from pipeline.emulator.specification import Component, Json, Task
from pipeline.emulator.task_inputs import CACHED, SUCCEEDED, TaskError, Values
from pipeline.emulator.watching import Watched

# Their URI is a file, which TFX writes itself.
_VALUES = ("Boolean", "Bytes", "Float", "Integer", "JsonValue", "String")


@dataclass(frozen=True)
class Surroundings:
    """What all tasks of a job share.

    Attributes:
      job: the facts that placeholders may ask for: pipeline_job_name and so on.
      output: the folder of the job's outputs, in the object store.
      folder: of its logs, here.
      hooks: whether drivers run before the cache is asked; OSS Kubeflow does not run them.
      cache: False: nothing comes from the cache, whatever the tasks say.
      progress: is told what a step says of itself, and whether that stays.
      left: is told the names of files that a step has left in its working folder.
    """

    pipeline: str
    places: Places
    store: ArtifactStore
    isolation: Isolation
    job: Mapping[str, str]
    output: str
    folder: str
    hooks: bool
    cache: bool
    progress: Callable[[str, bool], None]
    left: Callable[[str, Sequence[str]], None]


@dataclass
class _Call:
    """One task of one job, as the service books it."""

    task: Task
    component: Component
    parameters: dict[str, Any]
    artifacts: Mapping[str, Sequence[Artifact]]
    outputs: dict[str, Artifact] = field(default_factory=dict)
    folder: str = ""  # in the object store


def run(
    task: Task, component: Component, inputs: Values, around: Surroundings
) -> tuple[str, Values]:
    """Run a task, or take its outputs from the cache.

    Returns:
      SUCCEEDED or SKIPPED, and the outputs.

    Raises:
      TaskError: the driver or the container failed.
    """
    call = _booked(task, component, inputs, around)
    container = component.executor["container"]
    hook = container.get("lifecycle", {}).get("preCacheCheck")
    if hook and around.hooks:
        _execute(call, hook, around, "driver")
        _take_over(call, _written(call, around))
    key = cache.key(around.pipeline, component, call.parameters, _names(call.artifacts))
    if task.cached and around.cache and (found := around.store.cached(key)):
        artifacts, parameters = found
        return CACHED, Values(parameters, artifacts)
    _execute(call, container, around, "")
    written = _written(call, around)
    _take_over_outputs(call, written)
    made = {name: [artifact] for name, artifact in call.outputs.items()}
    parameters = _output_parameters(call, written, around)
    around.store.add(list(call.outputs.values()))
    around.store.remember(key, made, parameters)
    return SUCCEEDED, Values(parameters, made)


def _booked(task: Task, component: Component, inputs: Values, around: Surroundings) -> _Call:
    """The task with a place for each output."""
    folder = f"{around.output}/{task.name}_{around.store.number()}"
    outputs = {
        name: Artifact(
            around.store.name(),
            f"{folder}/{name}",
            found.get("artifactType", {}),
            found.get("metadata", {}),
            around.pipeline,
        )
        for name, found in component.outputs.items()
    }
    return _Call(task, component, dict(inputs.parameters), inputs.artifacts, outputs, folder)


def executor_input(
    parameters: Mapping[str, Any],
    artifacts: Mapping[str, Sequence[Artifact]],
    outputs: Mapping[str, Artifact],
    output_parameters: Sequence[str],
    folder: str,
) -> Json:
    """The ExecutorInput message, as JSON: what `{{$}}` stands for."""
    made: Json = {
        "artifacts": {name: {"artifacts": [each.for_step()]} for name, each in outputs.items()},
        "outputFile": f"{folder}/executor_output.json",
    }
    if output_parameters:
        made["parameters"] = {
            name: {"outputFile": f"{folder}/{name}"} for name in output_parameters
        }
    given = {
        name: {"artifacts": [each.for_step() for each in found]}
        for name, found in artifacts.items()
    }
    return {"inputs": {"parameterValues": dict(parameters), "artifacts": given}, "outputs": made}


def _execute(call: _Call, container: Json, around: Surroundings, kind: str) -> None:
    """Run a command of a container to its end.

    Raises:
      TaskError: it failed.
    """
    facts = {
        **around.job,
        "pipeline_task_name": call.task.name,
        "pipeline_task_uuid": call.folder.rpartition("_")[2],
    }
    message = executor_input(
        call.parameters,
        call.artifacts,
        call.outputs,
        list(call.component.output_parameters),
        call.folder,
    )
    # No service is asked for anything, and where Beam's work is done changes no result.
    written = beam_profile.brought_here([*container.get("command", []), *container.get("args", [])])
    try:
        filled = [placeholders.filled(part, message, facts) for part in written]
    except placeholders.PlaceholderError as error:
        raise TaskError(str(error)) from None
    if not filled:
        raise TaskError("its container has no command: an image's own cannot be emulated")
    _make_folders(call, around.places)
    name = f"{call.task.name}.{kind}" if kind else call.task.name
    step = Step(
        command=tuple(around.places.here(part) for part in filled),
        folder=os.path.join(around.folder, "working", name),
        log=os.path.join(around.folder, f"{name}.log"),
    )
    os.makedirs(step.folder)
    open(step.log, "ab").close()
    watched = Watched(step.log, around.progress)
    code = around.isolation.run(step, watched)
    watched()
    _tell_left(call, step.folder, around)
    if code == NOT_FOUND:
        raise TaskError(f"command not found: {step.command[0]}")
    if code:
        raise failures.of(step.log, code)


def _make_folders(call: _Call, places: Places) -> None:
    """Object stores need no folders, this machine does."""
    os.makedirs(places.here(call.folder), exist_ok=True)
    for artifact in call.outputs.values():
        if title(artifact.type).rpartition(".")[2] not in _VALUES:
            os.makedirs(places.here(artifact.uri), exist_ok=True)


def _tell_left(call: _Call, folder: str, around: Surroundings) -> None:
    """What is written to the working folder is lost in the cloud."""
    if found := sorted(os.listdir(folder)):
        around.left(call.task.name, found)
    else:
        os.rmdir(folder)


def _written(call: _Call, around: Surroundings) -> Json:
    """The ExecutorOutput that the step wrote; {} where it wrote none.

    Raises:
      TaskError: it is no JSON.
    """
    file = around.places.here(f"{call.folder}/executor_output.json")
    if not os.path.exists(file):
        return {}
    try:
        with open(file, encoding="utf-8") as source:
            found: Json = json.loads(around.places.there(source.read()))
            return found
    except ValueError as error:
        raise TaskError(f"{file}: is no JSON: {error}") from None


def _take_over(call: _Call, written: Json) -> None:
    """What a driver has found out: parameters, and properties of outputs to be."""
    call.parameters |= written.get("parameterValues", {})
    _take_over_outputs(call, written)


def _take_over_outputs(call: _Call, written: Json) -> None:
    for name, found in written.get("artifacts", {}).items():
        if name not in call.outputs or not found.get("artifacts"):
            continue
        said, booked = found["artifacts"][0], call.outputs[name]
        call.outputs[name] = Artifact(
            booked.name,
            said.get("uri", booked.uri),
            booked.type,
            {**booked.metadata, **said.get("metadata", {})},
            booked.pipeline,
        )


def _output_parameters(call: _Call, written: Json, around: Surroundings) -> dict[str, Any]:
    """Values that the step gives to later ones: in its message, or in a file each.

    Raises:
      TaskError: one is of the wrong type.
    """
    found: dict[str, Any] = dict(written.get("parameterValues", {}))
    for name, kind in call.component.output_parameters.items():
        file = around.places.here(f"{call.folder}/{name}")
        if name in found or not os.path.isfile(file):
            continue
        with open(file, encoding="utf-8") as source:
            text = source.read()
        try:
            found[name] = text if kind == "STRING" else json.loads(text)
        except ValueError:
            raise TaskError(f"output parameter {name}: got {text!r}, expected {kind}") from None
    return {name: found[name] for name in call.component.output_parameters if name in found}


def _names(artifacts: Mapping[str, Sequence[Artifact]]) -> dict[str, list[str]]:
    return {name: [each.name for each in found] for name, found in artifacts.items()}


def job_folder(output: str, job: str) -> str:
    """Where the service puts what a job writes."""
    return f"{output}/{PROJECT}/{job}"
