"""A compiled pipeline as data: a PipelineJob, or a pipelineSpec alone, of schema 2.1.

What refers to something that is not there is refused; `tokenline compile --lint` looks for more.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from components.errors import InputError
from pipeline.kubeflow import reading

SCHEMA = "2.1.0"
_NO_ROOT = "gs://pipeline-root"  # where neither the file nor the caller says any

Json = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """One node of a dag.

    Attributes:
      component: by its name.
      parameters, artifacts: input name -> where it comes from, as the specification has it.
      after: the tasks that have to end first.
      condition: in CEL; "" for none.
      always: runs also where a task before it failed (an exit handler).
      cached: may take the outputs of an equal task of an earlier job.
    """

    name: str
    component: str
    parameters: Mapping[str, Json]
    artifacts: Mapping[str, Json]
    after: tuple[str, ...]
    condition: str = ""
    always: bool = False
    cached: bool = False


@dataclass(frozen=True)
class Component:
    """What a task runs: its interface, and either an executor or a dag of its own.

    Attributes:
      parameters: input name -> parameterType, defaultValue, isOptional.
      inputs: names of input artifacts.
      outputs: name of an output artifact -> its artifactType and metadata.
      output_parameters: name -> parameterType.
      executor: {"container": …}, {"importer": …} or {"resolver": …}.
      tasks: of a dag, an earlier one never after a later one.
    """

    name: str
    parameters: Mapping[str, Json] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    outputs: Mapping[str, Json] = field(default_factory=dict)
    output_parameters: Mapping[str, str] = field(default_factory=dict)
    executor: Mapping[str, Any] = field(default_factory=dict)
    tasks: tuple[Task, ...] = ()


@dataclass(frozen=True)
class Pipeline:
    """A compiled pipeline.

    Attributes:
      output: the folder below which it writes.
      given: values of runtime parameters that the file brings along.
      components: by name; the root is not among them.
    """

    name: str
    output: str
    given: Mapping[str, Any]
    labels: Mapping[str, str]
    root: Component
    components: Mapping[str, Component]

    def containers(self) -> Iterator[Json]:
        """The containers that it may start."""
        for component in self.components.values():
            if "container" in component.executor:
                yield component.executor["container"]


def read(file: str) -> Pipeline:
    """Read a compiled pipeline: .json (a PipelineJob), .yaml or .yml (a pipelineSpec).

    Raises:
      InputError: it is none, or it refers to what is not there; a line that names file and place.
    """
    return _pipeline(reading.read(file))


def from_document(document: Any, where: str) -> Pipeline:
    """The pipeline of a parsed file; `where` names it in errors.

    Raises:
      InputError: as `read` raises it.
    """
    return _pipeline(reading.checked(document, where))


def _pipeline(found: reading.Compiled) -> Pipeline:
    specification, job, where = found.spec, found.job or {}, found.where
    if (schema := specification["schemaVersion"]) != SCHEMA:
        raise InputError(f"{where}: schemaVersion: got {schema!r}, expected {SCHEMA!r}")
    runtime = job.get("runtimeConfig", {})
    executors = specification.get("deploymentSpec", {}).get("executors", {})
    components = {
        name: _component(name, found, executors, where)
        for name, found in specification.get("components", {}).items()
    }
    root = _component("root", specification["root"], executors, where)
    for component in (root, *components.values()):
        _check_references(component, components, where)
    output = runtime.get("gcsOutputDirectory") or specification.get("defaultPipelineRoot")
    return Pipeline(
        name=specification["pipelineInfo"]["name"],
        output=(output or _NO_ROOT).rstrip("/"),
        given=runtime.get("parameterValues", {}),
        labels=job.get("labels", {}),
        root=root,
        components=components,
    )


def _component(name: str, found: Json, executors: Mapping[str, Json], where: str) -> Component:
    inputs, outputs = found.get("inputDefinitions", {}), found.get("outputDefinitions", {})
    executor: Json = {}
    if label := found.get("executorLabel"):
        if label not in executors:
            raise InputError(
                f"{where}: components.{name}.executorLabel: no executor {label!r} in deploymentSpec"
            )
        executor = executors[label]
        if kinds := set(executor) - {"container", "importer", "resolver"}:
            raise InputError(f"{where}: executors.{label}: cannot run {', '.join(sorted(kinds))}")
    tasks = {key: _task(key, task, where) for key, task in _tasks(found).items()}
    return Component(
        name=name,
        parameters=inputs.get("parameters", {}),
        inputs=tuple(inputs.get("artifacts", {})),
        outputs=outputs.get("artifacts", {}),
        output_parameters={
            key: each.get("parameterType", "STRING")
            for key, each in outputs.get("parameters", {}).items()
        },
        executor=executor,
        tasks=_in_order(tasks, name, where),
    )


def _tasks(component: Json) -> dict[str, Json]:
    found: dict[str, Json] = component.get("dag", {}).get("tasks", {})
    return found


def _task(name: str, found: Json, where: str) -> Task:
    for key in ("parameterIterator", "artifactIterator"):
        if key in found:
            raise InputError(f"{where}: tasks.{name}.{key}: loops cannot be emulated")
    inputs, trigger = found.get("inputs", {}), found.get("triggerPolicy", {})
    parameters, artifacts = inputs.get("parameters", {}), inputs.get("artifacts", {})
    producers = [
        each for given in (parameters, artifacts) for each in map(_producer, given.values())
    ]
    after = [*found.get("dependentTasks", []), *filter(None, producers)]
    return Task(
        name=name,
        component=found.get("componentRef", {}).get("name", ""),
        parameters=parameters,
        artifacts=artifacts,
        after=tuple(dict.fromkeys(after)),
        condition=trigger.get("condition", ""),
        always=trigger.get("strategy") == "ALL_UPSTREAM_TASKS_COMPLETED",
        cached=bool(found.get("cachingOptions", {}).get("enableCache")),
    )


def _producer(given: Json) -> str:
    """The task that an input comes from, or ""."""
    for source in given.values():
        if isinstance(source, dict) and "producerTask" in source:
            return str(source["producerTask"])
    return ""


def _in_order(tasks: Mapping[str, Task], name: str, where: str) -> tuple[Task, ...]:
    """Each task after those that it needs, else by name."""
    ordered: dict[str, Task] = {}
    waiting = dict(tasks)
    for task in tasks.values():
        if unknown := [each for each in task.after if each not in tasks]:
            raise InputError(
                f"{where}: {name}: task {task.name} comes after {unknown[0]!r}, "
                f"expected one of {', '.join(tasks)}"
            )
    while waiting:
        ready = [task for task in waiting.values() if all(each in ordered for each in task.after)]
        if not ready:
            raise InputError(f"{where}: {name}: tasks wait for each other: {', '.join(waiting)}")
        ordered[ready[0].name] = waiting.pop(ready[0].name)
    return tuple(ordered.values())


def _check_references(dag: Component, components: Mapping[str, Component], where: str) -> None:
    """Components and outputs that its tasks name are there.

    Raises:
      InputError: one is not.
    """
    made = {task.name: task.component for task in dag.tasks}
    for task in dag.tasks:
        place = f"{where}: {dag.name}: task {task.name}"
        if task.component not in components:
            raise InputError(f"{place}: no component {task.component!r}")
        for key, source in task.artifacts.items():
            if "taskOutputArtifact" in source:
                found = source["taskOutputArtifact"]
                _check_among(found.get("producerTask", ""), made, f"{place}: input {key}")
                outputs = components[made[found["producerTask"]]].outputs
                _check_among(found.get("outputArtifactKey", ""), outputs, f"{place}: input {key}")
            elif found := source.get("componentInputArtifact"):
                _check_among(found, dag.inputs, f"{place}: input {key}")
        for key, source in task.parameters.items():
            if "taskOutputParameter" in source:
                found = source["taskOutputParameter"]
                _check_among(found.get("producerTask", ""), made, f"{place}: parameter {key}")
                values = components[made[found["producerTask"]]].output_parameters
                name = found.get("outputParameterKey", "")
                _check_among(name, values, f"{place}: parameter {key}")
            elif found := source.get("componentInputParameter"):
                _check_among(found, dag.parameters, f"{place}: parameter {key}")


def _check_among(name: str, known: Any, place: str) -> None:
    if name not in known:
        raise InputError(f"{place}: got {name!r}, expected one of {', '.join(known) or 'none'}")
