"""Wrong losses that look right: what people write, and the property that finds each of them.

All stand for `token_mean`. (logits [B, T, V], targets [B, T], weights [B, T]) -> LossSum.
"""

import tensorflow as tf

from components.sequence_loss import LossSum, sequence_loss, token_cross_entropy

SMOOTHING = 0.1


def _safe(logits, targets, weights):
    """Correct token losses [B, T] at weight, 0 elsewhere."""
    live = tf.cast(weights != 0, tf.float32)
    return sequence_loss(logits, targets, live, reduction="none")


def _total(weights, losses):
    return tf.reduce_sum(tf.cast(weights, losses.dtype) * losses)


def _sum_of(weights, dtype):
    return tf.cast(tf.reduce_sum(weights), dtype)


def mean_of_means(logits, targets, weights, lengths, reduction):
    """The mean over all rows of each row's mean: rows without weight drag it down."""
    rows = sequence_loss(logits, targets, weights, reduction="per_example")
    return LossSum(tf.reduce_sum(rows), tf.cast(tf.size(rows), rows.dtype))


def divided_by_positions(logits, targets, weights, lengths, reduction):
    """Keras's default: sum w l / (B T), padding included."""
    losses = _safe(logits, targets, weights)
    return LossSum(_total(weights, losses), tf.cast(tf.size(losses), losses.dtype))


def divided_by_nonzero_count(logits, targets, weights, lengths, reduction):
    """sum w l / #(w != 0), which TF 1 called a sum: weights change the scale."""
    losses = _safe(logits, targets, weights)
    return LossSum(_total(weights, losses), tf.cast(tf.math.count_nonzero(weights), losses.dtype))


def normalised_per_micro_batch(logits, targets, weights, lengths, reduction):
    """Each part's mean, one vote each: gradient accumulation as it is usually done."""
    losses = _safe(logits, targets, weights)
    mean = tf.math.divide_no_nan(_total(weights, losses), _sum_of(weights, losses.dtype))
    return LossSum(mean, tf.ones([], losses.dtype))


def multiplied_after_cross_entropy(logits, targets, weights, lengths, reduction):
    """w * cross-entropy, as TF 1 did: 0 * NaN is NaN. (Ids are made legal: that is not the point.)"""
    ids = tf.clip_by_value(targets, 0, tf.shape(logits)[-1] - 1)
    losses = token_cross_entropy(logits, ids)
    return LossSum(_total(weights, losses), _sum_of(weights, losses.dtype))


def leaking_pad_gradient(logits, targets, weights, lengths, reduction):
    """The right value; padding still pulls at its logits (a regulariser outside the mask)."""
    losses = _safe(logits, targets, weights)
    pads = tf.where((weights == 0)[..., tf.newaxis], logits, tf.zeros([], logits.dtype))
    leak = tf.cast(tf.reduce_sum(pads - tf.stop_gradient(pads)), losses.dtype)
    numerator = _total(weights, losses) + 0.01 * leak
    return LossSum(numerator, _sum_of(weights, losses.dtype))


def smoothing_at_pads(logits, targets, weights, lengths, reduction):
    """Label smoothing added after the mask, so that padding is smoothed too."""
    losses = _safe(logits, targets, weights)
    uniform = -tf.reduce_mean(tf.nn.log_softmax(tf.cast(logits, losses.dtype)), axis=-1)  # [B, T]
    numerator = (1.0 - SMOOTHING) * _total(weights, losses) + SMOOTHING * tf.reduce_sum(uniform)
    return LossSum(numerator, _sum_of(weights, losses.dtype))


# mutant -> all the properties that it breaks
KILLED_BY = {
    mean_of_means: {"masking", "parity"},
    divided_by_positions: {"masking", "splitting", "parity"},
    divided_by_nonzero_count: {"parity"},
    normalised_per_micro_batch: {"splitting"},
    multiplied_after_cross_entropy: {"poison"},
    leaking_pad_gradient: {"masking", "poison", "splitting", "parity"},
    smoothing_at_pads: {"masking", "poison", "splitting", "parity"},
}
