"""The named factors of `loss_weights`, and their product."""

import tensorflow as tf

from transform import sequence

MASK = "mask"
TOKEN = "token"
EXAMPLE = "example"


def token_factor(
    numbers: tf.RaggedTensor, token_counts: tf.Tensor, *, kept: int, max_length: int
) -> tf.Tensor:
    """A row's own weight for each of its tokens, float32 [B, T]; 1 after them (eos counts fully).

    Args:
      numbers: float32 [B, (N)], as many as the row has tokens before trimming, or none (all 1).
      token_counts: int64 [B], tokens of each row before eos and trimming.
      kept: how many tokens trimming leaves at most; T, or T - 1 where eos is appended.
      max_length: T.

    Raises:
      InvalidArgumentError: (when run) a row has another number of weights than of tokens.
    """
    counts = sequence.lengths(numbers)
    fits = tf.debugging.Assert(
        tf.reduce_all((counts == token_counts) | (counts == 0)),
        ["token weights: expected one for each token; weights", counts, "tokens", token_counts],
    )
    with tf.control_dependencies([fits]):
        return sequence.pad(numbers[:, :kept], max_length=max_length, value=1.0)


def example_factor(numbers: tf.RaggedTensor) -> tf.Tensor:
    """A row's weight as a whole, float32 [B, 1]; 1 where the column has no value."""
    return sequence.pad(numbers[:, :1], max_length=1, value=1.0)


def product(mask: tf.Tensor, *factors: tf.Tensor) -> tf.Tensor:
    """`loss_weights` [B, T]: the factors' product, exactly 0 where `mask` is 0 (not NaN * 0)."""
    weights = tf.ones_like(mask)
    for factor in factors:
        weights *= factor
    return tf.where(mask > 0, weights, tf.zeros_like(mask))
