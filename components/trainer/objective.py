"""A batch to sums: what is minimised, and what is reported beside it."""

from typing import NamedTuple

import tensorflow as tf

from components.sequence_loss import (
    LossParts,
    LossSum,
    check_finite,
    linear_sequence_loss_parts,
    per_segment_weights,
)
from components.trainer import scores
from components.trainer.models import SequenceModel, segments
from components.trainer.request import LossOptions
from transform import features, sequence
from transform.settings import Settings

Batch = dict[str, tf.Tensor]


class Minimised(NamedTuple):
    """Sums of one training batch, added over batches before they are divided.

    Attributes:
      total: what is minimised, of the reduction in use.
      plain: (sum w l, sum w) of the plain loss.
      z_loss: the z-loss that is part of `total`.
    """

    total: LossSum
    plain: LossSum
    z_loss: LossSum

    @property
    def loss(self) -> tf.Tensor:
        """What to differentiate for this batch alone."""
        return self.total.mean


class Objective:
    """Neither training nor validation ever holds logits [B, T, V]."""

    def __init__(
        self,
        model: SequenceModel,
        settings: Settings,
        loss: LossOptions,
        product_dtype: tf.DType = tf.float32,
        *,
        raises: bool = True,
    ) -> None:
        """`product_dtype`: of the projection's matrix products; losses and sums stay float32.

        `raises`: whether a loss that is not finite is an error in training.
        """
        self._model = model
        self._bos_id = settings.special.bos
        self._loss = loss
        self._product_dtype = product_dtype
        self._raises = raises

    def inputs(self, batch: Batch) -> Batch:
        """The model's features: the batch, and the targets shifted right."""
        shifted = sequence.shift_right(batch[features.TARGETS], self._bos_id)
        if segments.TARGET_POSITIONS in batch:
            shifted = segments.shift_right(shifted, batch[segments.TARGET_POSITIONS], self._bos_id)
        return batch | {features.DECODER_INPUTS: shifted}

    def minimised(self, batch: Batch) -> Minimised:
        """What a training step differentiates, and the sums that are reported of it."""
        hidden = self._model.hidden(self.inputs(batch), training=True)
        parts = self._parts(hidden, batch, self._loss)
        if self._loss.reduction == "example_mean":
            # The one reduction whose numerator is not sum w l.
            again = self._parts(tf.stop_gradient(hidden), batch, LossOptions(), forward_only=True)
            return Minimised(parts.total, again.total, parts.z_loss)
        weight = tf.reduce_sum(tf.reduce_sum(batch[features.LOSS_WEIGHTS], axis=1))
        return Minimised(parts.total, LossSum(parts.plain.numerator, weight), parts.z_loss)

    def plain(self, batch: Batch) -> LossSum:
        """(sum w l, sum w) without dropout, smoothing or z-loss: the number that is reported.

        By the functions of the exported `score`, so that the two agree, also on losses near 0.

        Raises:
          tf.errors.InvalidArgumentError: at a non-zero weight, an id outside the vocabulary or a loss
            that is not finite, with its place.
        """
        weights = batch[features.LOSS_WEIGHTS]
        hidden = self._model.hidden(self.inputs(batch), training=False)
        found = scores.of_positions(self._model, hidden, batch, tf.not_equal(weights, 0))
        losses = check_finite(found.losses, weights)
        by_example = scores.loss_sums(losses, weights), tf.reduce_sum(weights, axis=1)
        return LossSum(*(tf.reduce_sum(tf.cast(sums, tf.float64)) for sums in by_example))

    def _parts(
        self,
        hidden: tf.Tensor,
        batch: Batch,
        loss: LossOptions,
        *,
        forward_only: bool = False,
    ) -> LossParts:
        kernel, bias, transposed = self._model.stored_projection()
        reduction, weights, examples = _of_rows(batch, loss.reduction)
        parts = linear_sequence_loss_parts(
            hidden,
            kernel,
            bias,
            batch[features.TARGETS],
            weights,
            reduction=reduction,
            target_lengths=batch[features.TARGET_LENGTHS],
            label_smoothing=loss.label_smoothing,
            z_loss=loss.z_loss,
            transpose_kernel=transposed,
            compute_dtype=self._product_dtype,
            forward_only=forward_only,
            raises=self._raises,
        )
        return parts if examples is None else _divided_by(parts, examples)


def _of_rows(batch: Batch, reduction: str) -> tuple[str, tf.Tensor, tf.Tensor | None]:
    """(reduction, weights [B, T], divisor or None) with which rows of several examples, if they are
    packed, come to what the examples come to on rows of their own."""
    weights = batch[features.LOSS_WEIGHTS]
    if segments.TARGET_SEGMENTS not in batch:
        return reduction, weights, None
    if reduction == "example_mean":
        return "token_mean", per_segment_weights(weights, batch[segments.TARGET_SEGMENTS]), None
    if reduction == "batch_mean":
        examples = tf.cast(tf.reduce_sum(batch[segments.PACKED_EXAMPLES]), weights.dtype)
        return "token_sum", weights, examples
    return reduction, weights, None


def _divided_by(parts: LossParts, divisor: tf.Tensor) -> LossParts:
    """The same sums, to be divided by `divisor`."""
    return LossParts(*(LossSum(part.numerator, divisor) for part in parts))
