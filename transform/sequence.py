"""Pure tensor functions between ragged tokens and the padded contract."""

import tensorflow as tf


def trim(ids: tf.RaggedTensor, *, max_length: int, eos_id: int | None) -> tf.RaggedTensor:
    """Cut each row to `max_length` positions and end it with eos, which is never cut.

    Args:
      ids: int64 [B, (N)].
      max_length: positions kept, eos included.
      eos_id: appended to each row; None appends nothing.

    Returns:
      int64 [B, (<= max_length)].
    """
    if eos_id is None:
        return ids[:, :max_length]
    kept = ids[:, : max_length - 1]
    return tf.concat([kept, tf.fill([kept.nrows(), 1], tf.constant(eos_id, ids.dtype))], axis=1)


def pad(rows: tf.RaggedTensor, *, max_length: int, value: int | float) -> tf.Tensor:
    """Rows [B, (N)] as a dense [B, max_length], `value` on the right."""
    dense = rows.to_tensor(tf.constant(value, rows.dtype), shape=[None, max_length])
    return tf.ensure_shape(dense, [None, max_length])


def lengths(rows: tf.RaggedTensor) -> tf.Tensor:
    """Number of values of each row, int64 [B]."""
    return tf.cast(rows.row_lengths(), tf.int64)


def mask(lengths: tf.Tensor, max_length: int) -> tf.Tensor:
    """float32 [B, max_length]: 1 before the length, 0 at and past it."""
    return tf.sequence_mask(lengths, max_length, dtype=tf.float32)


def shift_right(targets: tf.Tensor, bos_id: int) -> tf.Tensor:
    """The decoder's inputs [B, T]: bos, then the targets without their last position."""
    bos = tf.fill([tf.shape(targets)[0], 1], tf.constant(bos_id, targets.dtype))
    return tf.concat([bos, targets[:, :-1]], axis=1)


def characters(tokens: tf.RaggedTensor, max_characters: int) -> tf.RaggedTensor:
    """The first characters of each token: string [B, (N), (<= max_characters)]."""
    split = tf.strings.unicode_split(tokens, "UTF-8", errors="replace")
    return split[:, :, :max_characters]
