"""The passes over the shards: each shard's result is a file, and the files are added in order.

What is held at once is one shard's counts and the totals, whatever the number of rows; and the
result is the same whatever worker counts which shard.
"""

import functools
import os
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from components import progress, shards
from components.vocabulary_gen import subwords
from components.vocabulary_gen.duplicates import Fingerprints
from components.vocabulary_gen.measure import Measure, distinct, parse
from components.vocabulary_gen.tally import Tally, count_batch, counter
from transform import preprocessing
from transform.settings import Settings

_ROWS = 16384
_BYTES = 1 << 20  # of text: a token of one byte takes 24 in memory


@dataclass(frozen=True)
class Shard:
    """A file of raw examples of one split and span, with the number of rows if that is known."""

    split: str
    span: str
    path: str
    rows: int | None = None


def shards_of(folders: dict[str, str], report: dict[str, Any]) -> list[Shard]:
    """The shards of each split, in order.

    Args:
      folders: by split, where its files are.
      report: ExampleGen's report.json, which knows the span and rows of each;
        {} where there is none.

    Raises:
      AssertionError: the report has a shard that is not there.
    """
    known = {part["name"]: (str(part["span"]), part["rows"]) for part in report.get("shards", ())}
    found = []
    for split, folder in folders.items():
        for path in shards.files(folder):
            name = f"{os.path.basename(folder)}/{os.path.basename(path)}"
            span, rows = known.pop(name, ("", None))
            found.append(Shard(split, span, path, rows))
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
        total = Tally()
        for shard in found:
            with tf.io.gfile.GFile(_result(self.folder, shard.path, "words")) as stream:
                total.add(Tally.from_json(stream.read()))
        return total.tokens


def count_shard(path: str, *, settings: Settings, vocab_size: int, folder: str) -> None:
    """Count one shard; see `Results` for what is left in `folder`."""
    measure = _measure(settings, vocab_size, folder)
    total, fingerprints = Tally(), []
    work = functools.partial(count_batch, measure)
    for tally, prints in shards.in_order(work, shards.batches(path, _ROWS, most_bytes=_BYTES)):
        total.add(tally)
        fingerprints.append(prints)
    joined = np.concatenate([np.empty(0, np.int64), *fingerprints])
    _write(_result(folder, path, "fingerprints"), joined.tobytes())
    _write(_result(folder, path, "json"), total.to_json())
    progress.update(f"counted {os.path.basename(path)}")


def count_words(path: str, *, settings: Settings, sides: tuple[str, ...], folder: str) -> None:
    """Count the words that the subwords of some sides are learned from."""
    total = Tally()
    for batch in shards.batches(path, _ROWS, most_bytes=_BYTES):
        total.add(Tally(tokens=dict(_words(batch, settings, sides))))
    _write(_result(folder, path, "words"), total.to_json())


def _words(
    batch: tf.Tensor, settings: Settings, sides: tuple[str, ...]
) -> Iterator[tuple[str, Counter]]:
    inputs = parse(batch, settings)
    for name in sides:
        side = settings.sides[name]
        found = subwords.words(preprocessing.column(inputs, side.column), side)
        yield name, counter(*distinct(found.flat_values))


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
