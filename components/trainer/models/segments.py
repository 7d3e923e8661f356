"""Packed rows: several examples in one, which must not see each other.

A batch is packed if it has these features, all int64. Positions that hold no example have segment
and position 0.

| feature            | shape  | meaning                                                           |
|--------------------|--------|-------------------------------------------------------------------|
| `target_segments`  | [B, T] | number of the position's example in its row, from 1               |
| `target_positions` | [B, T] | place of the position in its example, from 0                      |
| `input_segments`   | [B, S] | the same of the source side, with the same numbers                |
| `input_positions`  | [B, S] |                                                                   |
| `packed_examples`  | [B]    | examples of the row, those without any position too               |
"""

import tensorflow as tf

TARGET_SEGMENTS = "target_segments"
TARGET_POSITIONS = "target_positions"
INPUT_SEGMENTS = "input_segments"
INPUT_POSITIONS = "input_positions"
PACKED_EXAMPLES = "packed_examples"


def same_segment(queries: tf.Tensor, keys: tf.Tensor) -> tf.Tensor:
    """Which keys each query may see: segments [B, T] and [B, S] to bool [B, T, S]."""
    return tf.equal(queries[:, :, tf.newaxis], keys[:, tf.newaxis, :])


def with_nothing(values: tf.Tensor, mask: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """One more key, all zero, for the queries that would see none: attention would see all then.

    It is what a padded batch has for an example without a source: attention to zeros.

    Args:
      values: [B, S, D].
      mask: bool [B, T, S].

    Returns:
      [B, S + 1, D] and bool [B, T, S + 1].
    """
    values = tf.pad(values, [[0, 0], [0, 1], [0, 0]])
    return values, tf.concat([mask, ~tf.reduce_any(mask, axis=2, keepdims=True)], axis=2)


def shift_right(shifted: tf.Tensor, positions: tf.Tensor, bos_id: int) -> tf.Tensor:
    """Decoder inputs [B, T] of rows that were shifted as a whole: each example starts with bos."""
    return tf.where(tf.equal(positions, 0), tf.constant(bos_id, shifted.dtype), shifted)
