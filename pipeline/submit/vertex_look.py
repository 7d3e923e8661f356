"""What a Vertex job's record says of its steps and of the model."""

import datetime
from typing import Any

from google.cloud import aiplatform_v1
from google.protobuf import json_format

from pipeline.submit.job_file import JobFile, steps_of
from pipeline.submit.service import PUSHER, JobState, Look, Push, Step, StepState

_JOB_STATES: dict[str, JobState] = {
    "PIPELINE_STATE_UNSPECIFIED": "waiting",
    "PIPELINE_STATE_QUEUED": "waiting",
    "PIPELINE_STATE_PENDING": "waiting",
    "PIPELINE_STATE_RUNNING": "running",
    "PIPELINE_STATE_SUCCEEDED": "done",
    "PIPELINE_STATE_FAILED": "failed",
    "PIPELINE_STATE_CANCELLING": "running",
    "PIPELINE_STATE_CANCELLED": "cancelled",
    "PIPELINE_STATE_PAUSED": "cancelled",
}
_STEP_STATES: dict[str, StepState] = {
    "PENDING": "waiting",
    "RUNNING": "running",
    "SUCCEEDED": "done",
    "SKIPPED": "cached",  # so Vertex calls a hit of the cache
    "FAILED": "failed",
    "CANCEL_PENDING": "running",
    "CANCELLING": "running",
    "CANCELLED": "cancelled",
    "NOT_TRIGGERED": "not run",
}
_PUSHED = "pushed_model"


def look_of(job: aiplatform_v1.PipelineJob, file: JobFile | None) -> Look:
    """A job's record as a look at it."""
    tasks = sorted(
        job.job_detail.task_details, key=lambda task: (_second(task.start_time), task.task_id)
    )
    known = set(file.steps if file else steps_of(_spec(job)))
    return Look(
        state=_JOB_STATES.get(job.state.name, "running"),
        steps=tuple(_step(task) for task in tasks if task.task_name in known),
        reason=" ".join(job.error.message.split()),
        push=_push(tasks),
    )


def _spec(job: aiplatform_v1.PipelineJob) -> dict[str, Any]:
    found: dict[str, Any] = json_format.MessageToDict(type(job).pb(job).pipeline_spec)
    return found


def _step(task: aiplatform_v1.PipelineTaskDetail) -> Step:
    return Step(
        task.task_name,
        _STEP_STATES.get(task.state.name, "waiting"),
        _seconds(task),
        " ".join(task.error.message.split()),
    )


def _seconds(task: aiplatform_v1.PipelineTaskDetail) -> float:
    if not task.start_time:
        return 0.0
    end = task.end_time or datetime.datetime.now(datetime.UTC)
    return max(0.0, (end - task.start_time).total_seconds())


def _second(moment: datetime.datetime | None) -> float:
    """What has not begun comes last."""
    return moment.timestamp() if moment else float("inf")


def _push(tasks: list[Any]) -> Push | None:
    """What the Pusher says on its output artifact; None where it says nothing (yet)."""
    for task in tasks:
        if task.task_name != PUSHER or _PUSHED not in task.outputs:
            continue
        for artifact in task.outputs[_PUSHED].artifacts:
            facts = dict(artifact.metadata or {})
            if "pushed" in facts:
                return Push(
                    str(facts.get("pushed_destination", "")) if facts["pushed"] else "",
                    str(facts.get("reason", "")),
                )
    return None
