"""The exported model, and its network with the exported weights, for gradients.

The SavedModel carries every variable in the order in which `build_model` makes them, and the
ModelSpec beside it: the network is built again and given those weights. Whether it is the same
network is a check of its own ("one number").
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from components import model_facts, saved_model
from components import sequence_loss as loss
from components.errors import InputError
from components.trainer.models import ModelSpec, SequenceModel, build_model
from components.trainer.request import LossOptions
from components.trainer.training import Objective, contract_lengths
from pipeline.verify.sample import Arrays
from transform import features

_BATCH = 64


@dataclass(frozen=True)
class Sums:
    """One pass over a batch: sum w l, sum w, and the gradient of the first to all variables, flat."""

    numerator: float
    denominator: float
    gradient: np.ndarray


class ExportedModel:
    """A SavedModel of tokenline.

    Attributes:
      folder, facts, settings: where it is and what it says of itself.
      network: the same weights as a Keras model.
    """

    def __init__(self, folder: str) -> None:
        """Load it and build its network.

        Raises:
          InputError: it does not load, or does not carry what its network needs.
        """
        self.folder = folder
        self.facts = model_facts.read(folder)
        self.settings = model_facts.settings(self.facts, folder)
        try:
            self._loaded = saved_model.load(folder)
        except (OSError, ValueError, tf.errors.OpError) as error:
            reason = str(error).strip().split("\n")[0]
            raise InputError(f"{folder}: cannot be loaded as a SavedModel: {reason}") from None
        self.network = _network(self._loaded, self.facts["model"], folder)
        self.objective = Objective(self.network, self.settings, LossOptions())
        self.spec = features.feature_spec(contract_lengths(self.settings))
        self._hidden = self._traced(self._hidden_states)
        self._sums = self._traced(self.objective.plain)
        self._sums_and_gradient = self._traced(self._numerator_gradient)

    @property
    def vocabulary_size(self) -> int:
        """V."""
        return self.network.spec.vocabulary_size

    def transform_features(self, rows: Sequence[bytes], size: int = _BATCH) -> Arrays:
        """The feature contract of raw rows, from the exported signature, `size` rows a call."""
        return self._call("transform_features", rows, size)

    def score(self, rows: Sequence[bytes], size: int = _BATCH) -> Arrays:
        """Everything that the exported `score` signature says of raw rows."""
        return self._call("score", rows, size)

    @property
    def predicting(self) -> tuple[str, ...]:
        """The exported signatures that predict."""
        names = ("serving_default", "serving_text", "generate")
        return tuple(name for name in names if name in self._loaded.signatures)

    def predict(self, name: str, rows: Sequence[bytes]) -> Arrays:
        """What a predicting signature says of raw rows, or of texts, in one call."""
        return self._call(name, rows, max(1, len(rows)))

    def string_constants(self, name: str) -> list[list[bytes]]:
        """Every list of strings in a signature's graph and in the functions that it may call."""
        graph = self._loaded.signatures[name].graph.as_graph_def()
        nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
        tensors = [node.attr["value"].tensor for node in nodes if node.op == "Const"]
        return [_strings(t) for t in tensors if t.dtype == tf.string.as_datatype_enum]

    def hidden(self, batch: Arrays) -> tuple[np.ndarray, np.ndarray]:
        """Hidden states `[B, T, D]` and logits `[B, T, V]` of a batch of features, no dropout."""
        hidden, logits = self._hidden(_tensors(batch))
        return hidden.numpy(), logits.numpy()

    def sums(self, batch: Arrays) -> tuple[float, float]:
        """(sum w l, sum w) as the trainer's validation adds them up."""
        found = self._sums(_tensors(batch))
        return float(found.numerator), float(found.denominator)

    def sums_and_gradient(self, batch: Arrays) -> Sums:
        """`sums`, and the gradient of sum w l with respect to every trainable variable."""
        found, gradient = self._sums_and_gradient(_tensors(batch))
        return Sums(float(found.numerator), float(found.denominator), gradient.numpy())

    def _hidden_states(self, batch: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        hidden = self.network.hidden(self.objective.inputs(batch), training=False)
        return hidden, self.network.logits(hidden)

    def _numerator_gradient(self, batch: dict[str, tf.Tensor]) -> tuple[Any, tf.Tensor]:
        variables = self.network.trainable_variables
        with tf.GradientTape() as tape:
            found = self._differentiable(batch)
        zero = tf.UnconnectedGradients.ZERO
        gradients = tape.gradient(found.numerator, variables, unconnected_gradients=zero)
        flat = [tf.reshape(tf.convert_to_tensor(each), [-1]) for each in gradients]
        return found, tf.concat(flat, axis=0)

    def _differentiable(self, batch: dict[str, tf.Tensor]) -> loss.LossSum:
        """The plain loss by way of `linear_sequence_loss`, whose gradient the trainer's step applies."""
        hidden = self.network.hidden(self.objective.inputs(batch), training=False)
        kernel, bias, transposed = self.network.stored_projection()
        return loss.linear_sequence_loss(
            hidden,
            kernel,
            bias,
            batch[features.TARGETS],
            batch[features.LOSS_WEIGHTS],
            transpose_kernel=transposed,
            compute_dtype=tf.float32,
        )

    def _traced(self, function: Callable[..., Any]) -> Callable[..., Any]:
        # Open lengths: one trace serves every batch.
        signature = {
            name: tf.TensorSpec([None] * (1 + len(feature.shape)), feature.dtype)
            for name, feature in self.spec.items()
        }
        return tf.function(function, input_signature=[signature], autograph=False)

    def _call(self, name: str, rows: Sequence[bytes], size: int) -> Arrays:
        signature = self._loaded.signatures[name]
        parts = [
            signature(tf.constant(rows[at : at + size], tf.string))
            for at in range(0, len(rows), size)
        ]
        return {key: np.concatenate([part[key].numpy() for part in parts]) for key in parts[0]}


def _network(loaded: Any, spec: dict[str, Any], folder: str) -> SequenceModel:
    try:
        weights = list(loaded.weights.variables_in_order)
        network = build_model(ModelSpec(**spec))
        for variable, weight in zip(network.variables, weights, strict=True):
            variable.assign(weight)
    except (AttributeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{folder}: its weights do not fit the network that its facts describe: {reason}"
        ) from None
    return network


def _strings(tensor: Any) -> list[bytes]:
    """A TensorProto's strings; a run of equal ones at its end is stored once."""
    values = list(tensor.string_val)
    count = int(np.prod([dimension.size for dimension in tensor.tensor_shape.dim]))
    return values + values[-1:] * (count - len(values))


def _tensors(batch: Arrays) -> dict[str, tf.Tensor]:
    return {name: tf.constant(value) for name, value in batch.items()}
