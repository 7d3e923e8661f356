"""A compiled line as it is read: a PipelineJob's JSON or a pipelineSpec's YAML, and the parts of it."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from components.errors import InputError

Json = dict[str, Any]
_YAML = (".yaml", ".yml")
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


def read(path: str) -> Json:
    """The PipelineJob in a file; of a `.yaml`, one without anything but the specification.

    Raises:
      InputError: it cannot be read, or is something else.
    """
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise InputError(f"{path}: {reason}, expected a compiled line") from None
    try:
        found = yaml.safe_load(text) if path.endswith(_YAML) else json.loads(text)
    except (ValueError, yaml.YAMLError) as error:
        reason = str(error).split("\n")[0]
        raise InputError(
            f"{path}: got no JSON or YAML ({reason}), expected a compiled line"
        ) from None
    job = found if isinstance(found, dict) and "pipelineSpec" in found else {"pipelineSpec": found}
    spec = job["pipelineSpec"]
    if not isinstance(spec, dict) or "root" not in spec:
        raise InputError(f"{path}: got no root in it, expected a PipelineJob or a pipelineSpec")
    _check_structure(path, job)
    return job


def _check_structure(path: str, job: Json) -> None:
    """Refuse what the services' own reading refuses; what follows relies on the kinds of all fields."""
    from google.protobuf import json_format, message
    from kfp.pipeline_spec import pipeline_spec_pb2 as messages

    spec = job["pipelineSpec"]
    parts: tuple[tuple[Any, message.Message], ...] = (
        (job, messages.PipelineJob()),
        (spec, messages.PipelineSpec()),
        # For PipelineSpec this is any object.
        (spec.get("deploymentSpec", {}), messages.PipelineDeploymentConfig()),
    )
    for part, parsed in parts:
        try:
            json_format.ParseDict(part, parsed, ignore_unknown_fields=True)
        except json_format.ParseError as error:
            reason = " ".join(str(error).split())
            text = f"{path}: not as a pipelineSpec is: {reason}; expected a compiled line"
            raise InputError(text) from None


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
