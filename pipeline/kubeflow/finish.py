"""What the TFX compiler leaves out of a compiled line, or gets wrong. On the specification's JSON alone."""

import itertools
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from components import container_entrypoint as entrypoint
from pipeline.config.cloud import CloudConfig, ResourcesConfig
from pipeline.kubeflow import parameters

Json = dict[str, Any]
DRIVER = "components.span_window.driver"
_WITH_DRIVER = "SpanWindow"
# What they find depends on more than their inputs: how fast a machine is, what was pushed meanwhile.
NEVER_CACHED = ("ServingCheck", "Pusher")
# What they find lies outside, and where no driver runs before the cache is asked nobody tells it.
_LOOK_OUTSIDE = ("SpanWindow", "BaseModel")
_SUFFIX = "_task"
_JOB_NAME, _TASK_NAME = "{{$.pipeline_job_name}}", "{{$.pipeline_task_name}}"


@dataclass(frozen=True)
class OfBeam:
    """The arguments of Beam's pipelines, and the components that run some."""

    arguments: tuple[str, ...]
    components: frozenset[str]


def finish(
    job: Json,
    cloud: CloudConfig,
    defaults: Mapping[str, str | int],
    target: str,
    *,
    beam: "OfBeam",
    outcome_to: str,
) -> None:
    """Complete a PipelineJob, as the TFX compiler made it, in place.

    Args:
      job: JSON of the PipelineJob.
      cloud: what is added.
      defaults: of the runtime parameters.
      target: vertex or kubeflow.
      beam: whose arguments are whose.
      outcome_to: folder in which steps of Vertex tell why they fail.
    """
    spec = job["pipelineSpec"]
    for name in spec["components"]:
        if name not in beam.components:
            _without(_container(spec, name), beam.arguments)
    for task in spec["root"]["dag"]["tasks"].values():
        _name_producers(task, spec["root"]["dag"]["tasks"])
    looking = _LOOK_OUTSIDE if target != "vertex" else ()
    for name in (*NEVER_CACHED, *looking):
        spec["root"]["dag"]["tasks"].get(name, {}).pop("cachingOptions", None)
    spec["defaultPipelineRoot"] = cloud.root
    _give_defaults(spec, defaults)
    for name, resources in cloud.resources.items():
        if container := _container(spec, name):
            container["resources"] = _resources(resources)
    if target == "vertex":
        # Kubeflow ignores the hook: there the containers' entrypoint runs the driver.
        _hook_driver(_container(spec, _WITH_DRIVER))
        for name in spec["components"]:
            _have_failures_told(_container(spec, name), outcome_to)
    job["labels"] = job.get("labels", {}) | cloud.labels
    if target == "vertex":
        given = {"serviceAccount": cloud.service_account, "network": cloud.network}
        job.update({key: value for key, value in given.items() if value})


def _without(container: Json, beam_arguments: Collection[str]) -> None:
    """TFX gives Beam's arguments to every container, and a service's cache key has all of them."""
    if container:
        own = [each for each in container["args"] if each not in beam_arguments]
        container["args"] = own


def _name_producers(task: Json, tasks: Json) -> None:
    """TFX 1.21 names the producer of a parameter `<id>_task`; there is no such task."""
    for given in task.get("inputs", {}).get("parameters", {}).values():
        edge = given.get("taskOutputParameter")
        if edge and edge["producerTask"] not in tasks:
            edge["producerTask"] = edge["producerTask"].removesuffix(_SUFFIX)


def _give_defaults(spec: Json, defaults: Mapping[str, str | int]) -> None:
    """TFX writes none; without them every run would have to give every parameter."""
    definitions = spec["root"].setdefault("inputDefinitions", {}).setdefault("parameters", {})
    for name, value in defaults.items():
        declared = definitions.setdefault(name, {"parameterType": parameters.KINDS[name]})
        declared["defaultValue"] = value


def _container(spec: Json, component: str) -> Json:
    """The container of a component, {} where there is none."""
    label = spec["components"].get(component, {}).get("executorLabel", "")
    found: Json = spec["deploymentSpec"]["executors"].get(label, {}).get("container", {})
    return found


def _resources(resources: ResourcesConfig) -> Json:
    found: Json = {}
    if resources.cpu:
        found["cpuLimit"] = resources.cpu
    if resources.memory_gb:
        found["memoryLimit"] = resources.memory_gb
    if resources.accelerator:
        count = str(resources.accelerator_count)  # an int64 is text in a proto's JSON
        found["accelerator"] = {"type": resources.accelerator, "count": count}
    return found


def _hook_driver(container: Json) -> None:
    """As TFX does for its own ExampleGens: the driver runs before the cache is asked."""
    hook = {"command": ["python", "-m", DRIVER], "args": _invocation(container["args"])}
    container["lifecycle"] = {"preCacheCheck": hook}


def _have_failures_told(container: Json, folder: str) -> None:
    """The service fills in which job and step it is, after it has asked its cache; Beam's come last."""
    if container:
        own = {
            entrypoint.OUTCOME_TO: folder,
            entrypoint.JOB: _JOB_NAME,
            entrypoint.TASK: _TASK_NAME,
        }
        container["args"] = [*itertools.chain(*own.items()), *container["args"]]


def _invocation(arguments: list[str]) -> list[str]:
    """The executor's arguments without the executor."""
    at = arguments.index("--executor_class_path")
    return arguments[:at] + arguments[at + 2 :]
