"""Vertex AI Pipelines as a `Service`."""

from collections.abc import Callable
from typing import Any

from google.cloud import aiplatform, aiplatform_v1
from google.protobuf import json_format

from pipeline.config.cloud import CloudConfig
from pipeline.config.problems import Unsuited
from pipeline.submit import vertex
from pipeline.submit.cron import Cron
from pipeline.submit.google_errors import one_line
from pipeline.submit.job_file import JobFile
from pipeline.submit.service import Look, Schedule, ScheduleState, Submission
from pipeline.submit.vertex import Place, Terms
from pipeline.submit.vertex_look import look_of

_CONSOLE = "https://console.cloud.google.com/vertex-ai/locations/{}/pipelines/runs/{}?project={}"
_STATES: dict[str, ScheduleState] = {"ACTIVE": "active", "PAUSED": "paused"}
_AT_ONCE = 1  # two runs side by side would take one another's spans for new


class VertexService:
    """Jobs and schedules of one project and region."""

    options = ""

    def __init__(self, cloud: CloudConfig) -> None:
        """Take the section `cloud`; nothing is sent.

        Raises:
          Unsuited: it names no project and region of Vertex.
        """
        if not cloud.project or not cloud.region:
            raise Unsuited(("cloud.project", "missing, expected project and region of Vertex AI"))
        vertex.check_region(cloud.region)
        vertex.quieten()
        self._cloud = cloud
        self.place = Place(cloud.project, cloud.region)

    def request(self, submission: Submission) -> dict[str, Any]:
        return _json(self._made(submission, self.place.offline())[1])

    def schedule_request(self, submission: Submission, cron: Cron, name: str) -> dict[str, Any]:
        place = self.place.offline()
        asked = self._made(submission, place)[1]
        return {"parent": place.parent, "schedule": _json(_schedule(asked, cron, name))}

    def submit(self, submission: Submission) -> str:
        return vertex.send(*self._made(submission, self.place), self.place)

    def looker(self, job: str, file: JobFile | None) -> Callable[[], Look]:
        found = vertex.find(job, self.place)

        def look() -> Look:
            with one_line(f"{self.place.shown}, job {job}"):
                return look_of(vertex.look(found), file)

        return look

    def address(self, job: str) -> str:
        short = job.rpartition("/")[2]
        return _CONSOLE.format(self.place.region, short, self.place.project)

    def cancel(self, job: str) -> None:
        found = vertex.find(job, self.place)
        with one_line(f"{self.place.shown}, job {job}"):
            found.cancel()

    def schedule(self, submission: Submission, cron: Cron, name: str) -> str:
        job, asked = self._made(submission, self.place)
        with one_line(self.place.shown):
            # Not sent by its `create`, so that a dry run shows what is sent.
            client = aiplatform.PipelineJobSchedule(
                job, name, self.place.credentials, self.place.project, self.place.region
            ).api_client
            made = client.create_schedule(
                parent=self.place.parent,
                schedule=_schedule(asked, cron, name),
                timeout=vertex.CALL_SECONDS,
            )
        return str(made.name).rpartition("/")[2]

    def schedules(self) -> list[Schedule]:
        with one_line(self.place.shown):
            found = aiplatform.PipelineJobSchedule.list(
                project=self.place.project,
                location=self.place.region,
                credentials=self.place.credentials,
            )
        return sorted((_shown(each.gca_resource) for each in found), key=lambda each: each.name)

    def pause(self, schedule: str) -> None:
        self._on_schedule(schedule, aiplatform.PipelineJobSchedule.pause)

    def resume(self, schedule: str) -> None:
        self._on_schedule(schedule, aiplatform.PipelineJobSchedule.resume)

    def delete(self, schedule: str) -> None:
        self._on_schedule(schedule, aiplatform.PipelineJobSchedule.delete)

    def _on_schedule(self, schedule: str, call: Callable[[Any], None]) -> None:
        with one_line(f"{self.place.shown}, schedule {schedule}"):
            found = aiplatform.PipelineJobSchedule.get(
                schedule, self.place.project, self.place.region, self.place.credentials
            )
            call(found)

    def _made(
        self, submission: Submission, place: Place
    ) -> tuple[aiplatform.PipelineJob, aiplatform_v1.CreatePipelineJobRequest]:
        """The job, and what is sent for it."""
        terms = self._terms(submission)
        job = vertex.make(submission.file, terms, place)
        return job, vertex.request(job, terms, place)

    def _terms(self, submission: Submission) -> Terms:
        """What the file says goes before the config, which may have changed since."""
        file, cloud = submission.file, self._cloud
        return Terms(
            root=file.root or cloud.root,
            job_id=submission.job_id,
            parameters=submission.parameters,
            labels=cloud.labels | file.labels | dict(submission.labels),
            cache=submission.cache,
            service_account=file.service_account or cloud.service_account,
            network=file.network or cloud.network,
        )


def _schedule(
    asked: aiplatform_v1.CreatePipelineJobRequest, cron: Cron, name: str
) -> aiplatform_v1.Schedule:
    """The schedule of a job, each run of which gets an id from Vertex."""
    return aiplatform_v1.Schedule(
        display_name=name,
        cron=cron.vertex,
        max_concurrent_run_count=_AT_ONCE,
        create_pipeline_job_request=aiplatform_v1.CreatePipelineJobRequest(
            parent=asked.parent, pipeline_job=asked.pipeline_job
        ),
    )


def _shown(schedule: aiplatform_v1.Schedule) -> Schedule:
    return Schedule(
        id=str(schedule.name).rpartition("/")[2],
        name=schedule.display_name,
        cron=schedule.cron,
        state=_STATES.get(schedule.state.name, "ended"),
        next_run=f"{schedule.next_run_time:%Y-%m-%d %H:%M}" if schedule.next_run_time else "",
    )


def _json(message: Any) -> dict[str, Any]:
    found: dict[str, Any] = json_format.MessageToDict(type(message).pb(message))
    return found
