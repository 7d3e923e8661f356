"""Who else hears what retrain does: a log of JSON lines, and a command of the user's."""

import dataclasses
import datetime
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence

from pipeline.retrain.telling import Facts

_LARGEST_LOG = 10 << 20
_NOTIFY_SECONDS = 60.0
# What a user's command hears.
TOLD = ("span_parked", "queue_held", "run_pushed", "run_refused", "run_failed")
_ROUTINE = ("looked", "waiting")  # would fill a log that nobody needs


def json_line(pipeline: str, event: str, facts: Facts) -> str:
    """An event as one line of JSON, with its time in UTC."""
    at = datetime.datetime.fromtimestamp(facts["at"], datetime.UTC)
    others = {name: value for name, value in facts.items() if name != "at"}
    told = {"time": at.isoformat(timespec="milliseconds"), "event": event, "pipeline": pipeline}
    return json.dumps(told | others, ensure_ascii=False)


@dataclasses.dataclass(frozen=True)
class JsonLog:
    """Appends JSON lines to a file; at 10 MiB the file is put aside as `<file>.1`."""

    pipeline: str
    path: str

    def __call__(self, event: str, facts: Facts) -> None:
        if event in _ROUTINE:
            return
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        if os.path.exists(self.path) and os.path.getsize(self.path) > _LARGEST_LOG:
            os.replace(self.path, f"{self.path}.1")
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json_line(self.pipeline, event, facts) + "\n")


@dataclasses.dataclass(frozen=True)
class JsonTerminal:
    """Prints events as JSON lines, for a collector of a container's output."""

    pipeline: str

    def __call__(self, event: str, facts: Facts) -> None:
        if event not in _ROUTINE:
            print(json_line(self.pipeline, event, facts), flush=True)


@dataclasses.dataclass(frozen=True)
class Notify:
    """Runs the user's command with a JSON document on stdin, for what somebody may want to act on."""

    pipeline: str
    command: Sequence[str]

    def __call__(self, event: str, facts: Facts) -> None:
        if event not in TOLD:
            return
        document = json_line(self.pipeline, event, facts) + "\n"
        try:
            # A file: the end of a pipe would be waited for, which what the command leaves behind may hold.
            with tempfile.TemporaryFile() as said:
                done = subprocess.run(
                    list(self.command),
                    input=document.encode(),
                    stdout=subprocess.DEVNULL,
                    stderr=said,
                    timeout=_NOTIFY_SECONDS,
                    check=False,
                )
                said.seek(0)
                problem = f"exit code {done.returncode}: {_last_line(said.read())}"
            if done.returncode == 0:
                return
        except OSError as error:
            problem = str(error.strerror)
        except subprocess.TimeoutExpired:
            problem = f"did not end within {_NOTIFY_SECONDS:.0f} s"
        # The run is as good as before: said, and no more.
        print(f"  retrain.notify: {self.command[0]}: {problem}", file=sys.stderr, flush=True)


def _last_line(output: bytes) -> str:
    lines = output.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "no output"
