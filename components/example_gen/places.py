"""Where each row of a shard is from: its input file and its line there, in a file beside the report.

A raw example does not say so itself: a further column would change what is checked and served. What
finds fault with an example later can still name the user's own row.

The file holds two integers for each row of the shard, in order: the number of the input file in the
report's `files`, and the line. Each is the difference from the row before, int64, gzip; they hardly
vary, so they take next to no room.
"""

import array
import gzip
import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

FOLDER = "lines"
_ROWS_HELD = 1 << 16
_ROW_BYTES = 16


class PlaceWriter:
    """Writes the places of one shard's rows, holding few of them at a time."""

    def __init__(self, path: str) -> None:
        """Take the file to write."""
        self._file = tf.io.gfile.GFile(path, "wb")
        # Without a time and a name, the same rows give the same bytes.
        self._stream = gzip.GzipFile("", "wb", compresslevel=1, fileobj=self._file, mtime=0)
        self._held = array.array("q")
        self._last: npt.NDArray[np.int64] = np.zeros((1, 2), np.int64)

    def add(self, file: int, line: int) -> None:
        """Append the place of the next row."""
        self._held.append(file)
        self._held.append(line)
        if len(self._held) == 2 * _ROWS_HELD:
            self._write()

    def close(self) -> None:
        """Finish the file."""
        self._write()
        self._stream.close()
        self._file.close()

    def _write(self) -> None:
        places = np.array(self._held, np.int64).reshape(-1, 2)
        steps = np.diff(places, axis=0, prepend=self._last)
        self._stream.write(steps.astype("<i8").tobytes())
        self._last = np.concatenate([self._last, places])[-1:]
        self._held = array.array("q")


@dataclass(frozen=True)
class Places:
    """The places of one shard's rows.

    Attributes:
      path: what a `PlaceWriter` wrote.
      files: the paths of the input files, as the report has them.
    """

    path: str
    files: tuple[str, ...]

    def of(self, rows: Collection[int], *, of_all: int) -> dict[int, str]:
        """The places of some rows, as `file:line`.

        Args:
          rows: their positions in the shard, from 0.
          of_all: how many rows the shard has.

        Raises:
          AssertionError: the file is about another number of rows.
        """
        wanted = np.array(sorted(rows), np.int64)
        found: dict[int, str] = {}
        last: npt.NDArray[np.int64] = np.zeros((1, 2), np.int64)
        first = 0
        with tf.io.gfile.GFile(self.path, "rb") as file, gzip.GzipFile(fileobj=file) as stream:
            while chunk := stream.read(_ROWS_HELD * _ROW_BYTES):
                places = last + np.cumsum(np.frombuffer(chunk, "<i8").reshape(-1, 2), axis=0)
                here = wanted[(wanted >= first) & (wanted < first + len(places))]
                for row, (number, line) in zip(here.tolist(), places[here - first], strict=True):
                    found[row] = f"{self.files[number]}:{line}"
                last, first = places[-1:], first + len(places)
        if first != of_all:
            raise AssertionError(f"{self.path}: got the lines of {first} rows, expected {of_all}")
        return found


@dataclass(frozen=True)
class NotedPlaces:
    """What ExampleGen has noted of all its shards; nothing, where it left no report.

    Attributes:
      report: folder of the report.
      inputs: the paths of the input files.
      shards: by name, which is `<folder of the split>/<file>`, what the report says of a shard.
    """

    report: str = ""
    inputs: tuple[str, ...] = ()
    shards: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def read(cls, report: str) -> "NotedPlaces":
        """Those of the report in this folder; "": there is none."""
        path = os.path.join(report, "report.json")
        if not report or not tf.io.gfile.exists(path):
            return cls()
        with tf.io.gfile.GFile(path) as file:
            facts = json.load(file)
        inputs = tuple(each["path"] for each in facts["files"])
        return cls(report, inputs, {part["name"]: part for part in facts["shards"]})

    def knows(self, shard: str) -> bool:
        """Whether anything was noted of this file."""
        return shard_name(shard) in self.shards

    def of(self, shard: str, rows: Collection[int], *, of_all: int | None = None) -> dict[int, str]:
        """`file:line` of some rows of a shard; those that are not known are left out.

        A place is a name for a row, so what is noted of another run's rows is no reason to fail.

        Args:
          shard: its path.
          rows: their positions in it, from 0.
          of_all: how many rows it has, where that was counted.
        """
        part = self.shards.get(shard_name(shard))
        if part is None or not rows:
            return {}
        noted = Places(os.path.join(self.report, part["lines"]), self.inputs)
        try:
            return noted.of(rows, of_all=part["rows"] if of_all is None else of_all)
        except (AssertionError, OSError, tf.errors.OpError):
            return {}


def shard_name(path: str) -> str:
    """What the report calls a shard."""
    return "/".join(path.split("/")[-2:])
