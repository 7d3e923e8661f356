"""One training step as a graph: the gradient of a batch, the sums of a window, the update.

The gradient of a window of batches is (sum of the numerators' gradients) / (sum of denominators):
that of the one batch that holds them all, for every reduction. Averaging the batches' own gradients
would be another objective.
"""

from collections.abc import Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from components.trainer.models import SequenceModel
from components.trainer.objective import Batch, Minimised, Objective
from transform import features

# The decay of the average rises with the updates, so that the first weights do not linger.
_EMA_START = 10


class Taken(NamedTuple):
    """What one batch came to; scalars. `good`: it counts; otherwise it has changed nothing.

    `divisor` is the denominator of the reduction in use, 0 where it has none. `learning_rate`: of the
    update that the batch belongs to.
    """

    good: tf.Tensor
    gradient_norm: tf.Tensor
    numerator: tf.Tensor
    denominator: tf.Tensor
    objective: tf.Tensor
    z_loss: tf.Tensor
    divisor: tf.Tensor
    useful: tf.Tensor
    positions: tf.Tensor
    learning_rate: tf.Tensor


class Updates:
    """Takes batches; every `window` of them make one update.

    Attributes:
      averages: the moving averages of the trainable variables; empty without `ema`.
    """

    def __init__(
        self,
        model: SequenceModel,
        objective: Objective,
        optimizer: keras.optimizers.Optimizer,
        batch_spec: dict[str, tf.TensorSpec],
        *,
        window: int = 1,
        clip_norm: float = 0.0,
        ema: float = 0.0,
    ) -> None:
        """Make the variables.

        Args:
          model: what is trained.
          objective: what is minimised.
          optimizer: not yet built.
          batch_spec: of the batches, lengths open, so that one tracing serves them all.
          window: batches that make one update.
          clip_norm: largest norm of the window's gradient; 0: no limit.
          ema: decay of the weights' moving average; 0: none is kept.
        """
        self._model = model
        self._objective = objective
        self._optimizer = optimizer
        self._variables = model.trainable_variables
        optimizer.build(self._variables)
        self._clip_norm = clip_norm
        self._decay = ema
        self.averages = [tf.Variable(v.value) for v in self._variables] if ema else []
        self._sums = [tf.Variable(tf.zeros(v.shape)) for v in self._variables] if window > 1 else []
        self._divisor = tf.Variable(0.0)
        self._weight = tf.Variable(0.0)
        limit = tf.TensorSpec([], tf.float32)
        take = self._gather if window > 1 else self._whole
        self.take = tf.function(take, input_signature=[batch_spec, limit], autograph=False)
        self.close = tf.function(self._close, input_signature=[], autograph=False)
        self._accumulates = window > 1

    def trace(self) -> None:
        """Trace what the first batch would otherwise wait for."""
        self.take.get_concrete_function()
        if self._accumulates:
            self.close.get_concrete_function()

    @property
    def traces(self) -> int:
        """How often a batch was traced."""
        return self.take.experimental_get_tracing_count()

    @property
    def learning_rate(self) -> float:
        """Of the next update."""
        return float(self._optimizer.learning_rate)

    def state(self) -> dict[str, list[tf.Variable]]:
        """Every variable that the next update depends on, by kind."""
        return {
            # With dropout's random states.
            "model": [variable.value for variable in self._model.variables],
            "optimizer": [variable.value for variable in self._optimizer.variables],
            "window": [*self._sums, self._divisor, self._weight],
            "ema": self.averages,
        }

    def _whole(self, batch: Batch, limit: tf.Tensor) -> Taken:
        """A batch that is an update by itself."""
        rate = self._rate()  # before the update moves the schedule on
        found, gradients = self._gradients(batch)
        norm = tf.linalg.global_norm(gradients)
        good = _good(found, norm, limit)
        self._apply(gradients, norm, good & (_weight(found) > 0))
        return _taken(batch, found, norm, good, rate)

    def _gather(self, batch: Batch, limit: tf.Tensor) -> Taken:
        """A batch that joins the open window. `limit`: the largest plain loss that is good."""
        found, gradients = self._gradients(batch)
        norm = tf.linalg.global_norm(gradients)
        good = _good(found, norm, limit)
        divisor = _divisor(found)

        def add() -> tf.Tensor:
            for total, gradient in zip(self._sums, gradients, strict=True):
                # `gradients` are those of numerator / divisor.
                total.assign_add(gradient if divisor is None else divisor * gradient)
            self._divisor.assign_add(0.0 if divisor is None else divisor)
            self._weight.assign_add(_weight(found))
            return tf.constant(True)

        tf.cond(good, add, lambda: tf.constant(False))
        return _taken(batch, found, norm, good, self._rate())

    def _close(self) -> tf.Tensor:
        """Apply the open window and open the next; the norm of its gradient."""
        # A reduction without a denominator leaves 0 here: its sums are the gradient.
        factor = tf.where(self._divisor > 0, tf.math.divide_no_nan(1.0, self._divisor), 1.0)
        gradients = [factor * total for total in self._sums]
        norm = tf.linalg.global_norm(gradients)
        self._apply(gradients, norm, (self._weight > 0) & tf.math.is_finite(norm))
        with tf.control_dependencies(gradients):
            for variable in (*self._sums, self._divisor, self._weight):
                variable.assign(tf.zeros_like(variable))
        return norm

    def _gradients(self, batch: Batch) -> tuple[Minimised, list[tf.Tensor]]:
        """The batch's sums, and the gradients of its own loss: those of numerator / denominator."""
        with tf.GradientTape() as tape:
            found = self._objective.minimised(batch)
            loss = found.loss
        gradients = tape.gradient(loss, self._variables, unconnected_gradients="zero")
        # A loss that is not finite raises where it is computed, which the gradients do not wait for.
        with tf.control_dependencies([loss, found.plain.numerator]):
            # Dense: the norm of slices is not that of the gradient where an id occurs twice.
            return found, [tf.identity(tf.convert_to_tensor(gradient)) for gradient in gradients]

    def _apply(self, gradients: Sequence[tf.Tensor], norm: tf.Tensor, wanted: tf.Tensor) -> None:
        """One update if `wanted`; no update at all leaves the optimizer's moments alone, too."""

        def update() -> tf.Tensor:
            clipped = gradients
            if self._clip_norm:
                clipped, _ = tf.clip_by_global_norm(gradients, self._clip_norm, use_norm=norm)
            self._optimizer.apply(clipped, self._variables)
            self._average()
            return tf.constant(True)

        tf.cond(wanted, update, lambda: tf.constant(False))

    def _rate(self) -> tf.Tensor:
        return tf.cast(self._optimizer.learning_rate, tf.float32)

    def _average(self) -> None:
        done = tf.cast(self._optimizer.iterations.value, tf.float32)
        decay = tf.minimum(self._decay, (1.0 + done) / (_EMA_START + done))
        for average, variable in zip(self.averages, self._variables, strict=bool(self.averages)):
            average.assign(decay * average + (1.0 - decay) * variable.value)


def _divisor(found: Minimised) -> tf.Tensor | None:
    return found.total.denominator


def _weight(found: Minimised) -> tf.Tensor:
    """sum w of the batch."""
    return tf.convert_to_tensor(found.plain.denominator)


def _good(found: Minimised, norm: tf.Tensor, limit: tf.Tensor) -> tf.Tensor:
    loss = found.plain.mean  # a sum of finite losses may not be finite
    return tf.math.is_finite(norm) & tf.math.is_finite(loss) & (loss <= limit)


def _taken(
    batch: Batch, found: Minimised, norm: tf.Tensor, good: tf.Tensor, rate: tf.Tensor
) -> Taken:
    divisor = _divisor(found)
    return Taken(
        good=good,
        gradient_norm=norm,
        numerator=found.plain.numerator,
        denominator=_weight(found),
        objective=found.total.numerator,
        z_loss=found.z_loss.numerator,
        divisor=tf.zeros([]) if divisor is None else divisor,
        useful=tf.reduce_sum(batch[features.TARGET_LENGTHS]),
        positions=tf.size(batch[features.TARGETS]),
        learning_rate=rate,
    )
