"""Steps as forks of one process that has loaded TFX: seconds less a step than a process of its own."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pipeline.emulator.isolation import TICK_SECONDS, Step, Subprocesses, code_path, end_group
from pipeline.emulator.task_inputs import TaskError


class Forks:
    """Runs `python -m …` commands in forks; others as `Subprocesses` does."""

    def __init__(
        self,
        environment: Mapping[str, str],
        modules: Sequence[str],
        log: str,
        *,
        loaded: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        """Take the steps' environment, what to load beforehand, and where that process logs to.

        `loaded` is told how long that took.
        """
        self._environment = {**environment, "PYTHONPATH": code_path()}
        self._modules = list(modules)
        self._log = log
        self._loaded = loaded
        self.loading = 0.0
        self._others = Subprocesses(self._environment)
        self._zygote: subprocess.Popen[bytes] | None = None
        self._unread = b""

    def run(self, step: Step, meanwhile: Callable[[], None]) -> int:
        """As `Isolation` says."""
        if not _is_module(step.command):
            return self._others.run(step, meanwhile)
        if self._zygote is None:
            self._start(meanwhile)
        assert self._zygote is not None
        assert self._zygote.stdin is not None
        wanted = {
            "command": list(step.command),
            "folder": step.folder,
            "log": step.log,
            "environment": self._environment,
        }
        self._zygote.stdin.write(json.dumps(wanted).encode() + b"\n")
        self._zygote.stdin.flush()
        child = int(self._said(lambda: None)["pid"])
        try:
            return int(self._said(meanwhile)["code"])
        finally:
            end_group(child, signal.SIGKILL)

    def close(self) -> None:
        """End the process that forks."""
        if self._zygote is not None:
            end_group(self._zygote.pid, signal.SIGKILL)
            self._zygote.communicate()
            self._zygote = None

    def _start(self, meanwhile: Callable[[], None]) -> None:
        started = time.monotonic()
        folder = os.path.dirname(self._log)
        with open(self._log, "ab") as log:
            self._zygote = subprocess.Popen(
                [sys.executable, "-m", "pipeline.emulator.zygote", *self._modules],
                cwd=folder,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        self._said(meanwhile)
        self.loading = time.monotonic() - started
        self._loaded(self.loading)

    def _said(self, meanwhile: Callable[[], None]) -> dict[str, Any]:
        """The next line that it says.

        Raises:
          TaskError: it has ended.
        """
        assert self._zygote is not None
        assert self._zygote.stdout is not None
        while b"\n" not in self._unread:
            ready, _, _ = select.select([self._zygote.stdout], [], [], TICK_SECONDS)
            if not ready:
                meanwhile()
                continue
            read = os.read(self._zygote.stdout.fileno(), 65536)
            if not read:
                raise TaskError(f"the process that forks has ended, see {self._log}")
            self._unread += read
        line, _, self._unread = self._unread.partition(b"\n")
        said: dict[str, Any] = json.loads(line)
        return said


def _is_module(command: Sequence[str]) -> bool:
    interpreter = os.path.basename(command[0]) if command else ""
    return interpreter in ("python", "python3") and len(command) > 2 and command[1] == "-m"
