"""The `score` signature of a SavedModel: checked without loading the model, then called.

In:  `examples`, string [B], serialized raw tf.Examples.
Out: the sums named in `metrics.SCORES`, numeric, [B]. Other outputs are not computed.
"""

import os
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from components import saved_model
from components.evaluator.metrics import SCORES, Array

SIGNATURE = "score"
INPUT = "examples"


class ModelError(RuntimeError):
    """A model that cannot be scored: what is wrong with it, and with which model."""


def one_line(error: BaseException) -> str:
    """Return what an exception says, on one line of at most 300 characters."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def check_signature(path: str) -> None:
    """Check that the SavedModel has a `score` signature with the inputs and outputs it must have.

    Raises:
      ModelError: what is missing, what is there.
    """
    try:
        with tf.io.gfile.GFile(os.path.join(path, "saved_model.pb"), "rb") as file:
            saved = saved_model_pb2.SavedModel.FromString(file.read())
    except Exception as error:
        raise ModelError(f"{path}: not a SavedModel ({one_line(error)})") from error
    signatures = {
        name: signature
        for graph in saved.meta_graphs
        for name, signature in graph.signature_def.items()
    }
    if SIGNATURE not in signatures:
        # Names with underscores are SavedModel's own.
        names = ", ".join(sorted(n for n in signatures if not n.startswith("__"))) or "none"
        raise ModelError(f"{path}: no signature {SIGNATURE!r}, it has: {names}")
    inputs = {name: info.dtype for name, info in signatures[SIGNATURE].inputs.items()}
    if inputs != {INPUT: tf.string.as_datatype_enum}:
        described = {name: tf.dtypes.as_dtype(dtype).name for name, dtype in inputs.items()}
        raise ModelError(f"{path}: {SIGNATURE} takes {described}, expected {{{INPUT!r}: 'string'}}")
    if missing := [name for name in SCORES if name not in signatures[SIGNATURE].outputs]:
        raise ModelError(f"{path}: {SIGNATURE} lacks the output(s) {', '.join(missing)}")


class Scorer:
    """A loaded model that turns serialized raw examples into `SCORES`."""

    def __init__(self, path: str) -> None:
        """Load the model.

        Raises:
          ModelError: it does not load.
        """
        self._path = path
        try:
            self._model = saved_model.load(path)
        except Exception as error:
            raise ModelError(f"{path}: does not load ({one_line(error)})") from error
        score = self._model.signatures[SIGNATURE]

        # Only these outputs leave the graph, so TensorFlow prunes what the others alone need.
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def scores(examples: tf.Tensor) -> tf.Tensor:
            outputs = score(examples=examples)
            return tf.stack([tf.cast(outputs[name], tf.float64) for name in SCORES], axis=-1)

        self._scores = scores.get_concrete_function()

    def __call__(self, serialized: Sequence[bytes]) -> Array:
        """Return `SCORES` of B serialized raw examples, float64 [B, len(SCORES)].

        Raises:
          ModelError: the model refuses the examples or gives another shape.
        """
        try:
            scores = self._scores(tf.constant(serialized, tf.string)).numpy()
        except Exception as error:
            raise ModelError(f"{self._path}: {SIGNATURE} failed ({one_line(error)})") from error
        if scores.shape != (len(serialized), len(SCORES)):
            raise ModelError(
                f"{self._path}: {SIGNATURE} gave outputs of shape {list(scores.shape[:-1])}, "
                f"expected [{len(serialized)}]"
            )
        return np.asarray(scores, np.float64)
