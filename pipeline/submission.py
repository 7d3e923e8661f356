"""VertexSubmitter: how retrain starts runs on Vertex AI Pipelines."""

from collections.abc import Mapping

from components.errors import InputError
from pipeline.config import Config
from pipeline.submit import google_errors, job_file, vertex
from pipeline.submit.job_ids import job_id
from pipeline.submit.parameters import Value, definitions
from pipeline.submit.sections import cloud_of
from pipeline.submit.service import Submission
from pipeline.submit.vertex_service import VertexService

RUN_KEY = "run_key"
RUN_KEY_LABEL = "tokenline-run-key"
NOT_FOUND = "NOT_FOUND"
_KEY_DIGITS = 16  # of a run key, in the job's id and label
_STATE = "PIPELINE_STATE_"


def job_of(pipeline: str, key: str, number: int) -> str:
    """The id of a job: the same for the same run key and number."""
    return job_id(pipeline, f"{key[:_KEY_DIGITS]}-{number}")


class VertexSubmitter:
    """Submits one compiled pipeline, at most once for each job of a run key."""

    def __init__(self, config: Config, spec_file: str) -> None:
        """Read the compiled pipeline; nothing is sent.

        Raises:
          InputError: the config says no project, or the file is no compiled pipeline.
        """
        self._service = VertexService(cloud_of(config))
        self._file = job_file.read(spec_file)

    def submit(self, key: str, number: int, parameters: Mapping[str, Value]) -> str:
        """Send a job, unless the one of this key and number was sent before.

        Args:
          key: the run key; also the parameter `run_key`, where the pipeline has it.
          number: of the job among those of this key, from 1 on.
          parameters: values of runtime parameters, of the spec's types.

        Returns:
          The job's full name.

        Raises:
          Passing: Vertex is out of reach or over its quota.
          InputError: a parameter is missing or does not fit, or Vertex refuses the job.
        """
        short = key[:_KEY_DIGITS]
        given = dict(parameters)
        if RUN_KEY in definitions(self._file.spec):
            given.setdefault(RUN_KEY, key)
        return self._service.submit(
            Submission(
                self._file,
                given,
                job_id=job_of(self._file.name, key, number),
                labels={RUN_KEY_LABEL: short},
            )
        )

    def state(self, job: str) -> str:
        """What has become of a job.

        Returns:
          QUEUED, PENDING, RUNNING, SUCCEEDED, FAILED, CANCELLING, CANCELLED or PAUSED; NOT_FOUND
          where there is no such job.

        Raises:
          Passing: Vertex is out of reach or over its quota.
          InputError: Vertex refuses to say.
        """
        try:
            found = vertex.find(job, self._service.place)
        except InputError as error:
            if google_errors.is_not_found(error):
                return NOT_FOUND
            raise
        return str(found.gca_resource.state.name).removeprefix(_STATE)
