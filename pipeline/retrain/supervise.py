"""The child process of a run: started, waited for, and taken along when retrain itself is ended."""

import contextlib
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import IO, Any

from pipeline.retrain.watching import Stop

_PATIENCE_SECONDS = 20.0
_TICK_SECONDS = 0.2


class Stopped(Exception):
    """Somebody asked retrain to end: Ctrl-C, or SIGTERM as systemd and Kubernetes send it."""


@dataclass(frozen=True)
class ChildEnd:
    """How the child ended: its exit code, negative for a signal."""

    code: int

    @property
    def told(self) -> str:
        """Why there is no outcome of it."""
        if self.code >= 0:
            return f"the run ended with exit code {self.code} and told nothing"
        name = signal.Signals(-self.code).name
        hint = " (out of memory?)" if self.code == -signal.SIGKILL else ""
        return f"the run was killed by {name}{hint}"


def run_child(
    config_file: str, order_file: str, stop: Stop, output: IO[Any] | None = None
) -> ChildEnd:
    """Run the line in a process of its own, to its end.

    Args:
      config_file: the user's.
      order_file: see `order`.
      stop: whether somebody asked retrain to end.
      output: where its terminal lines go; None: to this process's.

    Raises:
      Stopped: while it ran; the child has ended by then.
    """
    command = [sys.executable, "-m", "pipeline", "run"]
    command += ["--config", config_file, "--order", order_file]
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output and subprocess.STDOUT,
        env=os.environ | {"PYTHONPATH": code_path()},
    )
    while not stop.is_set():
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = child.wait(_TICK_SECONDS)
            if stop.is_set():  # Ctrl-C reaches both, and the child may be the quicker one
                break
            return ChildEnd(code)
    _end(child)
    raise Stopped


def code_path() -> str:
    """Where a child finds the packages that this process runs, installed or not."""
    import pipeline

    ours = os.path.dirname(os.path.dirname(os.path.abspath(pipeline.__file__)))
    others = os.environ.get("PYTHONPATH")
    return os.pathsep.join([ours, others]) if others else ours


def _end(child: subprocess.Popen[Any]) -> None:
    """Ask, then insist. What a run has finished is kept either way."""
    if child.poll() is None:
        child.send_signal(signal.SIGINT)
    try:
        child.wait(_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
