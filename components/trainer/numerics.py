"""Settings that Keras and TensorFlow keep globally, held for as long as they are wanted."""

import contextlib
from collections.abc import Iterator

import keras
import tensorflow as tf
from tensorflow.python.framework import config as tf_config

PRECISIONS = ("float32", "mixed_bfloat16")


@contextlib.contextmanager
def precision(name: str) -> Iterator[None]:
    """Layers made inside compute in this precision; their variables are float32 in any case."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def product_dtype(precision_name: str) -> tf.DType:
    """The dtype of the projection's matrix products; its sums are float32 in any case."""
    return tf.bfloat16 if precision_name == "mixed_bfloat16" else tf.float32


@contextlib.contextmanager
def deterministic(wanted: bool) -> Iterator[None]:
    """Only kernels that give the same bits each time; TensorFlow as it was before, afterwards.

    The public switch cannot be turned off again, and the components that run later in this process
    did not ask for it.
    """
    before = tf_config.is_op_determinism_enabled()
    if wanted:
        tf.config.experimental.enable_op_determinism()
    try:
        yield
    finally:
        if not before:
            tf_config.disable_op_determinism()
