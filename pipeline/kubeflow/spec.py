"""The parts of a pipelineSpec: its dags, executors, containers, and what their types are called."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
_TITLE = re.compile(r"title: *(\S+)")


@dataclass(frozen=True)
class Dag:
    """Tasks that may take each other's outputs.

    Attributes:
      place: where it stands in the file.
      tasks: by name.
      inputs: what the component that it is declares: `artifacts` and `parameters`.
    """

    place: str
    tasks: Json
    inputs: Json


def dags(spec: Json) -> Iterator[Dag]:
    """The root, and every component that is made of tasks."""
    root = spec["root"]
    yield Dag("root", root.get("dag", {}).get("tasks", {}), root.get("inputDefinitions", {}))
    for name, component in spec.get("components", {}).items():
        if "dag" in component:
            tasks = component["dag"].get("tasks", {})
            yield Dag(f"components.{name}", tasks, component.get("inputDefinitions", {}))


def containers(spec: Json) -> Iterator[tuple[str, Json]]:
    """Place and content of every container."""
    for label, executor in executors(spec).items():
        if "container" in executor:
            yield f"executors.{label}", executor["container"]


def executors(spec: Json) -> Json:
    """By label."""
    found: Json = spec.get("deploymentSpec", {}).get("executors", {})
    return found


def executor_class(container: Json) -> str:
    """Dotted path of what a TFX container runs; "" of another container."""
    arguments = container.get("args", [])
    if "--executor_class_path" not in arguments[:-1]:
        return ""
    return str(arguments[arguments.index("--executor_class_path") + 1])


def title(kind: Json) -> str:
    """What the type of an artifact is called."""
    found = _TITLE.search(kind.get("instanceSchema", ""))
    return str(kind.get("schemaTitle") or (found[1] if found else ""))


def constant(given: Json) -> Any:
    """The constant that a task's parameter is given, None where it is given something else."""
    return given.get("runtimeValue", {}).get("constant")
