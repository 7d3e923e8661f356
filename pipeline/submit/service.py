"""What a pipeline service is asked, whichever it is: Vertex AI Pipelines or Kubeflow."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from pipeline.submit.cron import Cron
from pipeline.submit.job_file import JobFile
from pipeline.submit.parameters import Value

StepState = Literal["waiting", "running", "done", "cached", "failed", "cancelled", "not run"]
JobState = Literal["waiting", "running", "done", "failed", "cancelled"]
ScheduleState = Literal["active", "paused", "ended"]
PUSHER = "Pusher"


@dataclass(frozen=True)
class Submission:
    """What is submitted.

    Attributes:
      file: the compiled pipeline.
      parameters: values of runtime parameters, of the spec's types.
      cache: None as compiled; else for all steps.
      job_id: "" for the pipeline's name and the time.
      labels: further ones, besides those of config and file.
    """

    file: JobFile
    parameters: Mapping[str, Value] = field(default_factory=dict)
    cache: bool | None = None
    job_id: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """A step of a job. `seconds`: how long it took, or has taken; `reason`: why it failed."""

    name: str
    state: StepState
    seconds: float = 0.0
    reason: str = ""


@dataclass(frozen=True)
class Push:
    """What became of the model: the version's folder, or "" and why there is none."""

    version: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Look:
    """A job at one moment.

    Attributes:
      steps: those that run a container and have begun, in the order in which they did.
      reason: why it failed, as far as the service says.
      push: None while it is not known, and where the service does not tell.
    """

    state: JobState
    steps: tuple[Step, ...] = ()
    reason: str = ""
    push: Push | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in ("done", "failed", "cancelled")


@dataclass(frozen=True)
class Schedule:
    """A schedule as it stands. `next_run`: when, in UTC; "" where there is none or it is not told."""

    id: str
    name: str
    cron: str
    state: ScheduleState
    next_run: str = ""


class Service(Protocol):
    """One of the services. Every call raises `Passing` and `InputError` as its client's errors mean.

    `options`: what to give `tokenline submit` and `schedule` to have this one, "" for nothing.
    """

    options: str

    def request(self, submission: Submission) -> dict[str, Any]:
        """What `submit` sends, as JSON; needs no credentials and no network."""

    def schedule_request(self, submission: Submission, cron: Cron, name: str) -> dict[str, Any]:
        """What `schedule` sends, as JSON; needs no credentials and no network."""

    def submit(self, submission: Submission) -> str:
        """Start a job; returns its name."""

    def looker(self, job: str, file: JobFile | None) -> Callable[[], Look]:
        """What looks at a job; without its file, the service says what it runs."""

    def address(self, job: str) -> str:
        """Where a job is seen in a browser."""

    def cancel(self, job: str) -> None:
        """Ask for the end of a job."""

    def schedule(self, submission: Submission, cron: Cron, name: str) -> str:
        """Submit again and again; returns the schedule's id."""

    def schedules(self) -> list[Schedule]:
        """All schedules, by name."""

    def pause(self, schedule: str) -> None:
        """No further runs, until `resume`; by id."""

    def resume(self, schedule: str) -> None:
        """Further runs; those that were missed are not caught up on."""

    def delete(self, schedule: str) -> None:
        """No further runs, ever."""
