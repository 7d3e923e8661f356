"""Vertex AI Pipelines through google-cloud-aiplatform: jobs made, sent, found and cancelled.

A job is sent by its client's own `create_pipeline_job`, not by `PipelineJob.submit`: that first makes
the bucket of the pipeline root if there is none, which here is the user's decision, and which without
rights to look at buckets only costs a minute of retries.
"""

import contextlib
import json
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from google.api_core import exceptions, retry
from google.auth.credentials import AnonymousCredentials, Credentials
from google.cloud import aiplatform, aiplatform_v1

from components.errors import InputError
from pipeline import labels
from pipeline.config.problems import Unsuited
from pipeline.submit.google_errors import one_line
from pipeline.submit.job_file import JobFile
from pipeline.submit.job_ids import job_id, now
from pipeline.submit.parameters import Value, check, definitions

CALL_SECONDS = 60.0
_TRY_SECONDS = 120.0
_FAIL_FAST = "fast"  # nothing after a failed step can end in a model


@dataclass(frozen=True)
class Place:
    """Where jobs run. `credentials`: None for those of the machine."""

    project: str
    region: str
    credentials: Credentials | None = None

    @property
    def parent(self) -> str:
        """As requests name it."""
        return f"projects/{self.project}/locations/{self.region}"

    @property
    def shown(self) -> str:
        """As errors name it."""
        return f"Vertex AI, project {self.project}, {self.region}"

    def offline(self) -> "Place":
        """The same place, for requests that are made and not sent."""
        return Place(self.project, self.region, AnonymousCredentials())

    def job_name(self, job: str) -> str:
        """The full name of a job, from that or from its id."""
        return job if "/" in job else f"{self.parent}/pipelineJobs/{job}"


@dataclass(frozen=True)
class Terms:
    """What decides a job, besides its pipeline.

    Attributes:
      root: folder of its artifacts.
      job_id: of `[a-z][-a-z0-9]{0,127}`; "" for the pipeline's name and the time.
      parameters: values of runtime parameters, of the spec's types.
      labels: all of them: the client drops those of the file.
      cache: None as compiled; else for all tasks.
      service_account, network: that it runs as, and in; "" for the project's own, and none.
    """

    root: str
    job_id: str = ""
    parameters: Mapping[str, Value] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    cache: bool | None = None
    service_account: str = ""
    network: str = ""


def make(file: JobFile, terms: Terms, place: Place) -> aiplatform.PipelineJob:
    """The job of a file, checked, not sent.

    Raises:
      InputError: parameters, labels, the id or the region are wrong; a line each.
    """
    values = file.parameters | dict(terms.parameters)
    check(values, definitions(file.spec, "vertex"), file.path)
    _check_labels(terms.labels)
    with one_line(place.shown), _template(file) as template:
        try:
            return aiplatform.PipelineJob(
                display_name=file.name,
                template_path=template,
                job_id=terms.job_id or job_id(file.name, now()),
                pipeline_root=terms.root,
                parameter_values=values,
                enable_caching=terms.cache,
                labels=dict(terms.labels),
                credentials=place.credentials,
                project=place.project,
                location=place.region,
                failure_policy=_FAIL_FAST,
            )
        except ValueError as error:
            raise InputError(f"{place.shown}: {' '.join(str(error).split())}") from error


def request(
    job: aiplatform.PipelineJob, terms: Terms, place: Place
) -> aiplatform_v1.CreatePipelineJobRequest:
    """What is sent for a job."""
    return aiplatform_v1.CreatePipelineJobRequest(
        parent=place.parent,
        pipeline_job_id=job.job_id,
        pipeline_job=aiplatform_v1.PipelineJob(
            display_name=job.pipeline_spec["pipelineInfo"]["name"],
            pipeline_spec=job.pipeline_spec,
            runtime_config=job.runtime_config,
            labels=dict(terms.labels),
            service_account=terms.service_account,
            network=terms.network,
        ),
    )


def send(
    job: aiplatform.PipelineJob, asked: aiplatform_v1.CreatePipelineJobRequest, place: Place
) -> str:
    """Send a job, at most once: one of the same id that is there already is taken for this one.

    Returns:
      Its full name.

    Raises:
      Passing, InputError: as `google_errors.one_line` has them.
    """
    again = retry.Retry(predicate=retry.if_transient_error, timeout=_TRY_SECONDS)
    with one_line(place.shown):
        try:
            made = job.api_client.create_pipeline_job(
                request=asked, retry=again, timeout=CALL_SECONDS
            )
        except exceptions.Conflict:
            return place.job_name(asked.pipeline_job_id)
    return str(made.name)


def find(name: str, place: Place) -> aiplatform.PipelineJob:
    """A job that was sent, by its full name or its id.

    Raises:
      Passing, InputError: as `google_errors.one_line` has them; also for one that is not there.
    """
    where = f"{place.shown}, job {name}"
    with one_line(where):
        try:
            return aiplatform.PipelineJob.get(
                place.job_name(name), place.project, place.region, place.credentials
            )
        except (ValueError, RuntimeError) as error:  # the latter: a full name in another region
            raise InputError(f"{where}: {' '.join(str(error).split())}") from error


def look(job: aiplatform.PipelineJob) -> aiplatform_v1.PipelineJob:
    """A job as it is now, by one call that is not repeated.

    Raises:
      google.api_core.exceptions.GoogleAPICallError: and what else the client raises.
    """
    return job.api_client.get_pipeline_job(name=job.resource_name, retry=None, timeout=CALL_SECONDS)


def check_region(region: str) -> None:
    """Refuse a region that Vertex is not in.

    Raises:
      Unsuited: it is none.
    """
    try:
        aiplatform.utils.validate_region(region)
    except ValueError:
        text = f"got {region!r}, expected a region of Vertex AI, such as europe-west4"
        raise Unsuited(("cloud.region", text)) from None


def quieten() -> None:
    """The client's loggers write to stdout, which is ours; what fails is told as an error."""
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("google.cloud.aiplatform"):
            logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("google.auth").setLevel(logging.ERROR)


@contextlib.contextmanager
def _template(file: JobFile) -> Iterator[str]:
    """The specification as it was read and checked: the client reads a file itself, and less carefully."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "pipeline.json")
        with open(path, "w", encoding="utf-8") as target:
            json.dump(file.spec, target)
        yield path


def _check_labels(given: Mapping[str, str]) -> None:
    problems = [
        f"label {key}: {text}" if key else text for key, text in labels.faults(given).items()
    ]
    if problems:
        raise InputError("\n".join(problems))
