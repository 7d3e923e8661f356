"""Batches of raw examples that are about equally long, so that padding them to the longest costs little.

A file is read block by block; a block is sorted by the size of its serialized examples, which is
cheap to know and grows with their length, and cut into batches. So no more than a block is held, and
the batches of a file depend on its rows only: each run adds up the same numbers in the same order.
"""

import dataclasses
import os
from collections.abc import Iterator, Sequence

import apache_beam as beam
import tensorflow as tf

from components import records
from components.errors import InputError

_ROWS_READ = 256
_READ_BUFFER = 1 << 20  # bytes


@dataclasses.dataclass(frozen=True)
class Limits:
    """What is held at once.

    Attributes:
      rows: of a batch.
      batch_bytes: of the serialized examples of a batch; a larger example is a batch alone.
      block_rows, block_bytes: of a block, which is read to its end in steps of 256 examples.
    """

    rows: int
    batch_bytes: int = 4 << 20
    block_rows: int = 16_384
    block_bytes: int = 32 << 20


class ReadBatches(beam.PTransform):
    """The examples of all files that match the patterns, as lists of serialized examples."""

    def __init__(self, patterns: Sequence[str], limits: Limits) -> None:
        """Find the files.

        Raises:
          InputError: no file matches a pattern.
        """
        super().__init__()
        self._files = [path for pattern in patterns for path in _matching(pattern)]
        self._limits = limits

    def expand(self, pipeline: beam.Pipeline) -> beam.PCollection:
        """Apply it to the pipeline itself."""
        return (
            pipeline
            | "Files" >> beam.Create(self._files)
            | "Spread" >> beam.Reshuffle()
            | "Read" >> beam.FlatMap(file_batches, self._limits).with_output_types(list[bytes])
        )


def file_batches(path: str, limits: Limits) -> Iterator[list[bytes]]:
    """The examples of a TFRecord file, gzip if it is named so, in batches."""
    for block in _blocks(path, limits):
        # By content where sizes are equal: whatever the order of a block's rows, the same batches.
        block.sort(key=lambda row: (len(row), row))
        yield from cut(block, limits)


def cut(rows: Sequence[bytes], limits: Limits) -> Iterator[list[bytes]]:
    """Rows in their order, in batches within the limits."""
    batch: list[bytes] = []
    held = 0
    for row in rows:
        if batch and (len(batch) == limits.rows or held + len(row) > limits.batch_bytes):
            yield batch
            batch, held = [], 0
        batch.append(row)
        held += len(row)
    if batch:
        yield batch


def _matching(pattern: str) -> list[str]:
    files = sorted(tf.io.gfile.glob(pattern))
    if not files:
        raise InputError(f"examples: got no file that matches {pattern}, expected at least one")
    return files


def _blocks(path: str, limits: Limits) -> Iterator[list[bytes]]:
    compression = "GZIP" if os.path.splitext(path)[1] == ".gz" else ""
    read = tf.data.TFRecordDataset(path, compression, _READ_BUFFER)
    read = read.with_options(records.options())
    block: list[bytes] = []
    held = 0
    for batch in read.batch(min(_ROWS_READ, limits.block_rows)).prefetch(1):
        rows = batch.numpy().tolist()
        block += rows
        held += sum(map(len, rows))
        if len(block) >= limits.block_rows or held >= limits.block_bytes:
            yield block
            block, held = [], 0
    if block:
        yield block
