"""Pure tensor functions between ragged tokens and the padded contract."""

import tensorflow as tf

RIGHT = "right"
LEFT = "left"


def cut(rows: tf.RaggedTensor, room: int, end: str = RIGHT) -> tf.RaggedTensor:
    """Rows [B, (N)] cut to [B, (<= room)] at the end `right` (first ones kept) or `left`.

    Raises:
      ValueError: `room` is negative: the length does not even hold bos and eos.
    """
    if room < 0:
        raise ValueError(f"got room for {room} tokens, expected 0 or more")
    if end == RIGHT or room == 0:  # a slice from -0 would be everything
        return rows[:, :room]
    return rows[:, -room:]


def frame(
    rows: tf.RaggedTensor,
    *,
    first: int | float | str | None = None,
    last: int | float | str | None = None,
    ended: tf.Tensor | None = None,
) -> tf.RaggedTensor:
    """Rows [B, (N)] with one more value in front and one more behind.

    Args:
      rows: of any type, already cut to the room that is left between the two.
      first, last: the values, bos and eos for ids; None adds nothing.
      ended: bool [B]: only rows that have ended get `last`; None: all.
    """
    everywhere = tf.ones_like(rows.row_lengths(), tf.bool)
    parts = [rows]
    if first is not None:
        parts.insert(0, _single(first, everywhere, rows))
    if last is not None:
        parts.append(_single(last, everywhere if ended is None else ended, rows))
    return tf.concat(parts, axis=1)


def _single(value: int | float | str, where: tf.Tensor, like: tf.RaggedTensor) -> tf.RaggedTensor:
    """Rows that hold `value` alone where `where` [B] is true, and nothing elsewhere."""
    counts = tf.cast(where, like.row_splits.dtype)
    flat = tf.fill([tf.reduce_sum(counts)], tf.constant(value, like.dtype))
    return tf.RaggedTensor.from_row_lengths(flat, counts, validate=False)


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
