"""Transformed TFRecords to batches of rows that are about equally long.

An epoch is a pure function of the files, the plan, the seed and the epoch's number: a run that was
interrupted goes on with the batches that were to come. Every example is in exactly one batch of it.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from components import records
from components.trainer import buckets
from components.trainer.request import BatchOptions
from transform import features

Batch = dict[str, tf.Tensor]

_ROWS_READ = 4096
_TRIMMED = {
    features.TARGETS: features.TARGET_LENGTHS,
    features.LOSS_WEIGHTS: features.TARGET_LENGTHS,
    features.INPUTS: features.INPUT_LENGTHS,
    features.INPUT_CHARS: features.INPUT_LENGTHS,
}


def plan(files: Sequence[str], lengths: features.Lengths, options: BatchOptions) -> buckets.Plan:
    """The batches of an epoch of these files; reads the lengths of all examples once."""
    return buckets.plan(
        histogram(files, lengths),
        size=options.size,
        kind=options.type,
        shapes=options.shapes,
        multiple=options.bucket_multiple,
        effective_size=options.effective_size,
    )


def histogram(files: Sequence[str], lengths: features.Lengths) -> buckets.Histogram:
    """How often each length occurs: of the targets, and of the inputs where there are any."""
    limits = (lengths.target, lengths.source) if lengths.source else (lengths.target,)
    found: buckets.Ints = np.zeros([0, len(limits)], np.int64)
    counts: buckets.Ints = np.zeros([0], np.int64)
    for rows in _records(files).batch(_ROWS_READ).map(lambda rows: row_lengths(rows, lengths)):
        found = np.concatenate([found, rows.numpy()])
        counts = np.concatenate([counts, np.ones(len(rows), np.int64)])
        found, counts = buckets.merged(found, counts)
    return buckets.Histogram(found, counts, limits)


def training_batches(
    files: Sequence[str],
    lengths: features.Lengths,
    plan: buckets.Plan,
    *,
    seed: int,
    epochs: range,
    shuffle_buffer: int,
    start: int = 0,
) -> tf.data.Dataset:
    """The batches of epochs in a row, shuffled, each as (epoch, batch): a pure function.

    An epoch does not depend on those before it. Where all examples fit into `shuffle_buffer`, they
    are read once, and every order of them is possible. Otherwise they are shuffled in blocks of half
    as many, while the next block is read, be it of the next epoch; the order of the files changes
    with each epoch. The batches of a block are mixed, long and short.

    Args:
      files: transformed TFRecords, gzip: those that were planned for.
      lengths: T, S, C of the contract.
      plan: of `plan`.
      seed: of the run.
      epochs: from 0, in steps of 1: each has an order of its own.
      shuffle_buffer: serialized examples held, but for those that wait to fill a batch.
      start: batches that the run has had of the first epoch; quicker than `.skip(start)`, and the
        same.

    Raises:
      tf.errors.InvalidArgumentError: when read, the files hold other rows than the plan counted.
    """
    if not plan.examples:
        none = evaluation_batches(files, lengths, size=1, multiple=1)
        return none.map(lambda batch: (tf.constant(epochs.start, tf.int64), batch))
    if plan.examples <= shuffle_buffer:
        block, read = plan.examples, held(files, plan.examples, epochs)
    else:
        block = max(1, shuffle_buffer // 2)
        read = _in_blocks(files, math.ceil(plan.examples / block), block, seed, epochs)
    cut = read.scan(tf.constant([], tf.string), _Cutter(plan, lengths, seed, block)).prefetch(1)
    batches = cut.flat_map(_batches_of_block).skip(start)
    parse, shapes = parser(lengths), _shape_table(plan)
    ready = batches.map(
        lambda epoch, rows, bucket: (
            epoch,
            _cut_to(parse(rows), tf.gather(shapes, bucket), lengths),
        ),
        num_parallel_calls=2,
        deterministic=True,
    ).prefetch(4)
    return ready.with_options(read_at_once())


def evaluation_batches(
    files: Sequence[str], lengths: features.Lengths, *, size: int, multiple: int
) -> tf.data.Dataset:
    """All examples once, in file order."""
    batches = _records(files).batch(size).map(parser(lengths))
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
    return records.dataset(sorted(files))


def held(files: Sequence[str], examples: int, epochs: range) -> tf.data.Dataset:
    """(epoch, 0, all rows) for each epoch; the rows are read once, and are the same tensor."""
    # One row more than planned, if there is one: `_Cutter` counts them.
    rows = _records(files).batch(examples + 1).apply(tf.data.experimental.assert_cardinality(1))
    numbers = tf.data.Dataset.range(epochs.start, epochs.stop)
    return tf.data.Dataset.zip((numbers, rows.cache().repeat())).map(
        lambda epoch, rows: (epoch, tf.constant(0, tf.int64), rows)
    )


def _in_blocks(
    files: Sequence[str], blocks: int, block: int, seed: int, epochs: range
) -> tf.data.Dataset:
    """(epoch, number of the block in it, rows of the block)."""
    names = sorted(files)

    def of_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
        shuffled = tf.random.experimental.stateless_shuffle(names, seed_of(seed, epoch))
        rows = records.dataset(shuffled).batch(block)
        counted = rows.apply(tf.data.experimental.assert_cardinality(blocks)).enumerate()
        return counted.map(lambda number, rows: (epoch, number, rows))

    return tf.data.Dataset.range(epochs.start, epochs.stop).flat_map(of_epoch)


def seed_of(seed: int, epoch: tf.Tensor) -> tf.Tensor:
    """Of an epoch, int [2]."""
    of_run = tf.convert_to_tensor(seed)
    return tf.stack([of_run, tf.cast(epoch, of_run.dtype)])


def read_at_once() -> tf.data.Options:
    """Read ahead from when the iterator is made, not from its first batch on."""
    options = records.options()
    options.experimental_warm_start = True
    return options


def parser(lengths: features.Lengths) -> Callable[[tf.Tensor], Batch]:
    spec = features.feature_spec(lengths)
    return lambda serialized: tf.io.parse_example(serialized, spec)


class _Block(NamedTuple):
    """Serialized rows, and which of them make a batch.

    Attributes:
      epoch: int64 [].
      rows: string [N].
      order: int32 [N], indices of `rows`; those of a batch are neighbours.
      starts: int32 [batches], the place in `order` where each batch starts.
      ends: int32 [batches], where it ends.
      buckets: int32 [batches].
    """

    epoch: tf.Tensor
    rows: tf.Tensor
    order: tf.Tensor
    starts: tf.Tensor
    ends: tf.Tensor
    buckets: tf.Tensor


class _Cutter:
    """Cuts blocks of rows into full batches; what fills none waits for the next block."""

    def __init__(
        self, plan: buckets.Plan, lengths: features.Lengths, seed: int, block: int
    ) -> None:
        self._plan = plan
        self._lengths = lengths
        self._seed = seed
        self._last = math.ceil(plan.examples / block) - 1
        self._last_rows = plan.examples - block * self._last

    @tf.autograph.experimental.do_not_convert
    def __call__(self, left: tf.Tensor, numbered: tuple[tf.Tensor, ...]) -> Any:
        """For `Dataset.scan`: (rows left, (epoch, number, rows)) -> (rows left, _Block).

        No rows are left at the end of an epoch.
        """
        epoch, number, read = numbered
        last = tf.equal(number, self._last)
        self._check(read, last)
        # One block is handed on as it is: `concat` would copy it.
        rows = tf.concat([left, read], axis=0) if self._last else read
        seed = tf.random.experimental.stateless_fold_in(seed_of(self._seed, epoch), number)
        order = tf.random.experimental.stateless_shuffle(tf.range(tf.size(rows)), seed)
        bucket = tf.gather(self._bucket(rows), order)
        bucket = tf.cond(last, lambda: self._promoted(bucket), lambda: bucket)
        sorted_places = tf.argsort(bucket, stable=True)
        order, bucket = tf.gather(order, sorted_places), tf.gather(bucket, sorted_places)
        places, waits = self._cut(order, bucket, last, seed)
        left = tf.gather(rows, tf.boolean_mask(order, waits))
        return left, _Block(epoch, rows, order, *places)

    def _cut(
        self, order: tf.Tensor, bucket: tf.Tensor, last: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tuple[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]:
        """The batches of sorted rows, mixed, as (starts, ends, buckets); bool [N]: rows in none."""
        size = tf.constant([one.rows for one in self._plan.buckets])
        counts = tf.math.bincount(bucket, minlength=len(self._plan.buckets))
        first = tf.cumsum(counts, exclusive=True)
        taken = tf.where(last, counts, counts // size * size)
        batches = -(-taken // size)
        of = tf.repeat(tf.range(tf.size(size)), batches)
        within = tf.range(tf.size(of)) - tf.gather(tf.cumsum(batches, exclusive=True), of)
        starts = tf.gather(first, of) + within * tf.gather(size, of)
        ends = tf.minimum(starts + tf.gather(size, of), tf.gather(first + taken, of))
        mixed = tf.random.experimental.stateless_shuffle(tf.range(tf.size(of)), seed + 1)
        starts, ends, of = (tf.gather(one, mixed) for one in (starts, ends, of))
        waits = tf.range(tf.size(order)) >= tf.gather(first + taken, bucket)
        return (starts, ends, of), waits

    def _check(self, read: tf.Tensor, last: tf.Tensor) -> None:
        """Only the last block may have another size; assert_cardinality counts the blocks."""
        text = f"the files hold other rows than were planned for: not {self._plan.examples}"
        tf.debugging.Assert(~last | tf.equal(tf.size(read), self._last_rows), [text])

    def _bucket(self, rows: tf.Tensor) -> tf.Tensor:
        """The first bucket that holds each row, int32 [N]."""
        shapes = _shape_table(self._plan)
        fits = tf.reduce_all(row_lengths(rows, self._lengths)[:, None] <= shapes, axis=2)
        text = "the files hold other rows than were planned for: one is longer than all shapes"
        tf.debugging.Assert(tf.reduce_all(tf.reduce_any(fits, axis=1)), [text])
        return tf.argmax(fits, axis=1, output_type=tf.int32)

    def _promoted(self, bucket: tf.Tensor) -> tf.Tensor:
        """The same, with the rows that fill no batch in the bucket that takes them."""
        for index, one in enumerate(self._plan.buckets):
            if one.promoted_to is not None:
                mine = tf.where(tf.equal(bucket, index))
                moved = mine[tf.shape(mine)[0] // one.rows * one.rows :]
                target = tf.fill([tf.shape(moved)[0]], one.promoted_to)
                bucket = tf.tensor_scatter_nd_update(bucket, moved, target)
        return bucket


@tf.autograph.experimental.do_not_convert
def _batches_of_block(block: _Block) -> tf.data.Dataset:
    """Dataset of (epoch, serialized rows, bucket), one batch each."""
    places = tf.data.Dataset.from_tensor_slices((block.starts, block.ends, block.buckets))
    return places.map(
        lambda start, end, bucket: (
            block.epoch,
            tf.gather(block.rows, block.order[start:end]),
            bucket,
        )
    )


def _shape_table(plan: buckets.Plan) -> tf.Tensor:
    """int64 [buckets, D]."""
    return tf.constant([bucket.shape for bucket in plan.buckets], tf.int64)


def _sides(lengths: features.Lengths) -> tuple[str, ...]:
    """The features that hold the lengths of each side of a shape."""
    both = (features.TARGET_LENGTHS, features.INPUT_LENGTHS)
    return both if lengths.source else both[:1]


def row_lengths(rows: tf.Tensor, lengths: features.Lengths) -> tf.Tensor:
    """Serialized rows [N] to int64 [N, D]; nothing else of them is parsed."""
    spec = {name: tf.io.FixedLenFeature([], tf.int64) for name in _sides(lengths)}
    parsed = tf.io.parse_example(rows, spec)
    return tf.stack([parsed[name] for name in _sides(lengths)], axis=1)


def _cut_to(batch: Batch, shape: tf.Tensor, lengths: features.Lengths) -> Batch:
    """The first positions of each side, as many as the shape [D] has."""
    kept = dict(zip(_sides(lengths), tf.unstack(shape), strict=True))
    return {
        name: value[:, : kept[_TRIMMED[name]]] if name in _TRIMMED else value
        for name, value in batch.items()
    }
