"""A watch that goes on for months: it notices that its code was upgraded or its configuration changed.

Its runs are other processes, which would have the new code under a key made of the old one.
"""

import hashlib
import os
import subprocess
import sys

from components.code_hash import code_hash
from pipeline.retrain.supervise import code_path

_MOST_SECONDS = 120.0
CODE = ("transform", "components", "pipeline")


class Renewed(Exception):
    """The process is to begin again, with the code and the configuration that there are now."""


class Renewal:
    """What this process was started with, against what there is now.

    Attributes:
      problem: why what is there now cannot be used, in one line; "" if it can be, or is as before.
      port: the one at which this process serves metrics; 0: none.
    """

    def __init__(self, config_file: str) -> None:
        """Look for the first time: before the configuration is read, lest a change be missed."""
        self._config_file = os.path.abspath(config_file)
        self._begun_with = self._now()
        self._judged = self._begun_with
        self.problem = ""
        self.port = 0

    def check(self, *, anew: bool = False) -> bool:
        """Look again; whether there is a new problem to tell.

        Args:
          anew: ask again where there is a problem, though code and configuration are as they were when it
            was found: a folder may have been made since, or a package installed.

        Raises:
          Renewed: what is there now is not what the process was started with, and can be used.
        """
        now = self._now()
        if now == self._judged and not (anew and self.problem):
            return False
        before, self._judged, self.problem = self.problem, now, ""
        if now == self._begun_with:
            return False
        self.problem = problem_of(self._config_file, port=self.port)
        if not self.problem:
            raise Renewed
        return self.problem != before

    def _now(self) -> tuple[str, str]:
        return _code(), _content(self._config_file)


def problem_of(config_file: str, *, port: int = 0) -> str:
    """Why a new process could not watch with this file, asked of one; "" if it could.

    Args:
      config_file: the user's.
      port: at which this process serves metrics, and the new one would; 0: at none.
    """
    command = [sys.executable, "-m", "pipeline", "retrain", "--check", str(port)]
    try:
        done = subprocess.run(
            [*command, "--config", config_file],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=os.environ | {"PYTHONPATH": code_path()},
            timeout=_MOST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:  # a mount that hangs
        return f"what a start needs could not be looked at within {_MOST_SECONDS:.0f} s"
    if done.returncode == 0:
        return ""
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    said = lines[:1] if done.returncode == 2 else lines[-1:]  # the first problem; a traceback's end
    return said[0] if said else f"retrain --check ended with exit code {done.returncode}"


def _code() -> str:
    try:
        return code_hash(*CODE)
    except (OSError, ValueError, ImportError):  # half installed
        return "unreadable"


def _content(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return ""
