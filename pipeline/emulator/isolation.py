"""How a step's process is started: with a clean environment, in an empty folder, alone in its session."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

TICK_SECONDS = 0.2
NOT_FOUND = 127  # as a shell says it
_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True)
class Step:
    """A process to run.

    Attributes:
      command: of the container, with its arguments.
      folder: where it starts; empty.
      log: gets what it writes.
    """

    command: tuple[str, ...]
    folder: str
    log: str


class Isolation(Protocol):
    """Runs steps.

    Attributes:
      loading: seconds that went into what is no step's, so far.
    """

    loading: float

    def run(self, step: Step, meanwhile: Callable[[], None]) -> int:
        """Run a step to its end; returns its exit code, negative for a signal.

        `meanwhile` is called every now and then. Whatever it raises, and Ctrl-C, ends the step.
        """

    def close(self) -> None:
        """Nothing more is to be run."""


def clean_environment(python: str, home: str) -> dict[str, str]:
    """What a container has in its environment; `python` on the path is the interpreter given."""
    path = os.pathsep.join([os.path.dirname(python), "/usr/local/bin", "/usr/bin", "/bin"])
    return {"PATH": path, "HOME": home, "LANG": "C.UTF-8", "TF_CPP_MIN_LOG_LEVEL": "1"}


class Subprocesses:
    """Starts each command as it stands."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Take the whole environment of the steps."""
        self._environment = dict(environment)
        self.loading = 0.0

    def run(self, step: Step, meanwhile: Callable[[], None]) -> int:
        """As `Isolation` says."""
        with open(step.log, "ab") as log:
            try:
                process = subprocess.Popen(
                    step.command,
                    cwd=step.folder,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            except OSError as error:
                log.write(f"{step.command[0]}: {error.strerror}\n".encode())
                return NOT_FOUND
        try:
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    return process.wait(TICK_SECONDS)
                meanwhile()
        except BaseException:
            end_group(process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_PATIENCE_SECONDS)
            raise
        finally:
            end_group(process.pid, signal.SIGKILL)  # a container leaves no process behind
            process.wait()

    def close(self) -> None:
        """Nothing is open."""


def end_group(leader: int, how: int) -> None:
    """Send a signal to whatever is left of a process that leads its group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, how)


def code_path() -> str:
    """The folder that holds the packages that this process runs, installed or not."""
    import pipeline

    return os.path.dirname(os.path.dirname(os.path.abspath(pipeline.__file__)))


def this_python() -> str:
    """The interpreter that this process runs in."""
    return sys.executable
