"""A compiled pipeline, as `tokenline compile` writes it: `.json` (a PipelineJob) or `.yaml` (its spec)."""

import json
from dataclasses import dataclass, field
from typing import Any

import yaml

from components.errors import InputError

_EXPECTED = "expected a pipeline that `tokenline compile` wrote"


@dataclass(frozen=True)
class JobFile:
    """What a file says.

    Attributes:
      path: the file.
      spec: the pipelineSpec.
      root: folder of the job's artifacts; "" in a `.yaml`, which has none.
      labels: of the job; none in a `.yaml`.
      parameters: values that the file gives itself; other parameters have defaults, or need a value.
      service_account, network: that the job runs as, and in; "" where the file says none.
    """

    path: str
    spec: dict[str, Any]
    root: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    service_account: str = ""
    network: str = ""

    @property
    def name(self) -> str:
        """The pipeline's."""
        return str(self.spec["pipelineInfo"]["name"])

    @property
    def steps(self) -> tuple[str, ...]:
        """As `steps_of` has them."""
        return steps_of(self.spec)


def steps_of(spec: dict[str, Any]) -> tuple[str, ...]:
    """The tasks that run a container, by name; not importers, resolvers and nested dags."""
    executors = spec.get("deploymentSpec", {}).get("executors", {})
    components = spec.get("components", {})
    return tuple(
        name
        for name, task in _tasks(spec).items()
        if "container" in executors.get(_executor_of(components, task), {})
    )


def read(path: str) -> JobFile:
    """Read a compiled pipeline.

    Raises:
      InputError: it cannot be read, or is none; one line.
    """
    found = _parsed(path)
    spec = found.get("pipelineSpec", found)
    for key in ("pipelineInfo", "root", "schemaVersion"):
        if not isinstance(spec, dict) or key not in spec:
            raise InputError(f"{path}: got no {key}, {_EXPECTED}")
    _check_structure(path, spec)
    if spec is found:
        return JobFile(path, spec)
    runtime = found.get("runtimeConfig") or {}
    return JobFile(
        path,
        spec,
        root=runtime.get("gcsOutputDirectory", ""),
        labels=dict(found.get("labels") or {}),
        parameters=dict(runtime.get("parameterValues") or {}),
        service_account=found.get("serviceAccount", ""),
        network=found.get("network", ""),
    )


def _parsed(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        # JSON is YAML, but PyYAML takes a hundred times as long for it.
        found = json.loads(text) if path.endswith(".json") else yaml.safe_load(text)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}, {_EXPECTED}") from None
    except (ValueError, yaml.YAMLError) as error:
        kind = "JSON" if path.endswith(".json") else "YAML"
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: not valid {kind}: {reason}; {_EXPECTED}") from None
    if not isinstance(found, dict):
        raise InputError(f"{path}: got {type(found).__name__}, {_EXPECTED}")
    return found


def _check_structure(path: str, spec: dict[str, Any]) -> None:
    """Refuse what is no pipelineSpec; what is wrong with one, `tokenline compile` finds."""
    from google.protobuf import json_format
    from kfp.pipeline_spec import pipeline_spec_pb2

    parsed = pipeline_spec_pb2.PipelineSpec()
    try:
        json_format.ParseDict(spec, parsed, ignore_unknown_fields=True)
    except json_format.ParseError as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: not a pipelineSpec: {reason}; {_EXPECTED}") from None
    if not parsed.pipeline_info.name:
        raise InputError(f"{path}: got no pipelineInfo.name, {_EXPECTED}")


def _tasks(spec: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """All tasks by name: those of the root, and of the dags within it."""
    found: dict[str, dict[str, Any]] = {}
    for component in (spec["root"], *spec.get("components", {}).values()):
        found |= component.get("dag", {}).get("tasks", {})
    return found


def _executor_of(components: dict[str, Any], task: dict[str, Any]) -> str:
    name = task.get("componentRef", {}).get("name", "")
    return str(components.get(name, {}).get("executorLabel", ""))
