"""The projection to the vocabulary and the loss in one: no logits `[B, T, V]` are ever held.

`sequence_loss(hidden @ kernel + bias, ...)` in value and gradient, from the hidden states. Padding
and every other position of weight 0 leaves before the projection; the rest goes through in chunks,
whose gradient is computed while the chunk is there. See `linear_chunks`.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from components.sequence_loss import (
    checks,
    linear_chunks,
    linear_inputs,
    linear_xla,
    losses,
    reductions,
)
from components.sequence_loss.linear_chunks import Plan, Projection, Result, Rows
from components.sequence_loss.linear_inputs import Batch
from components.sequence_loss.reductions import LossParts, LossSum


def linear_sequence_loss(
    hidden: Any,
    kernel: Any,
    bias: Any,
    targets: Any,
    weights: Any = None,
    *,
    reduction: str = "token_mean",
    target_lengths: Any = None,
    chunk_tokens: int | None = None,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    transpose_kernel: bool = False,
    compute_dtype: Any = None,
    forward_only: bool = False,
) -> LossSum:
    """`sequence_loss_sum` of `hidden @ kernel + bias`, without the logits.

    The gradients to hidden, kernel, bias and weights are those of `sequence_loss_sum`, except that
    a position of weight 0 counts as one of loss 0 in the gradient to its weight. They are computed
    with the value, so a call whose gradient nobody wants should say `forward_only`: a third of the
    work.

    Args:
      hidden: `[B, T, D]`, any float dtype.
      kernel: `[D, V]`; with `transpose_kernel`, `[V, D]`: an embedding table, tied.
      bias: `[V]` or None. -inf bans a class.
      targets: integer ids `[B, T]`.
      weights: `[B, T]`, any real dtype or bool; None means 1. At weight 0 nothing else matters.
      reduction: as in `sequence_loss_sum`: one that adds up.
      target_lengths: integer `[B]`, only for `length_mean`.
      chunk_tokens: positions that go through the projection together; None: as many as make a chunk
        of logits of about `linear_chunks.CHUNK_ELEMENTS` elements, and at least `FEWEST_ROWS`.
      label_smoothing, z_loss: as in `losses.CrossEntropy`; with label smoothing, a class is banned
        by its bias only.
      compute_dtype: of the matrix products; None: that of hidden, float16 as float32. With bfloat16
        losses and sums remain float32, and the gradients have 8 bits.
      forward_only: the gradient is not computed, and asking for it is a LookupError.

    Returns:
      `LossSum(numerator, denominator)`, float32 (float64 for float64).

    Raises:
      ValueError, TypeError: a wrong rank, shape or dtype; a reduction that keeps a dimension.
      tf.errors.InvalidArgumentError: at a non-zero weight, an id outside [0, V) or a loss that is
        not finite, with its place. XLA cannot raise: there the result is not finite.
    """
    return linear_sequence_loss_parts(
        hidden,
        kernel,
        bias,
        targets,
        weights,
        reduction=reduction,
        target_lengths=target_lengths,
        chunk_tokens=chunk_tokens,
        label_smoothing=label_smoothing,
        z_loss=z_loss,
        transpose_kernel=transpose_kernel,
        compute_dtype=compute_dtype,
        forward_only=forward_only,
    ).total


def linear_sequence_loss_parts(
    hidden: Any,
    kernel: Any,
    bias: Any,
    targets: Any,
    weights: Any = None,
    *,
    reduction: str = "token_mean",
    target_lengths: Any = None,
    chunk_tokens: int | None = None,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    transpose_kernel: bool = False,
    compute_dtype: Any = None,
    forward_only: bool = False,
    raises: bool = True,
) -> LossParts:
    """`linear_sequence_loss` as what is minimised, the plain loss and the z-loss apart.

    Args, errors: those of `linear_sequence_loss`, and `raises`: whether a loss that is not finite is
    an error; otherwise the sums are not finite.

    Returns:
      `LossParts(total, plain, z_loss)`, as `sequence_loss_parts`; only `total` has a gradient.
    """
    reductions.require_sum(reduction)
    hidden = linear_inputs.require_floats("hidden", hidden, 3, "[B, T, D]")
    losses.CrossEntropy(label_smoothing=label_smoothing, z_loss=z_loss)  # which checks them
    plan = Plan(
        label_smoothing=label_smoothing,
        z_loss=z_loss,
        transpose_kernel=transpose_kernel,
        chunk_tokens=chunk_tokens,
        compute_dtype=_compute_dtype(hidden, compute_dtype),
        gradient=not forward_only,
        raises=raises,
    )
    reductions.require_lengths_if_needed(reduction, target_lengths, weights)
    batch = linear_inputs.require_batch(
        hidden, kernel, bias, targets, weights, target_lengths, plan
    )
    coefficients = _coefficients(batch, reduction)
    weighted = _weighted_losses(batch, plan, _expected_upstream(batch, reduction))
    numerator, plain, z_term = weighted(batch.hidden, batch.kernel, batch.bias, coefficients)
    return _parts(batch, reduction, numerator, plain, z_term)


def _coefficients(batch: Batch, reduction: str) -> tf.Tensor:
    """c `[B, T]`: the derivative of the reduction's numerator with respect to each token's loss.

    Every numerator is linear in the losses, so c depends on the weights only and numerator = sum c l.
    """
    if reduction != "example_mean":
        return batch.weights
    totals = tf.reduce_sum(batch.weights, axis=1, keepdims=True)  # [B, 1]
    counted = tf.cast(totals > 0, totals.dtype)
    return counted * tf.math.divide_no_nan(batch.weights, totals)


def _expected_upstream(batch: Batch, reduction: str) -> tf.Tensor:
    """The derivative of `LossSum.mean` with respect to the numerator: what most callers ask for.

    The gradients are computed multiplied by it, so that multiplying them by what does come from
    above, a pass over all of the kernel's and often another array of its size, is seldom needed.
    """
    denominator = reductions.SUMS[reduction](
        tf.zeros_like(batch.weights), batch.weights, batch.lengths
    ).denominator
    one = tf.ones([], batch.weights.dtype)
    if denominator is None:
        return one
    upstream = tf.math.divide_no_nan(one, denominator)
    return tf.where(tf.math.is_finite(upstream) & (upstream > 0), upstream, one)


def _parts(
    batch: Batch, reduction: str, numerator: tf.Tensor, plain: tf.Tensor, z_term: tf.Tensor
) -> LossParts:
    """The sums of the batch, from the numerator of what is minimised and the losses `[B, T]`."""

    def summed(token_losses: tf.Tensor) -> LossSum:
        return reductions.SUMS[reduction](token_losses, batch.weights, batch.lengths)

    shown = summed(plain)
    return LossParts(
        total=LossSum(numerator, shown.denominator),
        plain=shown.map(tf.stop_gradient),
        z_loss=summed(z_term).map(tf.stop_gradient),
    )


class _Values(NamedTuple):
    """sum c l, and what it is made of: losses `[B, T]`, and the gradients in `result`."""

    numerator: tf.Tensor
    token_losses: tf.Tensor
    plain: tf.Tensor
    z_losses: tf.Tensor
    result: Result


Weighted = Callable[..., tuple[tf.Tensor, tf.Tensor, tf.Tensor]]


def _weighted_losses(batch: Batch, plan: Plan, expected: tf.Tensor) -> Weighted:
    """The function (hidden, kernel, bias, c) -> (sum c l, plain losses, z-losses `[B, T]`).

    Its gradient is computed with its value. Only the first result has one.
    """

    def value_and_gradient(*inputs: tf.Tensor) -> Any:
        values = _values(inputs, batch, plan, expected)
        result = values.result
        pieces = [result.d_hidden, result.d_kernel, result.d_bias, values.token_losses]
        pieces = [piece for piece in pieces if piece is not None]

        def gradient(upstream: tf.Tensor, *_: tf.Tensor) -> list[tf.Tensor]:
            shaped = [tf.reshape(p, tf.shape(x)) for p, x in zip(pieces, inputs, strict=True)]
            return _scaled(upstream, expected, list(inputs), shaped, batch, plan)

        return (values.numerator, values.plain, values.z_losses), gradient

    def weighted(hidden: tf.Tensor, kernel: tf.Tensor, bias: Any, c: tf.Tensor) -> Any:
        inputs = [hidden, kernel, c] if bias is None else [hidden, kernel, bias, c]
        if plan.gradient:
            return tf.custom_gradient(value_and_gradient)(*inputs)
        values = _values(inputs, batch, plan, expected)
        return _refusing_gradient(values.numerator, inputs), values.plain, values.z_losses

    return weighted


def _values(inputs: Sequence[tf.Tensor], batch: Batch, plan: Plan, expected: tf.Tensor) -> _Values:
    """Constants: a tape would record the engine's loop too, which has no gradient of its own."""
    inputs = [tf.stop_gradient(x) for x in inputs]
    result = _run(batch, [*inputs[:-1], inputs[-1] * tf.stop_gradient(expected)], plan)
    token_losses, z_losses = _token_losses(result, plan)
    shape = tf.shape(batch.weights)
    token_losses = tf.reshape(token_losses, shape)
    if plan.raises:
        token_losses = checks.check_finite(token_losses, batch.weights)
    numerator = tf.reduce_sum(tf.reduce_sum(inputs[-1] * token_losses, axis=1))
    plain, z_losses = tf.reshape(result.plain, shape), tf.reshape(z_losses, shape)
    return _Values(numerator, token_losses, plain, z_losses, result)


