"""Cross-entropy per token, and the mask that keeps poison out of it.

Shapes: logits `[B, T, V]`, targets `[B, T]` (ids) or `[B, T, V]` (a distribution), weights and
losses (in nats) `[B, T]`. A position is *live* where its weight is not exactly 0, else *dead*.

Dead positions count for nothing whatever they hold: NaN, +-Inf or an id outside the vocabulary
changes neither the value nor the gradient by a bit. (TensorFlow 1 multiplied by the weight
afterwards, and 0 * NaN is NaN.) A dead position with a finite loss keeps that loss, so that the
gradient with respect to its *weight* is the true one; a dead position without one counts as loss 0.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from components.sequence_loss import checks

OUT_OF_RANGE = "target id outside the vocabulary, [0, V) of the logits, at a non-zero weight"


@dataclasses.dataclass(frozen=True, kw_only=True)
class CrossEntropy:
    """Which per-token loss: the keyword arguments that all functions of this package share.

    Attributes:
      from_logits: False takes probabilities, used as they are: -log p, gradient -1/p. Keras clips
        them to [1e-7, 1 - 1e-7] and divides by their sum: there no loss exceeds 16.12, and a target
        below 1e-7 has no gradient.
      label_smoothing: e in q' = (1 - e) q + e / V, 0 <= e < 1 (Szegedy et al. 2016, section 7).
        Classes whose logit is -inf are not in the vocabulary: the e is shared among the others.
      z_loss: z in `loss + z * logsumexp(logits)**2` (Chowdhery et al. 2022, PaLM, section 5).
      softmax_loss_function: called as `f(labels=[N], logits=[N, V])`, returns `[N]`; N = B * T.
        What is passed as logits may be hidden states `[B, T, D]` (`sampled.SampledSoftmax`): ids
        are checked against the function's attribute `num_classes`, or not at all without one.
      call_per_timestep: calls it T times with N = B instead, as TF 1's list functions did.
    """

    from_logits: bool = True
    label_smoothing: float = 0.0
    z_loss: float = 0.0
    softmax_loss_function: Callable[..., Any] | None = None
    call_per_timestep: bool = False

    def __post_init__(self) -> None:
        share = checks.require_number("label_smoothing", self.label_smoothing, below=1.0)
        object.__setattr__(self, "label_smoothing", share)
        object.__setattr__(self, "z_loss", checks.require_number("z_loss", self.z_loss))
        if not isinstance(self.from_logits, bool | np.bool_):
            raise TypeError(f"from_logits: got {self.from_logits!r}, expected True or False")
        object.__setattr__(self, "from_logits", bool(self.from_logits))
        function = self.softmax_loss_function
        if function is not None and not callable(function):
            raise TypeError(f"softmax_loss_function: got {function!r}, expected a callable or None")
        if self.z_loss and not self.from_logits:
            raise ValueError("z_loss: needs logits; probabilities have no log-normaliser")
        shaped = self.label_smoothing or self.z_loss or not self.from_logits
        if self.softmax_loss_function is not None and shaped:
            raise ValueError(
                "softmax_loss_function: replaces the cross-entropy, so label_smoothing, z_loss and"
                " from_logits=False would be ignored; drop them or apply them in the function"
            )


class TokenParts(NamedTuple):
    """Losses `[B, T]` of every token, weights not applied.

    Attributes:
      total: what is minimised; plain: without label smoothing, z-loss or custom function;
      z_loss: the z-term of the total, its coefficient included.
    """

    total: tf.Tensor
    plain: tf.Tensor
    z_loss: tf.Tensor


def token_cross_entropy(
    logits: Any,
    targets: Any,
    *,
    from_logits: bool = True,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
) -> tf.Tensor:
    """-sum_v q[b,t,v] * log softmax(logits[b,t])_v: the loss of every token, weights not involved.

    Args:
      logits: `[B, T, V]`, any float dtype; half precision is computed in float32. -inf is legal at
        classes that are not the target (a banned class): its gradient is 0.
      targets: ids, integer `[B, T]` in [0, V), or q itself, `[B, T, V]`; q need not sum to 1.
      from_logits, label_smoothing, z_loss: see `CrossEntropy`.

    Returns:
      `[B, T]` in nats, float32 or float64. +inf where the target has probability 0.

    Raises:
      ValueError, TypeError: wrong rank, shape or dtype.
      tf.errors.InvalidArgumentError: an id outside [0, V), with its place (under XLA: NaN).
    """
    options = CrossEntropy(from_logits=from_logits, label_smoothing=label_smoothing, z_loss=z_loss)
    logits = checks.require_logits(logits)
    targets = checks.require_targets(targets, logits)
    logits = at_least_float32(logits)
    return _parts(logits, targets, tf.ones(tf.shape(logits)[:2], tf.bool), options).total


def masked_token_losses(
    logits: tf.Tensor, targets: tf.Tensor, weights: tf.Tensor, options: CrossEntropy
) -> tf.Tensor:
    """Losses `[B, T]`, finite and without gradient to the logits where the weight is 0.

    A custom function that mixes positions (subtracts their mean, say) lets gradient through there.

    Args are checked tensors (`checks.require_*`); logits float32 or float64, weights of that dtype.
    """
    live = checks.nonzero(weights)  # [B, T]
    if options.softmax_loss_function is None:
        return _zero_unless(live, _blocked_parts(logits, targets, live, options).total)
    return _zero_unless(live, _custom_losses(logits, targets, live, options))


def masked_token_parts(
    logits: tf.Tensor, targets: tf.Tensor, weights: tf.Tensor, options: CrossEntropy
) -> TokenParts:
    """`masked_token_losses`, and beside it what is reported; the cross-entropy is computed once."""
    live = checks.nonzero(weights)  # [B, T]
    if options.softmax_loss_function is None:
        parts = _blocked_parts(logits, targets, live, options)
    else:
        total = _custom_losses(logits, targets, live, options)
        plain = _plain_beside_custom(tf.stop_gradient(logits), targets, live, options)
        parts = TokenParts(total, plain, tf.zeros_like(total))
    return TokenParts(*(_zero_unless(live, part) for part in parts))


def at_least_float32(values: tf.Tensor) -> tf.Tensor:
    """float16 and bfloat16 as float32: sums of many tokens lose all digits in half precision."""
    return values if values.dtype == tf.float64 else tf.cast(values, tf.float32)


def _zero_unless(live: tf.Tensor, losses: tf.Tensor) -> tf.Tensor:
    """`losses` `[B, T]` with 0 where they are neither live nor finite."""
    return tf.where(live | tf.math.is_finite(losses), losses, tf.zeros([], losses.dtype))


def _blocked_parts(
    logits: tf.Tensor, targets: tf.Tensor, live: tf.Tensor, options: CrossEntropy
) -> TokenParts:
    """`_parts` without gradient where `live` `[B, T]` is False."""
    if targets.shape.rank == 3:
        targets = _block_gradient(tf.cast(targets, logits.dtype), live)
    return _parts(_block_gradient(logits, live), targets, live, options)


def _parts(
    logits: tf.Tensor,
    targets: tf.Tensor,
    live: tf.Tensor,
    options: CrossEntropy,
    what: str = OUT_OF_RANGE,
) -> TokenParts:
    """The cross-entropy of ids or distributions; ids are checked where `live` `[B, T]` is True."""
    if targets.shape.rank == 3:
        plain = _dense_losses(logits, tf.cast(targets, logits.dtype), options)
    else:
        plain = _id_losses(logits, targets, live, options, what)
    total, z_loss = plain, tf.zeros_like(plain)
    if options.label_smoothing:
        uniform = _uniform_losses(logits, options)
        total = (1.0 - options.label_smoothing) * plain + options.label_smoothing * uniform
    if options.z_loss:
        z_loss = options.z_loss * tf.square(tf.reduce_logsumexp(logits, axis=-1))
        total += z_loss
    return TokenParts(total, plain, z_loss)


def _block_gradient(values: tf.Tensor, live: tf.Tensor) -> tf.Tensor:
    """`values` `[B, T, V]` unchanged; the gradient is exactly 0 where `live` `[B, T]` is False.

    The same as `tf.where(live, values, tf.stop_gradient(values))` without a forward pass over V.
    """

    @tf.custom_gradient
    def identity(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            return tf.where(live[..., tf.newaxis], upstream, tf.zeros([], upstream.dtype))

        return tf.identity(x), gradient

    return identity(values)


def _id_losses(
    logits: tf.Tensor, targets: tf.Tensor, live: tf.Tensor, options: CrossEntropy, what: str
) -> tf.Tensor:
    """Losses `[B, T]` of ids `[B, T]`: no one-hot `[B, T, V]` is made."""
    targets = _wide(targets)
    size = tf.shape(logits)[-1]
    valid = checks.in_range(targets, size)  # [B, T]
    targets = checks.raise_where(live & ~valid, targets, what, size=size)
    safe = tf.where(valid, targets, tf.zeros([], targets.dtype))
    if options.from_logits:
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=safe, logits=logits)
    else:
        losses = -tf.math.log(tf.gather(logits, safe, batch_dims=2))
    # Where assertions are compiled away (XLA) a bad id must not pass as the loss of id 0.
    return tf.where(valid, losses, tf.constant(float("nan"), losses.dtype))


def _wide(ids: tf.Tensor) -> tf.Tensor:
    """Integer ids in a dtype that TensorFlow's losses take."""
    return ids if ids.dtype in (tf.int32, tf.int64) else tf.cast(ids, tf.int64)


