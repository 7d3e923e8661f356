"""Which Beam runner our executors use: FnApiRunner, in this process, unless one is named.

Beam's own default downloads a binary, runs it, and listens on all interfaces.
"""

import socket
from collections.abc import Iterable
from typing import Any

from components import beam_loopback
from components.errors import Passing

RUNNER = "--runner=FnApiRunner"
# Without a container image named, TFX builds a source distribution of itself for each executor.
IN_PROCESS = (RUNNER, "--sdk_container_image=none")
_JOB_SERVER = "--job_endpoint"
_LOOPBACK = "LOOPBACK"  # of --environment_type
_EMBEDDED = "embed"  # Beam's word for a job server in this process
_SECONDS = 10


def with_runner(arguments: Iterable[Any] | None) -> list[Any]:
    """The pipeline arguments, with `IN_PROCESS` added where they name no runner (`--runner=...`)."""
    given = list(arguments or ())
    named = any(str(argument).partition("=")[0] == "--runner" for argument in given)
    return given if named else [*given, *IN_PROCESS]


def check_job_server(arguments: Iterable[Any], *, seconds: float = _SECONDS) -> None:
    """Make sure that the job server that the arguments name, if they do, takes connections.

    Beam itself waits for minutes, and what it says then names no address.

    Raises:
      Passing: it does not.
    """
    for argument in map(str, arguments):
        name, _, address = argument.partition("=")
        if name != _JOB_SERVER or address in ("", _EMBEDDED):
            continue
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=seconds).close()
        except (OSError, ValueError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise Passing(
                f"beam: the job server at {address} does not answer ({reason}), "
                "expected Beam's job server of the cluster (docs/deploy.md)"
            ) from None


def make_ready(arguments: Iterable[Any]) -> None:
    """To be called before each pipeline with these arguments.

    Raises:
      Passing: the job server that they name does not answer.
    """
    given = [str(argument) for argument in arguments]
    check_job_server(given)
    if any(argument.rpartition("=")[2] == _LOOPBACK for argument in given):
        from apache_beam.runners.worker import worker_pool_main

        beam_loopback.keep(worker_pool_main)  # this process then serves a pool of its own threads


class NamedRunner:
    """For a Beam executor of TFX's: its pipelines never run on Beam's default runner.

    Comes first among the bases: `class Executor(NamedRunner, base_beam_executor.BaseBeamExecutor)`.
    """

    def __init__(self, context: Any = None) -> None:
        """Take TFX's context, whose pipeline arguments may name a runner."""
        super().__init__(context)  # type: ignore[call-arg]
        self._beam_pipeline_args = with_runner(self._beam_pipeline_args)  # type: ignore[has-type]

    def _make_beam_pipeline(self) -> Any:
        """TFX's pipeline, once what it is sent to answers.

        Raises:
          Passing: it does not.
        """
        make_ready(self._beam_pipeline_args)
        return super()._make_beam_pipeline()  # type: ignore[misc]
