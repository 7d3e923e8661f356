"""Reading gzip TFRecords with tf.data, for the components: one way, which ends as soon as it is done."""

from collections.abc import Sequence

import tensorflow as tf

_READ_BUFFER = 1 << 20


def dataset(paths: Sequence[str] | tf.Tensor) -> tf.data.Dataset:
    """The serialized records of all files, string [], in the order of `paths`."""
    read = tf.data.TFRecordDataset(paths, "GZIP", buffer_size=_READ_BUFFER)
    return read.with_options(options())


def options() -> tf.data.Options:
    """Without the autotuner, whose thread sleeps for seconds before it lets a pipeline end."""
    chosen = tf.data.Options()
    chosen.autotune.enabled = False
    return chosen
