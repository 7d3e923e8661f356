"""The `score` signature of a SavedModel: checked without loading the model, then called.

In:  `examples`, string [B], serialized raw tf.Examples.
Out: `REQUIRED`, numeric, [B]. `OPTIONAL` [B] and `BY_POSITION` [B, T] are read where they are there:
models of earlier versions lack some. Other outputs are not computed.
"""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.eager import context

from components.evaluator import models
from components.evaluator.models import ModelError, one_line
from components.evaluator.positions import Positions, Scores

SIGNATURE = "score"
INPUT = "examples"
REQUIRED = (
    "loss_sum",
    "weight_sum",
    "token_count",
    "correct_sum",
    "sequence_correct",
    "target_bytes",
)
OPTIONAL = ("target_words", "unknown_bytes")
BY_POSITION = (
    "position_loss",
    "position_weight",
    "position_correct",
    "position_confidence",
    "target_ids",
    "position_region",
)
PREDICTED = "predicted_ids"  # [B, T], read where it is asked for and there


def check_signature(path: str, outputs: Sequence[str] = ()) -> None:
    """Check that the SavedModel has a `score` signature with the inputs and outputs it must have.

    `outputs` are some that it must have besides `REQUIRED`.

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
    if missing := [
        name for name in (*REQUIRED, *outputs) if name not in signatures[SIGNATURE].outputs
    ]:
        raise ModelError(f"{path}: {SIGNATURE} lacks the output(s) {', '.join(missing)}")


class Scorer:
    """A loaded model that turns serialized raw examples into `Scores`."""

    def __init__(self, path: str, *, predicted: bool = False) -> None:
        """Load the model; `predicted`: also read the ids that it finds likeliest.

        Raises:
          ModelError: it does not load, or its signature cannot be traced.
        """
        self._path = path
        self._model = models.load(path)  # kept: its variables live as long as it does
        try:
            self._scores = self._traced(self._model.signatures[SIGNATURE], predicted)
        except Exception as error:
            raise ModelError(f"{path}: cannot be traced ({one_line(error)})") from error

    def _traced(self, score: Any, predicted: bool) -> Any:
        """The signature as a function of its own, with the outputs that are read."""
        there = score.structured_outputs.keys()
        self._sums = [*REQUIRED, *(name for name in OPTIONAL if name in there)]
        self._by_position: tuple[str, ...] = BY_POSITION if set(BY_POSITION) <= there else ()
        if self._by_position and predicted and PREDICTED in there:
            self._by_position = (*BY_POSITION, PREDICTED)

        # Only these outputs leave the graph, so TensorFlow prunes what the others alone need.
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def scores(examples: tf.Tensor) -> dict[str, tf.Tensor]:
            outputs = score(examples=examples)
            found = {name: tf.cast(outputs[name], tf.float64) for name in self._sums}
            return found | {name: outputs[name] for name in self._by_position}

        return scores.get_concrete_function()

    def __call__(self, serialized: Sequence[bytes]) -> Scores:
        """Return the scores of B serialized raw examples.

        Raises:
          ModelError: the model refuses the examples or gives another shape.
        """
        try:
            found = self._scores(tf.constant(serialized, tf.string))
            values = {name: value.numpy() for name, value in found.items()}
        except Exception as error:
            raise ModelError(f"{self._path}: {SIGNATURE} failed ({one_line(error)})") from error
        rows = len(serialized)
        for name in self._sums:
            if values[name].shape != (rows,):
                self._refuse(name, values[name], f"[{rows}]")
        if not self._by_position:
            return Scores(values)
        length = values["target_ids"].shape[-1]
        for name in self._by_position:
            if values[name].shape != (rows, length):
                self._refuse(name, values[name], f"[{rows}, {length}]")
        loss, weight, correct, confidence, ids, region = map(values.pop, BY_POSITION)
        predicted = values.pop(PREDICTED, None)
        return Scores(
            values,
            Positions(
                loss.astype(np.float64),
                weight.astype(np.float64),
                correct.astype(np.float64),
                confidence.astype(np.float64),
                ids.astype(np.int64),
                region.astype(np.int64),
                None if predicted is None else predicted.astype(np.int64),
            ),
        )

    def _refuse(self, name: str, value: npt.NDArray[Any], expected: str) -> None:
        shape = list(value.shape)
        raise ModelError(
            f"{self._path}: {SIGNATURE} gave {name} of shape {shape}, expected {expected}"
        )


def graphs_as_written() -> None:
    """From now on this thread runs functions as they are, not rewritten; no other thread does.

    Rewriting a graph takes 0.25 to 0.45 s of CPU at its first call, and 20 000 examples are scored no
    quicker for it (`make bench-eval`). A rewritten graph may give another last bit of a float32, so this
    is not TensorFlow's public switch: that is the process's, and two threads that turn it on and back
    again leave it on for whatever runs later.
    """
    here = context.context()
    config = tf.compat.v1.ConfigProto.FromString(here.function_call_options.config_proto_serialized)
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    here.function_call_options = context.FunctionCallOptions(config_proto=config)
