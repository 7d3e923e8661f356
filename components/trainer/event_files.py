"""TensorBoard's event files: TFRecords of `Event` protos, one folder a run of curves.

Written proto by proto: `tf.summary` takes many times as long for a number. The format is that of
tensorflow/tensorflow, tensorflow/core/util/event.proto; TensorBoard finds a file by `tfevents` in its
name and takes each folder for a run, so that equal tags of two folders share a chart.
"""

import contextlib
import math
import os
from collections.abc import Iterable, Mapping
from typing import Any

import tensorflow as tf

# The numbers of a line that have a curve, by the kind of line, which is the folder's name.
CURVES = {
    "train": ("loss", "objective", "z_loss", "gradient_norm", "learning_rate", "useful_tokens"),
    "validation": ("loss",),
}
_VERSION = "brain.Event:2"


class EventFiles:
    """Writes the lines of `metrics.jsonl`; what is not a number of a curve is left out."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._writers: dict[str, tf.io.TFRecordWriter] = {}

    def start(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Begin anew with these lines: those of before a kill."""
        for kind in CURVES:
            _remove_events(os.path.join(self._folder, kind))
        self.add(lines)

    def add(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Append lines, and let a running TensorBoard see them."""
        for line in lines:
            values = _values(line)
            if values:
                event = tf.compat.v1.Event(
                    wall_time=line["time"],
                    step=line["step"],
                    summary=tf.compat.v1.Summary(value=values),
                )
                self._writer(line).write(event.SerializeToString())
        for writer in self._writers.values():
            writer.flush()

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers = {}

    def _writer(self, line: Mapping[str, Any]) -> tf.io.TFRecordWriter:
        kind = line["kind"]
        if kind not in self._writers:
            folder = os.path.join(self._folder, kind)
            os.makedirs(folder, exist_ok=True)
            name = f"events.out.tfevents.{int(line['time']):010d}.tokenline"
            writer = tf.io.TFRecordWriter(os.path.join(folder, name))
            head = tf.compat.v1.Event(wall_time=line["time"], file_version=_VERSION)
            writer.write(head.SerializeToString())
            self._writers[kind] = writer
        return self._writers[kind]


def _values(line: Mapping[str, Any]) -> list[Any]:
    found = ((name, line[name]) for name in CURVES.get(line["kind"], ()))
    return [
        tf.compat.v1.Summary.Value(tag=name, simple_value=value)
        for name, value in found
        # Without a z-loss there is no curve of zeros.
        if value is not None and math.isfinite(value) and (value or name != "z_loss")
    ]


def _remove_events(folder: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(folder):
            os.remove(os.path.join(folder, name))
