"""What is wrong with the edges of a compiled line: who makes what, and who waits for whom."""

import re
from collections.abc import Iterator

from pipeline.emulator import conditions
from pipeline.kubeflow.findings import Finding
from pipeline.kubeflow.spec import Dag, Json, dags, executors, title

_KINDS = ("artifacts", "parameters")
# What takes an artifact of any type.
_ANY = ("", "system.Artifact", "tfx.Artifact")
_ARTIFACTS, _PARAMETERS = "artifacts", ("parameter_values", "parameters")
# What a condition names: inputs.artifacts['x'], inputs.artifacts.x, or another thing, which there is not.
# Texts, and what stands behind something else, are no names.
_NAMED = re.compile(
    r"\[['\"][^'\"]*['\"]\]|'[^']*'|\"[^\"]*\"|\.\w+"
    r"|(?P<root>[A-Za-z_]\w*)(?:\.(?P<kind>\w+)(?:\[['\"](?P<key>[^'\"]*)['\"]\]|\.(?P<name>\w+))?)?"
)


def check(spec: Json) -> Iterator[Finding]:
    """Every edge of every dag."""
    if not spec["root"].get("dag", {}).get("tasks"):
        yield Finding("root", "got no tasks, expected a dag of them")
    for dag in dags(spec):
        for name, task in dag.tasks.items():
            place = f"{dag.place}.{name}"
            component = task.get("componentRef", {}).get("name", "")
            if component not in spec.get("components", {}):
                yield Finding(place, f"component {component!r} is not in the file")
                continue
            yield from _runnable(place, component, spec)
            yield from _inputs(place, task, spec["components"][component], dag, spec)
            yield from _condition(place, task)
            for other in task.get("dependentTasks", []):
                if other not in dag.tasks:
                    yield Finding(place, f"waits for {other!r}, which is no task")
        yield from _circle(dag)


def _runnable(place: str, component: str, spec: Json) -> Iterator[Finding]:
    found = spec["components"][component]
    if "dag" in found:
        return
    label = found.get("executorLabel", "")
    if label not in executors(spec):
        yield Finding(place, f"executor {label!r} of {component} is not in the file")
    elif not executors(spec)[label]:
        yield Finding(place, f"executor {label!r} of {component} is empty, expected what it runs")


def _inputs(place: str, task: Json, component: Json, dag: Dag, spec: Json) -> Iterator[Finding]:
    """What the component needs against what the task gives it."""
    for kind in _KINDS:
        wanted = component.get("inputDefinitions", {}).get(kind, {})
        given = task.get("inputs", {}).get(kind, {})
        for name, definition in wanted.items():
            optional = definition.get("isOptional") or "defaultValue" in definition
            if name not in given and not optional:
                yield Finding(
                    f"{place}.{name}", "the component needs it, the task does not give it"
                )
        for name, source in given.items():
            if name not in wanted:
                yield Finding(
                    f"{place}.{name}", "the task gives it, the component does not know it"
                )
            else:
                yield from _source(f"{place}.{name}", kind, source, wanted[name], dag, spec)


def _source(
    place: str, kind: str, source: Json, wanted: Json, dag: Dag, spec: Json
) -> Iterator[Finding]:
    outer = source.get("componentInputParameter") or source.get("componentInputArtifact")
    edge = source.get("taskOutputParameter") or source.get("taskOutputArtifact")
    if outer:
        definition = dag.inputs.get(kind, {}).get(outer)
        if definition is None:
            yield Finding(place, f"takes {outer!r}, which {dag.place} does not declare as an input")
        else:
            yield from _types(place, definition, wanted)
    elif edge:
        yield from _edge(place, kind, edge, wanted, dag, spec)
    elif "taskFinalStatus" in source:
        if source["taskFinalStatus"].get("producerTask") not in dag.tasks:
            yield Finding(place, "takes the final status of what is no task")
    elif "runtimeValue" not in source:
        yield Finding(place, f"is given {', '.join(source) or 'nothing'}, which gives no value")
    elif "runtimeParameter" in source["runtimeValue"]:
        name = source["runtimeValue"]["runtimeParameter"]
        yield Finding(place, f"takes runtimeParameter {name!r}, which schema 2.1 does not resolve")


def _edge(
    place: str, kind: str, edge: Json, wanted: Json, dag: Dag, spec: Json
) -> Iterator[Finding]:
    producer = edge.get("producerTask", "")
    key = edge.get("outputParameterKey") or edge.get("outputArtifactKey") or ""
    if producer not in dag.tasks:
        yield Finding(place, f"takes an output of {producer!r}, which is no task")
        return
    component = dag.tasks[producer].get("componentRef", {}).get("name", "")
    outputs = spec.get("components", {}).get(component, {}).get("outputDefinitions", {})
    definition = outputs.get(kind, {}).get(key)
    if definition is None:
        yield Finding(place, f"takes {key!r} of {producer}, which has no such output")
    else:
        yield from _types(place, definition, wanted)


def _types(place: str, got: Json, wanted: Json) -> Iterator[Finding]:
    """Whether what comes is what is expected."""
    comes, goes = _type(got), _type(wanted)
    if goes not in (comes, *_ANY):
        yield Finding(place, f"got {comes}, expected {goes}")


def _type(definition: Json) -> str:
    """Of a parameter or an artifact; "" where none is said."""
    kind: str = definition.get("parameterType", "")
    return kind or title(definition.get("artifactType", {}))


def _condition(place: str, task: Json) -> Iterator[Finding]:
    condition = task.get("triggerPolicy", {}).get("condition", "")
    if not condition:
        return
    place = f"{place}.condition"
    try:
        conditions.check(condition)
    except conditions.ConditionError as error:
        yield Finding(place, str(error))
        return
    for found in _NAMED.finditer(condition):
        if found["root"] and found["root"] not in conditions.KNOWN:
            yield from _named(place, found, task.get("inputs", {}))


def _named(place: str, found: re.Match[str], inputs: Json) -> Iterator[Finding]:
    kind = found["kind"] if found["root"] == "inputs" else ""
    if kind not in (_ARTIFACTS, *_PARAMETERS):
        expected = f"inputs.{_ARTIFACTS}['…'] or inputs.{_PARAMETERS[0]}['…']"
        yield Finding(place, f"reads {found[0]!r}, expected {expected}")
        return
    given = inputs.get(_ARTIFACTS if kind == _ARTIFACTS else "parameters", {})
    key = found["key"] or found["name"] or ""
    if key not in given:
        names = ", ".join(given) or "nothing"
        yield Finding(place, f"reads {key!r} of the task's inputs, which are {names}")


def _circle(dag: Dag) -> Iterator[Finding]:
    """Tasks that wait for each other never start."""
    waiting = {name: _waits_for(task) & dag.tasks.keys() for name, task in dag.tasks.items()}
    while ready := [name for name, others in waiting.items() if not others & waiting.keys()]:
        for name in ready:
            del waiting[name]
    if waiting:
        yield Finding(dag.place, f"these tasks wait for each other: {', '.join(sorted(waiting))}")


def _waits_for(task: Json) -> set[str]:
    """Those whose outputs it takes, and `dependentTasks`."""
    found = set(task.get("dependentTasks", []))
    for kind in _KINDS:
        for source in task.get("inputs", {}).get(kind, {}).values():
            edge = source.get("taskOutputParameter") or source.get("taskOutputArtifact") or {}
            found.add(edge.get("producerTask", ""))
    return found
