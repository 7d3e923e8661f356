"""Finds in a compiled line what kfp's loader and aiplatform's constructor accept, and what fails in a run."""

from pipeline.kubeflow import (
    lint_beam,
    lint_graph,
    lint_job,
    lint_resources,
    lint_target,
    lint_values,
)
from pipeline.kubeflow.findings import Finding
from pipeline.kubeflow.spec import Json


def lint(document: Json, target: str) -> list[Finding]:
    """All findings, in the order of their places.

    Args:
      document: JSON of a PipelineJob, or of a pipelineSpec alone; of a file, `reading.read` gives it.
      target: vertex or kubeflow.
    """
    spec = document.get("pipelineSpec", document)
    found = {
        *quick(spec, target),
        *lint_beam.check(spec),
        *lint_target.check_imports(spec),
        *lint_job.check(document, target),
    }
    return sorted(found)


def quick(spec: Json, target: str) -> list[Finding]:
    """Those that no code has to be imported for, and that whoever submits the line cannot mend.

    Args:
      spec: the pipelineSpec.
      target: vertex or kubeflow.
    """
    found = {
        *lint_graph.check(spec),
        *lint_values.check(spec),
        *lint_target.check(spec, target),
        *lint_resources.check(spec, target),
    }
    return sorted(found)
