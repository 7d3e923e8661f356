"""Drawing ids: temperature, top-k, top-p, and random numbers that belong to a row alone."""

import tensorflow as tf

_LARGEST_SEED = 2**63 - 1


def truncated(
    log_probabilities: tf.Tensor, *, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0
) -> tuple[tf.Tensor, tf.Tensor]:
    """What is drawn from: temperature first, then the `top_k` likeliest, of those the `top_p`.

    Top-p (nucleus) keeps the fewest likeliest ids whose probabilities add up to at least `top_p`;
    it counts what is left after top-k as 1. Of equally likely ids the smaller one comes first.

    Args:
      log_probabilities: [B, V]; -inf is never drawn.
      temperature: divides the log-probabilities; below 1 sharpens, above 1 flattens.
      top_k: how many ids are kept; 0, or V and more, keeps all.
      top_p: the share of probability that is kept; 1 keeps all.

    Returns:
      (weights [B, K], in proportion to the probabilities and 0 for what is cut off; ids int64
      [B, K]), K = top_k or V.

    Raises:
      ValueError: a value is out of range.

    References:
      Fan et al., "Hierarchical Neural Story Generation" (2018): top-k.
      Holtzman et al., "The Curious Case of Neural Text Degeneration" (2020): top-p.
    """
    if not (temperature > 0 and top_k >= 0 and 0 < top_p <= 1):
        raise ValueError(
            f"sampling: got temperature {temperature}, top_k {top_k}, top_p {top_p}, "
            "expected temperature > 0, top_k >= 0, 0 < top_p <= 1"
        )
    tempered = log_probabilities / temperature
    size = log_probabilities.shape[-1]
    if not 0 < top_k < size and top_p == 1:  # nothing to sort
        ids = tf.range(size, dtype=tf.int64)
        return tf.nn.softmax(tempered), tf.broadcast_to(ids, tf.shape(tempered))
    best, ids = tf.math.top_k(tempered, min(top_k or size, size))
    weights = tf.nn.softmax(best)
    before = tf.cumsum(weights, axis=-1, exclusive=True)
    return tf.where(before < top_p, weights, 0.0), tf.cast(ids, tf.int64)


def pick(weights: tf.Tensor, ids: tf.Tensor, uniforms: tf.Tensor) -> tf.Tensor:
    """The id at which the summed weights pass `uniforms` of their total.

    Args:
      weights: [B, K], at least 0 and not all 0; an id of weight 0 is never picked.
      ids: int64 [B, K].
      uniforms: [B], 0 <= u < 1.

    Returns:
      int64 [B].
    """
    cumulative = tf.cumsum(weights, axis=-1)
    reached = cumulative <= uniforms[:, tf.newaxis] * cumulative[:, -1:]
    return tf.gather(ids, tf.math.count_nonzero(reached, axis=-1), batch_dims=1)


def row_seeds(ids: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    """A seed for each row from its own ids, so that no other row and no padding changes it.

    Args:
      ids: int64 [B, N].
      lengths: [B], real positions.

    Returns:
      int64 [B]; equal rows have equal seeds.
    """
    real = tf.RaggedTensor.from_tensor(ids, lengths=lengths)
    text = tf.strings.reduce_join(tf.strings.as_string(real), axis=-1, separator=" ")
    return tf.strings.to_hash_bucket_fast(text, _LARGEST_SEED)


def uniforms(row_seeds: tf.Tensor, seed: int, count: int) -> tf.Tensor:
    """`count` numbers for each row, 0 <= u < 1, from its seed [B] and `seed`: float32 [B, count]."""
    return tf.map_fn(
        # The algorithm is named: the default may be another on another device.
        lambda row: tf.random.stateless_uniform([count], [row, seed], alg="philox"),
        row_seeds,
        fn_output_signature=tf.TensorSpec([count], tf.float32),
    )
