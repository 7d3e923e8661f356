"""What is wrong with a compiled line as a job: its name, labels, root, and the values it brings along."""

import re
from collections.abc import Iterator, Mapping

from pipeline import labels
from pipeline.kubeflow import lint_values, parameter_values
from pipeline.kubeflow.findings import Finding
from pipeline.kubeflow.lint_target import VERTEX
from pipeline.kubeflow.parameters import KINDS
from pipeline.kubeflow.spec import Json
from pipeline.submit import parameters

# The rule of TFX's compiler (`_LEGAL_NAME_PATTERN` in its kubeflow.v2.pipeline_builder) and of kfp
# (`validate_pipeline_name` in kfp.dsl.utils); Vertex also makes the job's id of it, which aiplatform holds
# against `_VALID_NAME_PATTERN` in its constants.pipeline. The configuration takes less: so does TFX here.
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")
_BUCKET = re.compile(r"gs://[a-z0-9][a-z0-9._-]*(/.*)?")
_ROOT = "runtimeConfig.gcsOutputDirectory"


def check(document: Json, target: str) -> Iterator[Finding]:
    """Of a PipelineJob all that it says; of a pipelineSpec alone its name and root."""
    is_job = "pipelineSpec" in document
    spec = document["pipelineSpec"] if is_job else document
    runtime = document.get("runtimeConfig", {})
    yield from _name(spec)
    yield from _root(_ROOT, runtime.get("gcsOutputDirectory"), target)
    yield from _root("defaultPipelineRoot", spec.get("defaultPipelineRoot"), target)
    if target == VERTEX and is_job and "gcsOutputDirectory" not in runtime:
        # RuntimeConfig of aiplatform_v1.types.pipeline_job has it as required.
        yield Finding(_ROOT, "got none, expected the gs://… that all runs are kept in")
    if target == VERTEX:
        for key, text in labels.faults(document.get("labels", {})).items():
            yield Finding(f"labels.{key}" if key else "labels", text)
    declared = parameters.definitions(spec, target)
    yield from _defaults(declared)
    given = runtime.get("parameterValues", {})
    for name, text in parameters.faults(given, declared).items():
        yield Finding(
            f"runtimeConfig.parameterValues.{name}" if name in given else f"root.{name}", text
        )


def _defaults(declared: Mapping[str, parameters.Definition]) -> Iterator[Finding]:
    """Of our own line; a single parameter of one of our names may be anybody's."""
    ours = [declared[name] for name in KINDS if name in declared]
    if [each.type for each in ours] != list(KINDS.values()):
        return
    # Those of a wrong type, and paths of this machine, are among what `lint_values` finds.
    for each in ours:
        if parameters.fits(each.default, each.type) and not lint_values.is_local(each.default):
            text = parameter_values.fault(each.name, each.default, each.default, each.schemes)
            if text:
                yield Finding(f"root.{each.name}", text)


def _name(spec: Json) -> Iterator[Finding]:
    name = spec.get("pipelineInfo", {}).get("name", "")
    if not _NAME.fullmatch(name):
        text = f"got {name!r}, expected a name of a-z, 0-9 and '-', at most 128 long"
        yield Finding("pipelineInfo.name", text)


def _root(place: str, root: str | None, target: str) -> Iterator[Finding]:
    if root is None:
        return
    if "://" not in root:
        yield Finding(place, f"got {root!r}, expected an address that containers reach")
    elif target == VERTEX and not _BUCKET.fullmatch(root):
        yield Finding(place, f"got {root!r}, expected gs://… on Vertex, with a bucket's name")
