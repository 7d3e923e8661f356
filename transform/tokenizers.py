"""Text to tokens and back, in the graph. A token is a byte string; ids come later (vocabulary.py)."""

from collections.abc import Callable

import tensorflow as tf

from transform.settings import TOKEN_LIST, Side

_SPLITTERS: dict[str, Callable[[tf.Tensor], tf.RaggedTensor]] = {
    "whitespace": tf.strings.split,
    "character": lambda text: tf.strings.unicode_split(text, "UTF-8", errors="replace"),
    "byte": tf.strings.bytes_split,
}
_SEPARATORS = {"whitespace": " ", "character": "", "byte": "", TOKEN_LIST: " "}
NAMES = (*_SPLITTERS, TOKEN_LIST)


def tokenize(values: tf.RaggedTensor, side: Side) -> tf.RaggedTensor:
    """Tokens of each row.

    Args:
      values: string [B, (N)], the raw column: one text a row (none counts as empty), or the tokens
        themselves where the side is `pretokenized`.
      side: which tokenizer, and whether to lower-case (Unicode; bytes that are not UTF-8 become
        U+FFFD) first.

    Returns:
      string [B, (tokens)].
    """
    if side.lowercase:
        values = tf.ragged.map_flat_values(_lower, values)
    if side.tokenizer == TOKEN_LIST:
        return values
    return _SPLITTERS[side.tokenizer](tf.strings.reduce_join(values, axis=-1))


def detokenize(tokens: tf.RaggedTensor, side: Side) -> tf.Tensor:
    """The text [B] of tokens [B, (N)]: joined by what the tokenizer split at (one space, or nothing)."""
    return tf.strings.reduce_join(tokens, axis=-1, separator=_SEPARATORS[side.tokenizer])


def _lower(texts: tf.Tensor) -> tf.Tensor:
    """Texts [N] in lower case."""
    # tf.strings.lower drops what follows a NUL, so it sees the pieces between them. Joining again
    # ends each piece with a NUL, the last one too: as an op's `separator` a NUL is dropped.
    pieces = tf.strings.split(texts, "\0")
    lowered = tf.ragged.map_flat_values(
        lambda flat: tf.strings.lower(flat, encoding="utf-8") + "\0", pieces
    )
    joined = tf.strings.reduce_join(lowered, axis=-1)
    lengths = tf.strings.length(joined) - 1
    return tf.strings.substr(joined, tf.zeros_like(lengths), lengths)
