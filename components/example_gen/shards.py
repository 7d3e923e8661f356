"""Shards: tf.Examples written to several files, so that the stages after this one can share them."""

import collections
import os
from collections.abc import Sequence

import tensorflow as tf

from components.example_gen.columns import Checked, Column, Kind
from components.example_gen.outcome import Part
from components.example_gen.places import PlaceWriter

# Small enough that 200 000 sentences are several shards, and growing so that a terabyte is not a
# million of them: 64 of 4 MiB, 64 of 8 MiB, and so on. Of what is written, before compression.
SHARD_BYTES = 4 << 20
_SHARDS_OF_A_SIZE = 64
# Between zlib's own level, 6, which takes longer for little, and 1, whose files are clearly larger.
_COMPRESSION = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=4)
_LISTS = {
    Kind.TEXT: "bytes_list",
    Kind.TEXT_LIST: "bytes_list",
    Kind.FLOAT_LIST: "float_list",
    Kind.WEIGHT_LIST: "float_list",
    Kind.NUMBER: "float_list",
    Kind.WEIGHT: "float_list",
    Kind.ID_LIST: "int64_list",
    Kind.INTEGER: "int64_list",
}


def encode(columns: Sequence[Column], values: Checked) -> bytes:
    """Serialize checked values as a tf.Example; the same values always give the same bytes."""
    example = tf.train.Example()
    features = example.features.feature
    for column, value in zip(columns, values, strict=True):
        feature = features[column.name]  # a missing value stays a feature without a kind
        if value is not None:
            getattr(feature, _LISTS[column.kind]).value.extend(value)
    return example.SerializeToString(deterministic=True)


class ShardWriter:
    """Writes the examples of one unit, starting a new file per split whenever one is full."""

    def __init__(
        self, folder: str, *, unit: int, span: int, shard_bytes: int = SHARD_BYTES
    ) -> None:
        """Take the folder, the unit's number and span, and the bytes of its first shards."""
        self._folder, self._unit, self._span = folder, unit, span
        self._shard_bytes = shard_bytes
        self._open: dict[str, tf.io.TFRecordWriter] = {}
        self._places: dict[str, PlaceWriter] = {}
        self._bytes: collections.Counter[str] = collections.Counter()
        self.parts: dict[str, list[Part]] = {}

    def write(self, split: str, example: bytes, *, file: int, line: int) -> None:
        """Append one example to its split; it is from that line of that input file."""
        if split not in self._open or self._bytes[split] >= self._full(split):
            self._start(split)
        self._open[split].write(example)
        self._places[split].add(file, line)
        self._bytes[split] += len(example)
        self.parts[split][-1].rows += 1

    def _full(self, split: str) -> int:
        return self._shard_bytes << (len(self.parts[split]) - 1) // _SHARDS_OF_A_SIZE

    def _start(self, split: str) -> None:
        if split in self._open:
            self._open[split].close()
            self._places[split].close()
        parts = self.parts.setdefault(split, [])
        name = f"{split}.{self._unit:05d}.{len(parts):05d}.gz"
        lines = f"{name}.lines"
        parts.append(Part(split=split, name=name, span=self._span, rows=0, lines=lines))
        self._bytes[split] = 0
        self._open[split] = tf.io.TFRecordWriter(os.path.join(self._folder, name), _COMPRESSION)
        self._places[split] = PlaceWriter(os.path.join(self._folder, lines))

    def close(self) -> None:
        """Finish all files."""
        for writer in (*self._open.values(), *self._places.values()):
            writer.close()
