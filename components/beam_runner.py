"""Which Beam runner our executors use: FnApiRunner, in this process, unless one is named.

Beam's own default downloads a binary, runs it, and listens on all interfaces.
"""

from collections.abc import Iterable
from typing import Any

RUNNER = "--runner=FnApiRunner"
# Without a container image named, TFX builds a source distribution of itself for each executor.
IN_PROCESS = (RUNNER, "--sdk_container_image=none")


def with_runner(arguments: Iterable[Any] | None) -> list[Any]:
    """The pipeline arguments, with `IN_PROCESS` added where they name no runner (`--runner=...`)."""
    given = list(arguments or ())
    named = any(str(argument).partition("=")[0] == "--runner" for argument in given)
    return given if named else [*given, *IN_PROCESS]


class NamedRunner:
    """For a Beam executor of TFX's: its pipelines never run on Beam's default runner.

    Comes first among the bases: `class Executor(NamedRunner, base_beam_executor.BaseBeamExecutor)`.
    """

    def __init__(self, context: Any = None) -> None:
        """Take TFX's context, whose pipeline arguments may name a runner."""
        super().__init__(context)  # type: ignore[call-arg]
        self._beam_pipeline_args = with_runner(self._beam_pipeline_args)  # type: ignore[has-type]