def _refusing_gradient(numerator: tf.Tensor, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
    """`numerator`, whose gradient to any of the inputs is a LookupError instead of a silent None.

    By TensorFlow's own op: a custom gradient that raises could not be exported in a SavedModel.
    """
    nothing = tf.add_n([tf.reduce_sum(tf.cast(x[:0], numerator.dtype)) for x in inputs])
    message = "linear_sequence_loss: forward_only=True has no gradient"
    return tf.stop_gradient(numerator) + tf.raw_ops.PreventGradient(input=nothing, message=message)


def _token_losses(result: Result, plan: Plan) -> tuple[tf.Tensor, tf.Tensor]:
    """(what is minimised, its z-term), `[N]` each; `losses.CrossEntropy` has the formulas."""
    share = plan.label_smoothing
    token_losses = (1 - share) * result.plain + share * result.uniform if share else result.plain
    z_losses = plan.z_loss * tf.square(result.log_normaliser)
    return (token_losses + z_losses if plan.z_loss else token_losses), z_losses


def _run(batch: Batch, inputs: Sequence[tf.Tensor], plan: Plan) -> Result:
    """The rows of the batch through the engine that the context allows.

    inputs: hidden, kernel, bias unless there is none, coefficients of the gradients.
    """
    hidden, kernel, *bias, coefficients = inputs
    rows = Rows(
        hidden=tf.reshape(hidden, [-1, tf.shape(hidden)[2]]),
        targets=tf.reshape(batch.targets, [-1]),
        coefficients=tf.reshape(coefficients, [-1]),
        live=tf.reshape(tf.not_equal(batch.weights, 0), [-1]),
    )
    cast = tf.cast(kernel, plan.compute_dtype)
    projection = Projection(cast, tf.cast(bias[0], plan.compute_dtype) if bias else None)
    if tf.executing_eagerly():
        return _traced(plan, tuple(kernel.shape))(rows, projection)
    return (linear_xla if linear_xla.compiling() else linear_chunks).run(rows, projection, plan)


@functools.lru_cache(maxsize=64)
def _traced(plan: Plan, kernel_shape: tuple[int, ...]) -> Callable[[Rows, Projection], Result]:
    """`linear_chunks.run` as a graph: eagerly every op of every chunk would be dispatched singly.

    tf.function tells arguments like `plan` apart by identity and would trace on every call; and the
    tracing that serves many batch shapes must not forget the kernel's, which bounds the memory.
    """
    del kernel_shape
    return tf.function(
        lambda rows, projection: linear_chunks.run(rows, projection, plan),
        reduce_retracing=True,
        autograph=False,
    )


def _scaled(
    upstream: tf.Tensor,
    expected: tf.Tensor,
    inputs: list[tf.Tensor],
    first: list[tf.Tensor],
    batch: Batch,
    plan: Plan,
) -> list[tf.Tensor]:
    """The gradients in the dtypes of the inputs, with a gradient of their own: that on the logits.

    first: those to hidden, kernel and bias times `expected`, and that to the coefficients.

    Second derivatives are rare, and they alone hold logits `[B, T, V]`.
    """

    @tf.custom_gradient
    def scaled(upstream: tf.Tensor, *inputs: tf.Tensor) -> Any:
        *pieces, token_losses = first
        values = [*_rescaled(pieces, upstream, expected), upstream * token_losses]

        def gradient(*upstreams: tf.Tensor) -> list[tf.Tensor]:
            with tf.GradientTape() as outer:
                outer.watch([upstream, *inputs])
                with tf.GradientTape() as inner:
                    inner.watch(inputs)
                    loss = _on_logits(inputs, batch, plan)
                products = inner.gradient(loss, inputs, output_gradients=upstream)
            return outer.gradient(products, [upstream, *inputs], output_gradients=upstreams)

        # Half precision comes last: sums over the batch do not fit it before they are divided.
        return [tf.cast(v, x.dtype) for v, x in zip(values, inputs, strict=True)], gradient

    return scaled(upstream, *inputs)


def _rescaled(pieces: list[tf.Tensor], upstream: tf.Tensor, expected: tf.Tensor) -> list[tf.Tensor]:
    """`pieces`, made for the upstream derivative `expected`, for `upstream`."""

    def multiplied() -> list[tf.Tensor]:
        return [upstream / expected * piece for piece in pieces]

    if linear_xla.compiling():  # fuses it, and has no cheap branches
        return multiplied()
    return tf.cond(tf.equal(upstream, expected), lambda: pieces, multiplied)


def _on_logits(inputs: Sequence[tf.Tensor], batch: Batch, plan: Plan) -> tf.Tensor:
    """sum c l by way of the logits, differentiable any number of times."""
    hidden, kernel, *bias, coefficients = inputs
    live = tf.not_equal(batch.weights, 0)
    # The kernel's gradient is hidden' g, and 0 * NaN is NaN.
    hidden = tf.where(live[..., tf.newaxis], hidden, tf.zeros([], hidden.dtype))
    projection = Projection(tf.cast(kernel, plan.compute_dtype), None)
    logits = linear_chunks.logits_of(tf.cast(hidden, plan.compute_dtype), projection, plan)
    logits = tf.cast(logits, plan.sum_dtype)
    if bias:
        logits += tf.cast(bias[0], plan.sum_dtype)
    options = losses.CrossEntropy(label_smoothing=plan.label_smoothing, z_loss=plan.z_loss)
    token_losses = losses.masked_token_losses(logits, batch.targets, batch.weights, options)
    token_losses = tf.where(live, token_losses, tf.zeros([], token_losses.dtype))
    return tf.reduce_sum(coefficients * token_losses)


def _compute_dtype(hidden: tf.Tensor, asked: Any) -> tf.DType:
    """The dtype of the matrix products: float64, float32 or bfloat16."""
    dtype = tf.as_dtype(asked) if asked is not None else hidden.dtype
    if asked is None and dtype == tf.float16:
        return tf.float32  # its range is too small for the gradients
    if dtype not in linear_chunks.SMALLEST_PROBABILITY:
        allowed = ", ".join(d.name for d in linear_chunks.SMALLEST_PROBABILITY)
        raise TypeError(f"compute_dtype: got {dtype.name}, expected one of {allowed}")
    return dtype
