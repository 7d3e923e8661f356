"""What a model says of the targets, position by position, without logits `[B, T, V]`.

Only real positions go through the projection, a chunk of them at a time; per position three numbers
leave. With m the largest logit of a row, at the likeliest class k, and r = sum_{v != k} exp(x_v - m),

    log p(k) = -log1p(r)            loss = (m - x_t) - log p(k).

A target that is all but certain, t = k, loses no digit that way: its loss is log1p(r), and r is a sum
of small numbers, where logsumexp(x) - x_t is the difference of two large ones (float32 then knows a
loss of 1e-4 to 1e-3 of itself only). So two computations agree there too, though their logits were
multiplied in batches of another shape.
"""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from components.sequence_loss import checks, linear_inputs
from components.sequence_loss.linear_chunks import Plan, Projection, logits_of

# Logits held at once, and the fewest rows to a chunk. Without gradients a chunk costs nothing of its
# own, so it may be as small as a cache; fewer rows make the matrix product slow.
CHUNK_ELEMENTS = 2 * 2**20
FEWEST_ROWS = 64


class TokenScores(NamedTuple):
    """By position `[B, T]`, 0 where a position is not live.

    Attributes:
      losses: -log p(target), nats.
      likeliest: int64, the class of the largest logit, the first of equal ones.
      log_probabilities: log p(likeliest).
    """

    losses: tf.Tensor
    likeliest: tf.Tensor
    log_probabilities: tf.Tensor


def token_scores(
    hidden: Any,
    kernel: Any,
    bias: Any,
    targets: Any,
    live: Any,
    *,
    transpose_kernel: bool = False,
    chunk_tokens: int | None = None,
) -> TokenScores:
    """Losses and likeliest classes of `hidden @ kernel + bias` at the live positions.

    No gradient, not for XLA. A loss that is not finite is returned as it is.

    Args:
      hidden: `[B, T, D]`; half precision is computed in float32.
      kernel: `[D, V]`; with `transpose_kernel`, `[V, D]`: an embedding table, tied.
      bias: `[V]` or None.
      targets: integer ids `[B, T]`.
      live: bool `[B, T]`: the positions that are scored. At others nothing matters.
      chunk_tokens: positions that go through the projection together; None: as many as make
        `CHUNK_ELEMENTS` logits, and at least `FEWEST_ROWS`.

    Raises:
      ValueError, TypeError: a wrong rank, shape or dtype.
      tf.errors.InvalidArgumentError: an id outside [0, V) at a live position, with its place.
    """
    hidden = linear_inputs.require_floats("hidden", hidden, 3, "[B, T, D]")
    plan = Plan(
        label_smoothing=0.0,
        z_loss=0.0,
        transpose_kernel=transpose_kernel,
        chunk_tokens=chunk_tokens,
        compute_dtype=tf.float64 if hidden.dtype == tf.float64 else tf.float32,
        gradient=False,
    )
    batch = linear_inputs.require_batch(hidden, kernel, bias, targets, live, None, plan)
    dtype = plan.compute_dtype
    projection = Projection(
        tf.stop_gradient(tf.cast(batch.kernel, dtype)),
        None if batch.bias is None else tf.stop_gradient(tf.cast(batch.bias, dtype)),
    )
    rows = tf.reshape(tf.stop_gradient(batch.hidden), [-1, tf.shape(hidden)[2]])
    places = tf.where(tf.reshape(checks.nonzero(batch.weights), [-1]))  # [n, 1]
    found = _in_chunks(rows, tf.reshape(batch.targets, [-1]), places[:, 0], projection, plan)
    shape = tf.shape(batch.targets, tf.int64)
    size = tf.reduce_prod(shape, keepdims=True)
    return TokenScores(*(tf.reshape(tf.scatter_nd(places, value, size), shape) for value in found))


def _in_chunks(
    hidden: tf.Tensor, targets: tf.Tensor, places: tf.Tensor, projection: Projection, plan: Plan
) -> TokenScores:
    """Scores `[n]` of the rows `places` `[n]` of hidden `[N, D]` and targets `[N]`."""
    count = tf.size(places)
    chunks = tf.maximum(1, -(-count // _most_rows(projection, plan)))
    size = -(-count // chunks)  # equal chunks: no small remainder at the end
    dtypes = (plan.compute_dtype, tf.int64, plan.compute_dtype)
    arrays = [
        tf.TensorArray(dtype, chunks, infer_shape=False, element_shape=[None]) for dtype in dtypes
    ]

    def body(i: tf.Tensor, arrays: list[tf.TensorArray]) -> tuple[tf.Tensor, list[tf.TensorArray]]:
        where = places[i * size : (i + 1) * size]
        chunk = tf.cast(tf.gather(hidden, where), plan.compute_dtype)
        logits = logits_of(chunk, projection, plan)
        found = _scores(logits, tf.gather(targets, where))
        return i + 1, [array.write(i, value) for array, value in zip(arrays, found, strict=True)]

    _, arrays = tf.while_loop(
        lambda i, _: i < chunks, body, (tf.constant(0), arrays), parallel_iterations=1
    )
    return TokenScores(*(array.concat() for array in arrays))


def _most_rows(projection: Projection, plan: Plan) -> tf.Tensor:
    classes = tf.shape(projection.kernel)[0 if plan.transpose_kernel else 1]
    if plan.chunk_tokens is not None:
        return tf.constant(min(plan.chunk_tokens, np.iinfo(np.int32).max))
    return tf.maximum(FEWEST_ROWS, CHUNK_ELEMENTS // tf.maximum(classes, 1))


def _scores(logits: tf.Tensor, targets: tf.Tensor) -> TokenScores:
    """The formulas above, for logits `[C, V]` and ids int64 `[C]`."""
    largest, likeliest = (found[:, 0] for found in tf.math.top_k(logits, 1))  # quicker than argmax
    behind = largest - tf.gather(logits, targets, batch_dims=1)
    order = tf.range(tf.size(likeliest))
    # Once `behind` is computed nobody else reads the logits, and this is done in their place.
    with tf.control_dependencies([behind]):
        others = tf.tensor_scatter_nd_update(
            logits,
            tf.stack([order, likeliest], axis=1),
            tf.fill(tf.shape(order), tf.constant(-np.inf, logits.dtype)),
        )
    rest = tf.reduce_sum(tf.exp(others - largest[:, tf.newaxis]), axis=1)
    log_probabilities = -tf.math.log1p(rest)
    return TokenScores(behind - log_probabilities, tf.cast(likeliest, tf.int64), log_probabilities)