def _dense_losses(logits: tf.Tensor, targets: tf.Tensor, options: CrossEntropy) -> tf.Tensor:
    """Losses `[B, T]` of distributions q `[B, T, V]`, with 0 * log 0 = 0.

    TensorFlow's dense kernel gives NaN for 0 * -inf, and a gradient that is right only when q sums
    to 1.
    """
    if options.from_logits:
        terms = tf.math.multiply_no_nan(tf.nn.log_softmax(logits), targets)
    else:
        terms = tf.math.xlogy(targets, logits)
    return -tf.reduce_sum(terms, axis=-1)


def _uniform_losses(logits: tf.Tensor, options: CrossEntropy) -> tf.Tensor:
    """Cross-entropy `[B, T]` against the uniform distribution over the classes not banned."""
    floor = -float("inf") if options.from_logits else 0.0
    allowed = tf.cast(tf.not_equal(logits, floor), logits.dtype)  # [B, T, V]
    uniform = tf.math.divide_no_nan(allowed, tf.reduce_sum(allowed, axis=-1, keepdims=True))
    plain = CrossEntropy(from_logits=options.from_logits)
    return _dense_losses(logits, tf.stop_gradient(uniform), plain)


def _custom_losses(
    logits: tf.Tensor, targets: tf.Tensor, live: tf.Tensor, options: CrossEntropy
) -> tf.Tensor:
    """Losses `[B, T]` of the user's function.

    It sees dead positions too, as in TF 1, but never poison: there a row whose squares have no
    finite sum becomes 0 and has no gradient, and an id outside [0, classes) becomes 0.
    """
    logits = _zero_dead_poison(logits, live)
    if targets.shape.rank == 3:
        targets = _zero_dead_poison(tf.cast(targets, logits.dtype), live)
    else:
        targets = _custom_ids(logits, targets, live, options)
    if options.call_per_timestep:
        steps = zip(tf.unstack(targets, axis=1), tf.unstack(logits, axis=1), strict=True)
        return tf.stack([_call(options, labels, step) for labels, step in steps], axis=1)
    shape = tf.shape(logits)
    flat_targets = tf.reshape(targets, [-1] if targets.shape.rank == 2 else [-1, shape[-1]])
    losses = _call(options, flat_targets, tf.reshape(logits, [-1, shape[-1]]))
    return tf.ensure_shape(tf.reshape(losses, shape[:2]), logits.shape[:2])


