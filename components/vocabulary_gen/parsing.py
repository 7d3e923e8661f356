"""Serialized raw tf.Examples to raw columns: what counting, naming faults and learning read."""

import tensorflow as tf

from transform import preprocessing
from transform.settings import ID_LIST, Settings


def parse(serialized: tf.Tensor, settings: Settings) -> preprocessing.RawFeatures:
    """The raw columns that the settings name, as sparse tensors, of string [B]."""
    spec = {
        side.column: tf.io.VarLenFeature(tf.int64 if side.tokenizer == ID_LIST else tf.string)
        for side in settings.sides.values()
    }
    for column in (settings.token_weights, settings.example_weights):
        if column:
            spec[column] = tf.io.VarLenFeature(tf.float32)
    for column in preprocessing.added_columns(settings):
        spec[column] = tf.io.VarLenFeature(tf.int64)
    return tf.io.parse_example(serialized, spec)
