"""The model that is validated and exported, which need not be the one that is trained."""

from typing import Any

import numpy as np
import tensorflow as tf

from components.trainer.models import SequenceModel
from components.trainer.objective import Objective
from components.trainer.selection import Weights


class Shown:
    """The model that is validated and exported.

    It is the trained one, or a float32 twin of it where what is shown are other weights (a moving
    average) or other arithmetic (training in bfloat16).
    """

    def __init__(
        self,
        model: SequenceModel,
        objective: Objective,
        source: list[Any],
        batch_spec: dict[str, tf.TensorSpec],
    ) -> None:
        """`source`: the variables that `refresh` copies; empty if the model is the trained one."""
        self.model = model
        self._source = source
        self._sums = tf.function(objective.plain, input_signature=[batch_spec], autograph=False)

    def trace(self) -> None:
        """Trace what the first validation would otherwise wait for."""
        self._sums.get_concrete_function()

    def refresh(self) -> None:
        """The newest weights into the shown model."""
        for mine, theirs in zip(self._variables(), self._source, strict=bool(self._source)):
            mine.assign(theirs)

    def weights(self) -> Weights:
        """A copy of the trainable weights."""
        return [np.array(variable) for variable in self._variables()]

    def assign(self, weights: Weights) -> None:
        """The inverse of `weights`."""
        for variable, value in zip(self._variables(), weights, strict=True):
            variable.assign(value)

    def loss(self, batches: tf.data.Dataset) -> float | None:
        """The masked per-token loss over all batches: sums first, one division.

        None where no position has weight: there is no loss then.
        """
        numerator, denominator = self.sums(batches)
        return numerator / denominator if denominator else None

    def sums(self, batches: tf.data.Dataset) -> tuple[float, float]:
        """(sum w l, sum w) over all batches."""
        numerator = denominator = 0.0
        for batch in batches:
            sums = self._sums(batch)
            numerator += float(sums.numerator)
            denominator += float(sums.denominator)
        return numerator, denominator

    def _variables(self) -> list[tf.Variable]:
        return [variable.value for variable in self.model.trainable_variables]
