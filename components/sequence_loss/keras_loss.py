"""`SequenceLoss`: the same number behind Keras's loss interface."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from components.sequence_loss import checks, functional, losses, reductions

_MEANS = set(reductions.SUMS) - {"token_sum"}


@keras.saving.register_keras_serializable(package="tokenline")
class SequenceLoss(keras.losses.Loss):
    """`sequence_loss` for `compile`, `fit` and direct calls; `sample_weight` is weights `[B, T]`.

    It replaces `Loss.__call__` on purpose. Keras's own multiplies what `call` returns by
    `sample_weight` and averages once more (over B * T by default), and multiplies by the
    `_keras_mask` that `Embedding(mask_zero=True)` leaves on `y_pred`. Here the weights are the only
    mask, and the reduction is applied once.

    `fit` reports the mean of the batches' losses weighted by their row counts, which is Keras's
    doing and not the token mean of the epoch; add `sequence_loss_sum` over batches for that. Under
    a distribution strategy `fit` averages the replicas' means, each counting the same: where their
    weights are unequal that is not the mean of the batch; add `sequence_loss_sum` over replicas.
    There (inside `strategy.run`) a call returns its mean divided by the number of replicas, as
    Keras's own losses do, because Keras then adds the replicas' gradients.

    `fit` needs a reduction to a scalar. With `none`, `per_example` or `per_example_sum`, which are
    for direct calls, it steps along the gradient of the *sum* while its history shows a mean;
    a loss cannot tell who calls it, so this is not refused.

    Target ids may be whole numbers in float32 or float64, as Keras's sparse losses take them (Keras
    traces some models with such targets whatever the data). A fraction at a non-zero weight is an
    error.

    Args:
      reduction: a name of `reductions.REDUCTIONS` except `length_mean`, which needs lengths that
        Keras does not pass.
      from_logits, label_smoothing, z_loss, softmax_loss_function: as in `sequence_loss`.
      name, dtype: as in `keras.losses.Loss`; the dtype of the loss is that of the logits, at least
        float32.
    """

    def __init__(
        self,
        *,
        reduction: str = "token_mean",
        from_logits: bool = True,
        label_smoothing: float = 0.0,
        z_loss: float = 0.0,
        softmax_loss_function: Callable[..., Any] | None = None,
        name: str = "sequence_loss",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, reduction=None, dtype=dtype)
        if reductions.require_reduction(reduction) == "length_mean":
            raise ValueError("SequenceLoss: 'length_mean' needs target_lengths; use sequence_loss")
        self.reduction = reduction
        self._options = losses.CrossEntropy(
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            z_loss=z_loss,
            softmax_loss_function=softmax_loss_function,
        )

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> tf.Tensor:
        """`y_true` targets `[B, T]` or `[B, T, V]`, `y_pred` logits `[B, T, V]`."""
        with tf.name_scope(self.name):
            loss = self._reduced(y_true, y_pred, sample_weight, self.reduction)
            return loss / _replicas(loss.dtype) if self.reduction in _MEANS else loss

    def call(self, y_true: Any, y_pred: Any) -> tf.Tensor:
        """Unweighted token losses `[B, T]`."""
        return self._reduced(y_true, y_pred, None, "none")

    def _reduced(self, targets: Any, logits: Any, weights: Any, reduction: str) -> tf.Tensor:
        logits = checks.require_logits(logits)
        return functional.sequence_loss(
            logits,
            _whole(targets, logits, weights),
            weights,
            reduction=reduction,
            from_logits=self._options.from_logits,
            label_smoothing=self._options.label_smoothing,
            z_loss=self._options.z_loss,
            softmax_loss_function=self._options.softmax_loss_function,
        )

    def get_config(self) -> dict[str, Any]:
        """Everything that `from_config` needs to make an equal loss."""
        function = self._options.softmax_loss_function
        return {
            "name": self.name,
            "dtype": self.dtype,
            "reduction": self.reduction,
            "from_logits": self._options.from_logits,
            "label_smoothing": self._options.label_smoothing,
            "z_loss": self._options.z_loss,
            "softmax_loss_function": None if function is None else _serialized(function),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "SequenceLoss":
        """The loss whose `get_config` this is."""
        function = config.get("softmax_loss_function")
        if function is not None and not callable(function):
            function = keras.saving.deserialize_keras_object(function)
        return cls(**{**config, "softmax_loss_function": function})


def _replicas(dtype: tf.DType) -> tf.Tensor:
    """Replicas that run this step together; 1 outside `strategy.run`.

    Keras adds the replicas' gradients, and leaves it to each mean to have been divided by this.
    """
    context = tf.distribute.get_replica_context()
    return tf.cast(1 if context is None else context.num_replicas_in_sync, dtype)


def _whole(targets: Any, logits: tf.Tensor, weights: Any) -> tf.Tensor:
    """Targets, with floating ids `[B, T]` as int64; an error at a fraction of non-zero weight.

    Elsewhere, and under XLA, a fraction is -1, which is no class.
    """
    if targets is None:
        return targets
    targets = checks.as_tensor("targets", targets)
    if targets.shape.rank != 2 or targets.dtype not in (tf.float32, tf.float64):
        return targets
    targets = checks.require_same_shape("targets", targets, logits, dims=2)
    live = checks.nonzero(checks.require_weights(weights, logits, tf.float32))
    whole = tf.equal(tf.round(targets), targets) & tf.math.is_finite(targets)
    what = "target id that is no whole number, at a non-zero weight"
    targets = checks.raise_where(live & ~whole, targets, what)
    return tf.cast(tf.where(whole, targets, -tf.ones([], targets.dtype)), tf.int64)


def _serialized(function: Callable[..., Any]) -> Any:
    """The function's Keras configuration, else a TypeError of one line."""
    try:
        return keras.saving.serialize_keras_object(function)
    except Exception as error:
        raise TypeError(
            f"softmax_loss_function: got a {type(function).__name__}, which has no configuration;"
            " to save the loss, expected a function registered with keras.saving"
        ) from error
