"""Transformed TFRecords to batches: shuffled, sorted by length within a window, trimmed.

Every example is in exactly one batch of an epoch; the last batch of an epoch may be smaller.
"""

import math
from collections.abc import Callable, Sequence

import tensorflow as tf

from transform import features

Batch = dict[str, tf.Tensor]

# Batches that are sorted together. More waste less padding and mix lengths less.
_WINDOW = 64
_TRIMMED = {
    features.TARGETS: features.TARGET_LENGTHS,
    features.LOSS_WEIGHTS: features.TARGET_LENGTHS,
    features.INPUTS: features.INPUT_LENGTHS,
    features.INPUT_CHARS: features.INPUT_LENGTHS,
}


def count(files: Sequence[str]) -> int:
    """Number of examples in TFRecord files."""
    return int(_records(files).batch(4096).reduce(0, lambda n, rows: n + tf.size(rows)).numpy())


def steps_per_epoch(examples: int, size: int) -> int:
    """Batches that hold all examples once."""
    return math.ceil(examples / size)


def training_batches(
    files: Sequence[str],
    lengths: features.Lengths,
    *,
    size: int,
    shuffle_buffer: int,
    multiple: int,
    seed: int,
) -> tf.data.Dataset:
    """One epoch of batches; iterating again gives another order, fixed by `seed`.

    Args:
      files: transformed TFRecords, gzip.
      lengths: T, S, C of the contract.
      size: examples a batch.
      shuffle_buffer: serialized examples held for shuffling.
      multiple: T and S of a batch are rounded up to a multiple of this, to bound the shapes.
      seed: of both shuffles.
    """
    rows = _records(files).shuffle(shuffle_buffer, seed=seed, reshuffle_each_iteration=True)
    windows = rows.batch(size * _WINDOW).map(_parser(lengths)).map(_sorted_by_length)
    batches = windows.flat_map(
        lambda window: tf.data.Dataset.from_tensor_slices(window).batch(size)
    )
    mixed = batches.shuffle(_WINDOW, seed=seed + 1, reshuffle_each_iteration=True)
    return mixed.map(lambda batch: trim(batch, multiple)).prefetch(4)


def evaluation_batches(
    files: Sequence[str], lengths: features.Lengths, *, size: int, multiple: int
) -> tf.data.Dataset:
    """All examples once, in file order."""
    batches = _records(files).batch(size).map(_parser(lengths))
    return batches.map(lambda batch: trim(batch, multiple)).prefetch(4)


def trim(batch: Batch, multiple: int) -> Batch:
    """Cut the padding that all rows share, up to a multiple; no real position is touched."""
    return {name: _trimmed(name, value, batch, multiple) for name, value in batch.items()}


def _trimmed(name: str, value: tf.Tensor, batch: Batch, multiple: int) -> tf.Tensor:
    if name not in _TRIMMED:
        return value
    longest = tf.reduce_max(batch[_TRIMMED[name]])
    kept = tf.maximum((longest + multiple - 1) // multiple * multiple, 1)
    return value[:, : tf.minimum(kept, tf.shape(value, tf.int64)[1])]


def _records(files: Sequence[str]) -> tf.data.Dataset:
    return tf.data.TFRecordDataset(sorted(files), compression_type="GZIP")


def _parser(lengths: features.Lengths) -> Callable[[tf.Tensor], Batch]:
    spec = features.feature_spec(lengths)
    return lambda serialized: tf.io.parse_example(serialized, spec)


def _sorted_by_length(window: Batch) -> Batch:
    """Rows of a window by target length; the earlier shuffle decides among equals."""
    order = tf.argsort(window[features.TARGET_LENGTHS], stable=True)
    return {name: tf.gather(value, order) for name, value in window.items()}
