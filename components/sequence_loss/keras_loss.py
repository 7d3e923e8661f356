"""`SequenceLoss`: the same number behind Keras's loss interface."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from components.sequence_loss import functional, losses, reductions


@keras.saving.register_keras_serializable(package="tokenline")
class SequenceLoss(keras.losses.Loss):
    """`sequence_loss` for `compile`, `fit` and direct calls; `sample_weight` is weights `[B, T]`.

    It replaces `Loss.__call__` on purpose. Keras's own multiplies what `call` returns by
    `sample_weight` and averages once more (over B * T by default), and multiplies by the
    `_keras_mask` that `Embedding(mask_zero=True)` leaves on `y_pred`. Here the weights are the only
    mask, and the reduction is applied once.

    `fit` reports the mean of the batches' losses weighted by their row counts, which is Keras's
    doing and not the token mean of the epoch; add `sequence_loss_sum` over batches for that.

    Args:
      reduction: a name of `reductions.REDUCTIONS` except `length_mean`, which needs lengths that
        Keras does not pass; `fit` needs a scalar one.
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
            return self._reduced(y_true, y_pred, sample_weight, self.reduction)

    def call(self, y_true: Any, y_pred: Any) -> tf.Tensor:
        """Unweighted token losses `[B, T]`."""
        return self._reduced(y_true, y_pred, None, "none")

    def _reduced(self, targets: Any, logits: Any, weights: Any, reduction: str) -> tf.Tensor:
        return functional.sequence_loss(
            logits,
            targets,
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
            "softmax_loss_function": function and keras.saving.serialize_keras_object(function),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "SequenceLoss":
        """The loss whose `get_config` this is."""
        function = config.get("softmax_loss_function")
        if function is not None and not callable(function):
            function = keras.saving.deserialize_keras_object(function)
        return cls(**{**config, "softmax_loss_function": function})
