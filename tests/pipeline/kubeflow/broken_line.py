"""Parts of a compiled line that tests break, and what each break has to meet."""

from google.protobuf import json_format

from pipeline.kubeflow.lint import lint


def tasks(job):
    return job["pipelineSpec"]["root"]["dag"]["tasks"]


def given(job, task):
    """The parameters that a task is given."""
    return tasks(job)[task]["inputs"]["parameters"]


def executor(job, task):
    return job["pipelineSpec"]["deploymentSpec"]["executors"][f"{task}_executor"]


def constant(value):
    return {"runtimeValue": {"constant": value}}


def found_alone(broken, job) -> str:
    """What lint finds in a line once `broken` has changed it: one thing, and kfp's own reading none."""
    from kfp.pipeline_spec import pipeline_spec_pb2 as protos

    broken(job)
    (found,) = map(str, lint(job, "vertex"))
    spec = job["pipelineSpec"]
    json_format.ParseDict(spec, protos.PipelineSpec())
    json_format.ParseDict(spec["deploymentSpec"], protos.PipelineDeploymentConfig())
    return found
