"""Which rows a certificate looks at: a sample fixed by the seed, whatever the files and their order."""

import hashlib
import heapq
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from components import records
from components.errors import InputError
from components.evaluator import identity
from transform import features

_BATCH = 512

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class RawRows:
    """Serialized raw rows, as ExampleGen made them, and how many there were to choose from."""

    rows: tuple[bytes, ...]
    available: int

    @property
    def digest(self) -> str:
        """Hash of which rows these are."""
        return hashlib.sha256(b"".join(map(identity.digest, self.rows))).hexdigest()


@dataclass(frozen=True)
class Materialised:
    """The sample's rows as Transform wrote them, None where it wrote no such row.

    TFRecords carry no key, so a row is found by all its values.
    """

    rows: tuple[bytes | None, ...]
    available: int

    @property
    def found(self) -> tuple[bytes, ...]:
        """The rows that are there."""
        return tuple(row for row in self.rows if row is not None)


def choose(files: Sequence[str], count: int, seed: int) -> RawRows:
    """The `count` rows with the smallest seeded hashes (all, if there are fewer).

    Raises:
      InputError: the files hold no row, or cannot be read.
    """
    salt = str(seed).encode()
    available = 0

    def ranked() -> Iterator[tuple[bytes, bytes]]:
        nonlocal available
        for row in _records(files):
            available += 1
            yield hashlib.blake2b(row, digest_size=16, key=salt).digest(), row

    chosen = heapq.nsmallest(count, ranked())
    if not chosen:
        raise InputError(f"{files[0]}: got no row in {len(files)} files, expected an eval split")
    return RawRows(tuple(row for _, row in chosen), available)


def find_materialised(
    files: Sequence[str], wanted: Arrays, spec: dict[str, tf.io.FixedLenFeature]
) -> Materialised:
    """Look for rows that are equal to `wanted`, feature arrays `[B, ...]`, value by value."""
    places: dict[bytes, deque[int]] = defaultdict(deque)
    for place, key in enumerate(_keys(wanted)):
        places[key].append(place)
    found: list[bytes | None] = [None] * len(wanted[features.TARGETS])
    available = 0
    for rows in _batches(files):
        available += len(rows)
        parsed = parse(rows, spec)
        for row, key in zip(rows, _keys(parsed), strict=True):
            if places.get(key):
                found[places[key].popleft()] = row
    return Materialised(tuple(found), available)


def parse(rows: Sequence[bytes], spec: dict[str, tf.io.FixedLenFeature]) -> Arrays:
    """Transformed rows as feature arrays `[B, ...]`."""
    parsed = tf.io.parse_example(tf.constant(rows, tf.string), spec)
    return {name: value.numpy() for name, value in parsed.items()}


def write(rows: Sequence[bytes], path: str) -> str:
    """Write rows as one TFRecord file as TFX does; returns its path."""
    with tf.io.TFRecordWriter(path, "GZIP") as file:
        for row in rows:
            file.write(row)
    return path


def _keys(arrays: Arrays) -> list[bytes]:
    """One hash for each row, over all its values in the order of the features' names."""
    columns = [np.ascontiguousarray(arrays[name]) for name in sorted(arrays)]
    return [
        identity.digest(b"".join(c[row].tobytes() for c in columns))
        for row in range(len(columns[0]))
    ]


def _batches(files: Sequence[str]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    for row in _records(files):
        batch.append(row)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _records(files: Sequence[str]) -> Iterator[bytes]:
    try:
        yield from records.dataset(sorted(files)).as_numpy_iterator()
    except tf.errors.OpError as error:
        reason = str(error.message).strip().split("\n")[0]
        raise InputError(f"{files[0]}: cannot be read as gzipped TFRecords: {reason}") from None
