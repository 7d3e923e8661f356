"""Finds in a compiled line what kfp's loader and aiplatform's constructor accept, and what fails in a run."""

from pipeline.kubeflow import lint_beam, lint_graph, lint_target, lint_values
from pipeline.kubeflow.findings import Finding
from pipeline.kubeflow.spec import Json


def lint(job: Json, target: str) -> list[Finding]:
    """All findings, in the order of their places.

    Args:
      job: JSON of a PipelineJob; `spec.read` gives one of a `.yaml`, too.
      target: vertex or kubeflow.
    """
    found = [
        *lint_graph.check(job["pipelineSpec"]),
        *lint_values.check(job),
        *lint_target.check(job, target),
        *lint_beam.check(job["pipelineSpec"]),
    ]
    return sorted(set(found))
