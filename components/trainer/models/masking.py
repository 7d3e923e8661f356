"""Masks from lengths: the only kind of mask in this package (never `ids != pad_id`)."""

import tensorflow as tf


def length_mask(ids: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    """True at the real positions.

    Args:
      ids: [B, T], of which only the shape is used.
      lengths: [B], number of real positions of each row.

    Returns:
      bool [B, T].
    """
    return tf.sequence_mask(lengths, tf.shape(ids)[1])


def real_ids(ids: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """The ids at real positions and 0 elsewhere, so that no pad, not even a wild id, is looked up.

    Args:
      ids: int [B, T].
      mask: bool [B, T].

    Returns:
      int [B, T].
    """
    return tf.where(mask, ids, tf.zeros_like(ids))


def zero_padding(values: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """`values` [B, T, D] with exact zeros where `mask` [B, T] is False."""
    return tf.where(mask[..., tf.newaxis], values, tf.zeros_like(values))


def batch_size(features: dict[str, tf.Tensor]) -> tf.Tensor:
    """B, read off any feature: each has the batch first."""
    return tf.shape(next(iter(features.values())))[0]
