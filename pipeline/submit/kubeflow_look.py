"""What Kubeflow's records say of a run, its steps, and a recurring run."""

import datetime
from typing import Any

from pipeline.submit.job_file import JobFile, steps_of
from pipeline.submit.service import JobState, Look, Schedule, ScheduleState, Step, StepState

_RUN_STATES: dict[str, JobState] = {
    "PENDING": "waiting",
    "RUNNING": "running",
    "SUCCEEDED": "done",
    "SKIPPED": "done",
    "FAILED": "failed",
    "CANCELING": "running",
    "CANCELED": "cancelled",
    "PAUSED": "running",
}
_STEP_STATES: dict[str, StepState] = {
    "PENDING": "waiting",
    "RUNNING": "running",
    "SUCCEEDED": "done",
    "SKIPPED": "cached",
    "FAILED": "failed",
    "CANCELING": "running",
    "CANCELED": "cancelled",
    "PAUSED": "running",
}
_SCHEDULE_STATES: dict[str, ScheduleState] = {"ENABLED": "active", "DISABLED": "paused"}


def look_of(run: Any, file: JobFile | None) -> Look:
    """A run's record as a look at it. Whether the model was pushed is not in it."""
    tasks = (run.run_details.task_details if run.run_details else None) or []
    known = set(file.steps if file else steps_of(_spec(run)))
    begun = sorted((task for task in tasks if task.start_time), key=lambda task: task.start_time)
    return Look(
        state=_RUN_STATES.get(str(run.state), "waiting"),
        steps=tuple(_step(task) for task in begun if task.display_name in known),
        reason=_message(run.error),
    )


def schedule_of(found: Any) -> Schedule:
    """A recurring run; its cron without the seconds, as it was given."""
    cron = found.trigger.cron_schedule if found.trigger else None
    fields = (cron.cron or "").split() if cron else []
    return Schedule(
        id=str(found.recurring_run_id),
        name=str(found.display_name),
        cron=" ".join(fields[1:] if len(fields) == 6 else fields),
        state=_SCHEDULE_STATES.get(str(found.status), "ended"),
    )


def _spec(run: Any) -> dict[str, Any]:
    """The pipeline's, perhaps beside that of the platform."""
    found: dict[str, Any] = run.pipeline_spec or {"root": {}}
    spec: dict[str, Any] = found.get("pipeline_spec", found)
    return spec


def _step(task: Any) -> Step:
    end = task.end_time
    if not end or end.year < 2000:  # Kubeflow says 1970 of what has not ended
        end = datetime.datetime.now(datetime.UTC)
    return Step(
        str(task.display_name),
        _STEP_STATES.get(str(task.state), "waiting"),
        max(0.0, (end - task.start_time).total_seconds()),
        _message(task.error),
    )


def _message(error: Any) -> str:
    return " ".join(str(error.message or "").split()) if error else ""
