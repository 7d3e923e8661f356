"""Compiles the line for Vertex and Kubeflow Pipelines: offline, without credentials, the same each time."""

import json
import os
from collections.abc import Sequence
from typing import Any, Literal

import yaml

from components.errors import InputError
from pipeline import paths
from pipeline.config import Config
from pipeline.config.cloud import CloudConfig
from pipeline.kubeflow import finish, lint, parameters, refusals
from pipeline.kubeflow.findings import Finding
from pipeline.terminal import silenced

Target = Literal["vertex", "kubeflow"]
_YAML = (".yaml", ".yml")
ENTRYPOINT = ("python", "-m", "components.container_entrypoint")


class BadSpecification(Exception):
    """A compiled line that cannot run as it is; `findings`: why."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("\n".join(map(str, findings)))
        self.findings = findings


def compile_pipeline(config: Config, target: Target, *outputs: str) -> dict[str, Any]:
    """Compile the line, and write it.

    Args:
      config: the user's file; with the section `cloud`.
      target: vertex, or kubeflow: Kubeflow Pipelines without Google's service.
      outputs: files to write; `.json`: a PipelineJob; `.yaml`: its pipelineSpec.

    Returns:
      The PipelineJob as JSON.

    Raises:
      InputError: the configuration cannot be compiled for the target; a line for each reason.
      BadSpecification: what came out cannot run; nothing is written.
    """
    cloud = refusals.check(config, target)
    with silenced():  # TensorFlow greets, TFX warns of what is as it should be
        job, beam = _compiled(config, cloud, target)
    defaults = parameters.defaults(config, cloud)
    runs = parameters.outcomes(config, cloud)
    finish.finish(job, cloud, defaults, target, beam=beam, outcome_to=runs)
    with silenced():
        found = lint.lint(job, target)
    if found:
        raise BadSpecification(found)
    for output in outputs:
        write(job, output)
    return job


def write(job: dict[str, Any], output: str) -> None:
    """Write a PipelineJob, or into a `.yaml` its pipelineSpec, whole or not at all."""
    if output.endswith(_YAML):
        text = yaml.safe_dump(job["pipelineSpec"], sort_keys=True, allow_unicode=True)
    else:
        text = json.dumps(job, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
    partial = f"{output}.{os.getpid()}"
    with open(partial, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(partial, output)


def check_outputs(outputs: Sequence[str], config: str = "") -> None:
    """Make sure that each file has a known kind and a folder, before anything heavy is loaded.

    Args:
      outputs: files to write.
      config: the file of the configuration, which is none of them; "": there is none.

    Raises:
      InputError: one has not, is given twice, or is the configuration.
    """
    seen = set()
    for output in outputs:
        if (place := os.path.realpath(output)) in seen:
            raise InputError(f"{output}: given twice, expected each file once")
        seen.add(place)
        if config and place == os.path.realpath(config):
            raise InputError(f"{output}: is the configuration, expected another file to write")
        if not output.endswith((".json", *_YAML)):
            raise InputError(f"{output}: got this name, expected one with .json or .yaml")
        if not os.path.isdir(folder := os.path.dirname(output) or os.curdir):
            raise InputError(f"{output}: got no folder {folder}, expected one that is there")


def _compiled(
    config: Config, cloud: CloudConfig, target: Target
) -> tuple[dict[str, Any], finish.OfBeam]:
    """The PipelineJob that the TFX compiler makes, and which of its components run Beam pipelines."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")  # before TensorFlow is imported
    from tfx.dsl.components.base import executor_spec
    from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner as runner

    from pipeline.kubeflow.line import cloud_line
    from pipeline.pipeline import create_pipeline

    found = cloud_line(config, cloud, resolves=target == "vertex")
    there = paths.RunPaths(f"{cloud.root}/{config.pipeline.name}", "")
    line = create_pipeline(config, found.inputs, there, cloud=found)
    images = {"default_image_path": cloud.image} | cloud.images
    options = runner.KubeflowV2DagRunnerConfig(
        default_image=images,
        default_commands=list(ENTRYPOINT),
        use_pipeline_spec_2_1=True,
    )
    job: dict[str, Any] = runner.KubeflowV2DagRunner(options).run(line, write_out=False)
    components = frozenset(
        node.id
        for node in line.components
        if isinstance(getattr(node, "executor_spec", None), executor_spec.BeamExecutorSpec)
    )
    return job, finish.OfBeam(tuple(found.beam_arguments), components)
