"""A compiled pipeline, as `tokenline compile` writes it: `.json` (a PipelineJob) or `.yaml` (its spec)."""

from dataclasses import dataclass, field
from typing import Any

from components.errors import InputError
from pipeline.kubeflow import reading


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
    found = reading.read(path)
    if found.further:  # kfp would apply them, Vertex not; neither is asked to here
        raise InputError(f"{path}: got further YAML documents, expected the pipelineSpec alone")
    job = found.job or {}
    runtime = job.get("runtimeConfig", {})
    return JobFile(
        path,
        found.spec,
        root=runtime.get("gcsOutputDirectory", ""),
        labels=job.get("labels", {}),
        parameters=runtime.get("parameterValues", {}),
        service_account=job.get("serviceAccount", ""),
        network=job.get("network", ""),
    )


def _tasks(spec: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """All tasks by name: those of the root, and of the dags within it."""
    found: dict[str, dict[str, Any]] = {}
    for component in (spec["root"], *spec.get("components", {}).values()):
        found |= component.get("dag", {}).get("tasks", {})
    return found


def _executor_of(components: dict[str, Any], task: dict[str, Any]) -> str:
    name = task.get("componentRef", {}).get("name", "")
    return str(components.get(name, {}).get("executorLabel", ""))
