"""Transformed TFRecords to batches of packed rows; see `packing` for which examples share a row.

An epoch is a pure function of the files, the plan, the seed and the epoch's number, as in
`batching`. Every example is in exactly one row of it.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components import records
from components.trainer import batching, buckets, packing
from components.trainer.batching import Batch
from components.trainer.models import segments
from components.trainer.request import BatchOptions
from transform import features

_ROWS_READ = 4096


class _Side(NamedTuple):
    """The names of what packed rows hold of one side."""

    lengths: str
    segments: str
    positions: str
    values: tuple[str, ...]


_TARGET = _Side(
    features.TARGET_LENGTHS,
    segments.TARGET_SEGMENTS,
    segments.TARGET_POSITIONS,
    (features.TARGETS, features.LOSS_WEIGHTS),
)
_SOURCE = _Side(
    features.INPUT_LENGTHS,
    segments.INPUT_SEGMENTS,
    segments.INPUT_POSITIONS,
    (features.INPUTS, features.INPUT_CHARS),
)


def plan(
    files: Sequence[str], lengths: features.Lengths, options: BatchOptions
) -> packing.PackedPlan:
    """The rows of an epoch of these files; reads the lengths of all examples once."""
    limits = (lengths.target, lengths.source) if lengths.source else (lengths.target,)
    read: list[npt.NDArray[np.int32]] = [np.zeros([0, len(limits)], np.int32)]
    serialized = records.dataset(sorted(files)).batch(_ROWS_READ)
    for rows in serialized.map(lambda rows: batching.row_lengths(rows, lengths)):
        read.append(rows.numpy().astype(np.int32))
    found = np.concatenate(read)
    size = _block_size(len(found), options.shuffle_buffer)
    blocks = []
    for start in range(0, max(1, len(found)), size):
        of_block = found[start : start + size].astype(np.int64)
        one_each: buckets.Ints = np.ones(len(of_block), np.int64)
        blocks.append(buckets.Histogram(*buckets.merged(of_block, one_each), limits))
    return packing.plan(
        blocks, size=options.size, kind=options.type, effective_size=options.effective_size
    )


def _block_size(examples: int, shuffle_buffer: int) -> int:
    """All if they fit into the buffer; else half a buffer at most, as the next is read meanwhile."""
    if examples <= shuffle_buffer:
        return max(1, examples)
    blocks = math.ceil(examples / max(1, shuffle_buffer // 2))
    return math.ceil(examples / blocks)


def training_batches(
    files: Sequence[str],
    lengths: features.Lengths,
    plan: packing.PackedPlan,
    *,
    seed: int,
    epochs: range,
    start: int = 0,
) -> tf.data.Dataset:
    """The batches of epochs in a row, shuffled, each as (epoch, batch): a pure function.

    Where the plan has one block, the examples are read once. Otherwise the files are read in the
    same order in every epoch, and shuffled within the plan's blocks.

    Args:
      files: transformed TFRecords, gzip: those that were planned for.
      lengths: T, S, C of the contract.
      plan: of `plan`.
      seed: of the run.
      epochs: from 0, in steps of 1: each has an order of its own.
      start: batches that the run has had of the first epoch.

    Raises:
      tf.errors.InvalidArgumentError: when read, the files hold other rows than were planned.
    """
    if len(plan.blocks) == 1:
        read = batching.held(files, plan.examples, epochs)
    else:
        read = _in_blocks(files, plan, epochs)
    packed = read.map(_Packer(plan, lengths, seed)).prefetch(1)
    batches = packed.flat_map(lambda rows: _batches(rows, plan.rows)).skip(start)
    parse = batching.parser(lengths)
    ready = batches.map(
        lambda epoch, rows, counts: (epoch, pack(parse(rows), counts, plan.shape)),
        num_parallel_calls=2,
        deterministic=True,
    ).prefetch(4)
    return ready.with_options(batching.read_at_once())


def batch_spec(spec: dict[str, tf.TensorSpec]) -> dict[str, tf.TensorSpec]:
    """What packed batches look like, where those that are not packed are of `spec`."""
    added = {segments.PACKED_EXAMPLES: tf.TensorSpec([None], tf.int64)}
    for side in (_TARGET, _SOURCE):
        if side.lengths in spec:
            for name in (side.segments, side.positions):
                added[name] = tf.TensorSpec([None, None], tf.int64)
    return spec | added


def pack(batch: Batch, counts: tf.Tensor, shape: buckets.Shape) -> Batch:
    """Examples [E] to rows [B] with the features of `models.segments`.

    Args:
      batch: of the contract; the examples of a row are neighbours.
      counts: [B], examples of each row.
      shape: positions of a row, on each side.
    """
    packed = {segments.PACKED_EXAMPLES: tf.cast(counts, tf.int64)}
    sides = (_TARGET, _SOURCE)
    for side, positions in zip(sides, shape, strict=False):
        packed |= _packed_side(batch, counts, side, positions)
    return packed


def _packed_side(batch: Batch, counts: tf.Tensor, side: _Side, positions: int) -> Batch:
    lengths = batch[side.lengths]  # [E]
    row = tf.repeat(tf.range(tf.size(counts)), counts)
    row_lengths = tf.math.unsorted_segment_sum(lengths, row, tf.size(counts))
    number = tf.ragged.range(1, tf.cast(counts, tf.int64) + 1).flat_values

    def rows(real: tf.Tensor) -> tf.Tensor:
        ragged = tf.RaggedTensor.from_row_lengths(real, row_lengths, validate=False)
        return ragged.to_tensor(shape=[None, positions, *real.shape[1:]])

    found = {
        side.lengths: row_lengths,
        side.segments: rows(tf.repeat(number, lengths)),
        side.positions: rows(tf.ragged.range(lengths).flat_values),
    }
    for name in side.values:
        if name in batch:
            mask = tf.sequence_mask(lengths, tf.shape(batch[name])[1])
            found[name] = rows(tf.boolean_mask(batch[name], mask))
    return found


def _in_blocks(files: Sequence[str], plan: packing.PackedPlan, epochs: range) -> tf.data.Dataset:
    """(epoch, number of the block in it, rows of the block)."""

    def of_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
        rows = records.dataset(sorted(files)).batch(plan.blocks[0].examples)
        counted = rows.apply(tf.data.experimental.assert_cardinality(len(plan.blocks)))
        return counted.enumerate().map(lambda number, rows: (epoch, number, rows))

    return tf.data.Dataset.range(epochs.start, epochs.stop).flat_map(of_epoch)


class _Rows(NamedTuple):
    """Serialized examples and the rows they are packed in.

    Attributes:
      epoch: int64 [].
      examples: string [N].
      order: int32 [N], indices of `examples`, those of a row and those of a batch neighbours.
      splits: int64 [rows + 1], the places in `order` where rows begin and end.
    """

    epoch: tf.Tensor
    examples: tf.Tensor
    order: tf.Tensor
    splits: tf.Tensor


class _Packer:
    """Gives each example of a block a place among those that the plan has for its lengths."""

    def __init__(self, plan: packing.PackedPlan, lengths: features.Lengths, seed: int) -> None:
        self._lengths = lengths
        self._seed = seed
        patterns = [pattern for block in plan.blocks for pattern in block.patterns]
        flat = np.array([size for pattern in patterns for size in pattern], np.int64)
        codes = self._code(flat.reshape(-1, len(plan.shape)))
        self._patterns = tf.RaggedTensor.from_row_lengths(codes, [len(one) for one in patterns])
        self._counts = tf.constant([n for block in plan.blocks for n in block.counts], tf.int64)
        self._ends = np.cumsum([0, *(len(block.patterns) for block in plan.blocks)])

    def _code(self, lengths: Any) -> tf.Tensor:
        """Lengths [N, D] as one number each, [N]."""
        factors = [self._lengths.source + 1, 1][-lengths.shape[1] :]
        return tf.reduce_sum(lengths * tf.constant(factors, tf.int64), axis=1)

    @tf.autograph.experimental.do_not_convert
    def __call__(self, epoch: tf.Tensor, number: tf.Tensor, examples: tf.Tensor) -> _Rows:
        """For `Dataset.map`: a block of serialized examples [N] to its rows in a new order."""
        start, end = tf.unstack(tf.gather(self._ends, [number, number + 1]))
        counts = self._counts[start:end]
        places = tf.gather(self._patterns[start:end], tf.repeat(tf.range(tf.size(counts)), counts))
        seed = batching.seed_of(self._seed, epoch)
        seed = tf.random.experimental.stateless_fold_in(seed, number)
        chosen = self._chosen(examples, places.values, seed)
        rows = tf.random.experimental.stateless_shuffle(tf.range(places.nrows()), seed + 1)
        mixed = tf.gather(places.with_values(chosen), rows)
        return _Rows(epoch, examples, mixed.values, mixed.row_splits)

    def _chosen(self, examples: tf.Tensor, places: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """The example of each place, int32 [N]: any order of those of the same lengths."""
        codes = self._code(batching.row_lengths(examples, self._lengths))
        order = tf.random.experimental.stateless_shuffle(tf.range(tf.size(examples)), seed)
        order = tf.gather(order, tf.argsort(tf.gather(codes, order), stable=True))
        sorted_places = tf.argsort(places, stable=True)
        text = "the files hold other rows than were planned for"
        same_number = tf.debugging.Assert(tf.equal(tf.size(codes), tf.size(places)), [text])
        with tf.control_dependencies([same_number]):
            found, planned = tf.gather(codes, order), tf.gather(places, sorted_places)
        tf.debugging.Assert(tf.reduce_all(tf.equal(found, planned)), [text])
        return tf.scatter_nd(sorted_places[:, tf.newaxis], order, tf.shape(places))


@tf.autograph.experimental.do_not_convert
def _batches(rows: _Rows, most: int) -> tf.data.Dataset:
    """Dataset of (epoch, serialized examples, examples of each row), one batch each."""
    total = tf.size(rows.splits, tf.int64) - 1
    number = -(-total // most)
    edges = tf.range(number + 1) * total // number  # about as many rows in each
    return tf.data.Dataset.from_tensor_slices((edges[:-1], edges[1:])).map(
        lambda start, end: _batch(rows, rows.splits[start : end + 1])
    )


def _batch(rows: _Rows, splits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    chosen = rows.order[splits[0] : splits[-1]]
    return rows.epoch, tf.gather(rows.examples, chosen), splits[1:] - splits[:-1]
