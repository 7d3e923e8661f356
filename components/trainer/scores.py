"""What a model says of a batch of targets: the arithmetic that validation and `score` share."""

import tensorflow as tf

from components.sequence_loss import TokenScores, token_scores
from components.trainer.models import SequenceModel
from transform import features

Batch = dict[str, tf.Tensor]


def of_positions(
    model: SequenceModel, hidden: tf.Tensor, batch: Batch, live: tf.Tensor
) -> TokenScores:
    """`token_scores` of hidden states [B, T, D], by the model's projection in float32.

    Args:
      model: whose projection it is.
      hidden: [B, T, D], of the batch.
      batch: the targets [B, T].
      live: bool [B, T], the positions that are scored.
    """
    kernel, bias, transposed = model.stored_projection()
    return token_scores(
        hidden, kernel, bias, batch[features.TARGETS], live, transpose_kernel=transposed
    )


def loss_sums(losses: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """sum w l of each example, [B]; a position of weight 0 counts for nothing, whatever its loss."""
    weighted = tf.where(tf.not_equal(weights, 0), weights * losses, tf.zeros([], losses.dtype))
    return tf.reduce_sum(weighted, axis=1)
