"""The numbers of every update and validation, as `metrics.jsonl` and as TensorBoard's event files.

Lines are held back and written many at a time. While training runs they lie beside the checkpoints;
a run that goes on after a kill cuts them back to where its checkpoint stands, so that at the end each
update is there exactly once. Where the checkpoints are at a remote address, whose files cannot be
appended to, they lie on this machine, and what each checkpoint needs is kept there, see `KeptLines`.
"""

import contextlib
import json
import math
import os
import shutil
import time
from typing import Any

import tensorflow as tf

from components.trainer.event_files import EventFiles
from components.trainer.kept_lines import KeptLines

FILE = "metrics.jsonl"
TENSORBOARD = "tensorboard"
_MOST_HELD = 512
Line = dict[str, Any]


class MetricsLog:
    """What the loop writes its lines to."""

    def __init__(
        self, folder: str, *, tensorboard: bool = False, kept: KeptLines | None = None
    ) -> None:
        """Take where things go.

        Args:
          folder: of this run alone, on a local disk; "": lines are dropped.
          tensorboard: whether there are event files.
          kept: outlives the folder.
        """
        self._folder = folder
        self._kept, self._unkept = kept, b""
        self._held: list[Line] = []
        self._events = (
            EventFiles(os.path.join(folder, TENSORBOARD)) if folder and tensorboard else None
        )
        self._written = 0

    def start(self, written: int = 0) -> str:
        """Begin, or go on after the first `written` bytes; what is wrong with those, or "".

        What a run that was killed wrote after its last checkpoint is cut off: it comes again.
        """
        if not self._folder:
            return ""
        os.makedirs(self._folder, exist_ok=True)
        if self._kept:
            self._kept.fetch(self._path, written)
        with open(self._path, "ab") as file:
            found = file.tell()
            file.truncate(min(found, written))
            self._written = min(found, written)
        if self._events:
            with open(self._path, encoding="utf-8") as lines:
                self._events.start(json.loads(line) for line in lines if line.endswith("\n"))
        if found < written:
            return (
                f"{self._path}: got {found} bytes, expected at least {written}: lines are missing"
            )
        return ""

    def add(self, line: Line) -> None:
        """Append a line; a number that is not finite becomes null, and `time` is added."""
        if self._folder:
            self._held.append(line | {"time": round(time.time(), 3)})
            if len(self._held) >= _MOST_HELD:
                self.flush()

    def flush(self, *, forced: bool = False) -> int:
        """Write what is held back; how many bytes there are now. `forced`: to the disk."""
        if not self._folder:
            return 0
        lines, self._held = self._held, []
        text = "".join(_json(line) + "\n" for line in lines).encode()
        if lines or forced:
            with open(self._path, "ab") as file:
                file.write(text)
                file.flush()
                if forced:
                    os.fsync(file.fileno())
        if self._events and lines:
            self._events.add(lines)
        self._written += len(text)
        if self._kept:
            self._keep(self._kept, text, forced=forced)
        return self._written

    def _keep(self, kept: KeptLines, text: bytes, *, forced: bool) -> None:
        self._unkept += text
        if forced and self._unkept:
            kept.add(self._written - len(self._unkept), self._unkept)
            self._unkept = b""

    def close(self) -> None:
        """Write the rest; a run that failed leaves it, too."""
        self.flush(forced=self._kept is not None)
        if self._events:
            self._events.close()

    def publish(self, folder: str) -> None:
        """Copy all to `folder`, wherever that is."""
        if not self._folder:
            return
        for parent, _, names in os.walk(self._folder):
            below = os.path.relpath(parent, self._folder)
            target = folder if below == "." else os.path.join(folder, below)
            tf.io.gfile.makedirs(target)
            for name in names:
                tf.io.gfile.copy(
                    os.path.join(parent, name), os.path.join(target, name), overwrite=True
                )

    def clear(self) -> None:
        """Remove the folder."""
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self._folder)

    @property
    def _path(self) -> str:
        return os.path.join(self._folder, FILE)


def _json(line: Line) -> str:
    try:
        return json.dumps(line, allow_nan=False)
    except ValueError:
        return json.dumps({name: _finite(value) for name, value in line.items()}, allow_nan=False)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
