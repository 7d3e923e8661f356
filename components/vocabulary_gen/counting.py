"""The passes over the shards: each shard's result is a file, and the files are added in order.

What is held at once is one shard's counts and the totals, whatever the number of rows; and the
result is the same whatever worker counts which shard.
"""

import functools
import os
import threading
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from components import progress, shards
from components.example_gen.places import Places
from components.subwords import words
from components.vocabulary_gen.duplicates import Fingerprints
from components.vocabulary_gen.measure import Measure
from components.vocabulary_gen.parsing import parse
from components.vocabulary_gen.tally import Tally, count_batch
from transform import preprocessing
from transform.settings import Settings

_ROWS = 16384
_BYTES = 1 << 20  # of text: a token of one byte takes 24 in memory


@dataclass(frozen=True)
class Shard:
    """A file of raw examples of one split and span.

    `rows` is their number and `places` where each is from, if ExampleGen says so.
    """

    split: str
    span: str
    path: str
    rows: int | None = None
    places: Places | None = None


def shards_of(
    folders: dict[str, str], report: dict[str, Any], report_folder: str = ""
) -> list[Shard]:
    """The shards of each split, in the order of spans, input files and their lines.

    Args:
      folders: by split, where its files are.
      report: ExampleGen's report.json, which knows the span and rows of each;
        {} where there is none.
      report_folder: where it lies.

    Raises:
      AssertionError: the report has a shard that is not there.
    """
    known = {part["name"]: part for part in report.get("shards", ())}
    files = tuple(file["path"] for file in report.get("files", ()))
    found = []
    for split, folder in folders.items():
        for path in shards.files(folder):
            name = f"{os.path.basename(folder)}/{os.path.basename(path)}"
            part = known.pop(name, {})
            lines = part.get("lines")
            places = Places(os.path.join(report_folder, lines), files) if lines else None
            found.append(Shard(split, str(part.get("span", "")), path, part.get("rows"), places))
    if known:
        raise AssertionError(f"ExampleGen reports shards that are not there: {sorted(known)}")
    return found


@dataclass(frozen=True)
class Results:
    """The results of `count_shard` in a folder."""

    folder: str

    def tally(self, shard: Shard) -> Tally:
        with tf.io.gfile.GFile(_result(self.folder, shard.path, "json")) as stream:
            return Tally.from_json(stream.read())

    def fingerprints(self, shard: Shard) -> Fingerprints:
        with tf.io.gfile.GFile(_result(self.folder, shard.path, "fingerprints"), "rb") as stream:
            return np.frombuffer(stream.read(), np.int64)

    def words(self, found: list[Shard]) -> dict[str, Counter]:
        """What `count_words` counted in these shards, by side."""
        return words.total(_result(self.folder, shard.path, "words") for shard in found)


def count_shard(path: str, *, settings: Settings, vocab_size: int, folder: str) -> None:
    """Count one shard; see `Results` for what is left in `folder`."""
    measure = _measure(settings, vocab_size, folder)
    total, fingerprints, rows = Tally(), [], 0
    work = functools.partial(count_batch, measure)
    for tally, prints in shards.in_order(work, shards.batches(path, _ROWS, most_bytes=_BYTES)):
        total.add(tally.after(rows))
        fingerprints.append(prints)
        rows += len(prints)
    joined = np.concatenate([np.empty(0, np.int64), *fingerprints])
    _write(_result(folder, path, "fingerprints"), joined.tobytes())
    _write(_result(folder, path, "json"), total.to_json())
    progress.update(f"counted {os.path.basename(path)}")


def count_words(path: str, *, settings: Settings, sides: tuple[str, ...], folder: str) -> None:
    """Count the words that the subwords of some sides are learned from."""
    total: dict[str, Counter] = {name: Counter() for name in sides}
    for batch in shards.batches(path, _ROWS, most_bytes=_BYTES):
        inputs = parse(batch, settings)
        for name, counts in total.items():
            side = settings.sides[name]
            counts.update(words.count(preprocessing.column(inputs, side.column), side))
    words.write(_result(folder, path, "words"), total)


_LOCK = threading.Lock()


def _measure(settings: Settings, vocab_size: int, folder: str) -> Measure:
    """One graph for all shards that a process counts in a run; `folder` tells runs apart."""
    with _LOCK:
        return _made(settings, vocab_size, folder)


@functools.lru_cache(maxsize=1)
def _made(settings: Settings, vocab_size: int, folder: str) -> Measure:
    del folder
    return Measure(settings, vocab_size)


def _result(folder: str, path: str, kind: str) -> str:
    split, name = os.path.split(path)
    return os.path.join(folder, f"{os.path.basename(split)}.{name}.{kind}")


def _write(path: str, content: str | bytes) -> None:
    with tf.io.gfile.GFile(path, "wb" if isinstance(content, bytes) else "w") as stream:
        stream.write(content)