def _custom_ids(
    logits: tf.Tensor, targets: tf.Tensor, live: tf.Tensor, options: CrossEntropy
) -> tf.Tensor:
    """Ids `[B, T]` for the user's function: dead ones made legal, live ones checked if possible.

    The width of the logits says nothing about live ids: it may be that of hidden states.
    """
    targets = _wide(targets)
    classes = getattr(options.softmax_loss_function, "num_classes", None)
    valid = checks.in_range(targets, tf.shape(logits)[-1] if classes is None else classes)
    if classes is not None:
        what = "target id outside [0, num_classes) of softmax_loss_function, at a non-zero weight"
        targets = checks.raise_where(live & ~valid, targets, what, size=classes)
    return tf.where(live | valid, targets, tf.zeros([], targets.dtype))


def _plain_beside_custom(
    logits: tf.Tensor, targets: tf.Tensor, live: tf.Tensor, options: CrossEntropy
) -> tf.Tensor:
    """The full cross-entropy `[B, T]` next to a custom one: its attribute `full`, if it has one."""
    full = getattr(options.softmax_loss_function, "full", None)
    if full is None:
        what = (
            "target id outside [0, V) of the logits, at a non-zero weight (if they are hidden"
            " states: softmax_loss_function needs an attribute `full` for the plain loss)"
        )
        return _parts(logits, targets, live, CrossEntropy(), what).plain
    return _custom_losses(logits, targets, live, CrossEntropy(softmax_loss_function=full))


def _zero_dead_poison(values: tf.Tensor, live: tf.Tensor) -> tf.Tensor:
    """`values` `[B, T, V]` with 0 for the rows that are dead and poison.

    Finite numbers whose squares overflow are poison too: a function that multiplies them by a
    matrix of its own would get infinities, and NaN in that matrix's gradient.
    """
    keep = live | tf.math.is_finite(tf.reduce_sum(tf.square(values), axis=-1))
    return tf.where(keep[..., tf.newaxis], values, tf.zeros([], values.dtype))


def _call(options: CrossEntropy, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """The user's function on labels `[N]` (or `[N, V]`) and logits `[N, V]`: must return `[N]`."""
    assert options.softmax_loss_function is not None
    losses = tf.convert_to_tensor(options.softmax_loss_function(labels=labels, logits=logits))
    if losses.shape.rank != 1 or not losses.shape.is_compatible_with(logits.shape[:1]):
        raise ValueError(
            f"softmax_loss_function: got {checks.describe(losses)} for logits"
            f" {checks.describe(logits)}, expected one loss for each row: rank 1"
        )
    return tf.cast(losses, logits.dtype)
