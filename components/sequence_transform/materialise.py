"""One raw shard to one transformed shard, by the saved graph: batches on threads, one file in order.

The bytes of a file depend on its records alone, neither on the number of threads nor on where the
batches are cut: every row is transformed and serialized by itself.
"""

import functools
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import apache_beam as beam
import tensorflow as tf

from components import progress, shards
from components.errors import InputError, excerpt
from components.sequence_transform import graph, wire
from transform.settings import Settings

BATCH = 1024
BATCH_POSITIONS = 1 << 18
# zlib's own level, 6, writes less but takes much longer where weights differ by token.
COMPRESSION_LEVEL = 1
_SHOWN_ROWS = 20


@dataclass(frozen=True)
class Job:
    """What a worker has to know: the graph's folder, where each raw shard goes, a row's text.

    Attributes:
      transform_graph: folder of the transform graph.
      outputs: path of the transformed shard by path of the raw one.
      shown_column: raw column by which a message names a row.
      batch: rows that are transformed at once, see `batch_size`.
    """

    transform_graph: str
    outputs: dict[str, str]
    shown_column: str
    batch: int


def batch_size(settings: Settings) -> int:
    """Rows a batch: fewer of long ones, as a batch of padded rows is as long as it is wide."""
    width = 2 * settings.target.max_length
    if settings.source:
        width += settings.source.max_length * (1 + settings.input_chars)
    return max(1, min(BATCH, BATCH_POSITIONS // width))


def output_paths(raw: Sequence[str], folder: str) -> dict[str, str]:
    """Where each raw shard of a split goes, by the names of TFX's own Transform."""
    names = (f"transformed_examples-{i:05d}-of-{len(raw):05d}.gz" for i in range(len(raw)))
    return {path: os.path.join(folder, name) for path, name in zip(raw, names, strict=True)}


def materialise_all(job: Job, make_pipeline: Callable[[], beam.Pipeline], *, folder: str) -> None:
    """Write every transformed shard, by one Beam pipeline; `folder` is for its notes.

    Raises:
      InputError: the graph refuses rows; each is named.
    """
    work = functools.partial(materialise, job=job)
    try:
        shards.each(make_pipeline, list(job.outputs), work, label="Transform", folder=folder)
    finally:
        _loaded.cache_clear()  # the next graph may have the name of this one


def materialise(path: str, job: Job) -> None:
    """Write the transformed shard of the raw shard at `path`.

    Raises:
      InputError: the graph refuses rows; each is named.
    """
    with _LOCK:  # or every thread would load it
        transform = _loaded(job.transform_graph)
    output = job.outputs[path]
    unfinished = os.path.join(os.path.dirname(output), "." + os.path.basename(output))
    options = tf.io.TFRecordOptions("GZIP", compression_level=COMPRESSION_LEVEL)
    work = functools.partial(_records, transform=transform, path=path, column=job.shown_column)
    with tf.io.TFRecordWriter(unfinished, options) as writer:
        for records in shards.in_order(work, shards.batches(path, job.batch)):
            for record in records:
                writer.write(record)
    tf.io.gfile.rename(unfinished, output, overwrite=True)
    progress.update(f"transformed {os.path.basename(path)}")


_LOCK = threading.Lock()


@functools.lru_cache(maxsize=1)
def _loaded(transform_graph: str) -> graph.Transform:
    return graph.load(transform_graph)


def _records(
    examples: tf.Tensor, *, transform: graph.Transform, path: str, column: str
) -> list[bytes]:
    """Transformed and serialized, one a raw example."""
    try:
        features = transform(examples)
    except tf.errors.InvalidArgumentError as error:
        lines = _refused(examples, transform, column)
        if not lines:
            raise
        split = os.path.basename(os.path.dirname(path)).removeprefix("Split-")
        raise InputError("\n".join(f"{split} split, {line}" for line in lines)) from error
    return wire.serialize({name: value.numpy() for name, value in features.items()})


def _refused(examples: tf.Tensor, transform: graph.Transform, column: str) -> list[str]:
    """The rows on which the graph fails, with its reason: it sees a batch, so ask row by row."""
    lines: list[str] = []
    for row in range(len(examples)):
        example = examples[row : row + 1]
        try:
            transform(example)
        except tf.errors.InvalidArgumentError as error:
            lines.append(f"row {excerpt(_values(example, column))!r}: {_reason(error.message)}")
            if len(lines) == _SHOWN_ROWS:
                break
    return lines


def _reason(message: str) -> str:
    """The words and numbers of a failed assertion, without the names of the graph's nodes."""
    line = message.partition("assertion failed: ")[2] or message
    return line.partition("\n")[0].strip().replace("] [", " ").strip("[]")


def _values(example: tf.Tensor, column: str) -> list[bytes | int]:
    feature = tf.train.Example.FromString(example[0].numpy()).features.feature[column]
    return [*feature.bytes_list.value, *feature.int64_list.value]
