"""`sequence_loss`, `sequence_loss_sum`, `sequence_loss_parts`: the masked loss of a batch."""

import dataclasses
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from components.sequence_loss import checks, losses, reductions


def sequence_loss(
    logits: Any,
    targets: Any,
    weights: Any = None,
    *,
    reduction: str = "token_mean",
    target_lengths: Any = None,
    from_logits: bool = True,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    softmax_loss_function: Callable[..., Any] | None = None,
) -> tf.Tensor:
    """Weighted cross-entropy of a batch, reduced by name.

    Args:
      logits: `[B, T, V]`; with `from_logits=False`, probabilities.
      targets: integer ids `[B, T]`, or probabilities `[B, T, V]`.
      weights: `[B, T]`, any real dtype or bool; None means 1. At weight 0 nothing else matters:
        not the logits, not the id, be they NaN or out of range.
      reduction: with l the token losses, w the weights and 0 for anything divided by 0:
        `token_mean` sum wl / sum w; `token_sum` sum wl; `example_mean` the mean, over examples with
        sum_t w > 0, of `per_example`; `batch_mean` sum wl / B; `length_mean`
        sum wl / sum min(length, T); `nonzero_mean` sum wl / #(w != 0); and, not scalar,
        `none` wl `[B, T]`, `per_example` sum_t wl / sum_t w `[B]`, `per_example_sum` `[B]`.
      target_lengths: integer `[B]`, only for `length_mean`. It masks nothing: the weights do.
      from_logits, label_smoothing, z_loss, softmax_loss_function: see `losses.CrossEntropy`.

    Returns:
      A scalar, `[B]` or `[B, T]` in nats; float64 for float64 logits, else float32.

    Raises:
      ValueError, TypeError: a wrong rank, shape or dtype; an unknown reduction.
      tf.errors.InvalidArgumentError: at a non-zero weight, an id outside [0, V) or a loss that is
        not finite, with its place. XLA cannot raise: there the result is not finite.
    """
    reductions.require_reduction(reduction)
    options = losses.CrossEntropy(
        from_logits=from_logits,
        label_smoothing=label_smoothing,
        z_loss=z_loss,
        softmax_loss_function=softmax_loss_function,
    )
    batch = _checked(logits, targets, weights, target_lengths, reduction)
    token_losses = batch.finite(losses.masked_token_losses(*batch.arrays, options))
    if reduction in reductions.SHAPED:
        return reductions.SHAPED[reduction](token_losses, batch.weights)
    return batch.sum(reduction, token_losses).mean


def sequence_loss_sum(
    logits: Any,
    targets: Any,
    weights: Any = None,
    *,
    reduction: str = "token_mean",
    target_lengths: Any = None,
    from_logits: bool = True,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    softmax_loss_function: Callable[..., Any] | None = None,
) -> reductions.LossSum:
    """`sequence_loss` before its division: add these over parts of a batch, then take `.mean`.

    Gradients add likewise: those of the numerators, summed, divided by the summed denominators.

    Args are those of `sequence_loss`; the reductions that keep a dimension are a ValueError.

    Returns:
      `LossSum(numerator, denominator)`, scalars; the denominator of `token_sum` is None.
    """
    reductions.require_sum(reduction)
    options = losses.CrossEntropy(
        from_logits=from_logits,
        label_smoothing=label_smoothing,
        z_loss=z_loss,
        softmax_loss_function=softmax_loss_function,
    )
    batch = _checked(logits, targets, weights, target_lengths, reduction)
    token_losses = batch.finite(losses.masked_token_losses(*batch.arrays, options))
    return batch.sum(reduction, token_losses)


def sequence_loss_parts(
    logits: Any,
    targets: Any,
    weights: Any = None,
    *,
    reduction: str = "token_mean",
    target_lengths: Any = None,
    from_logits: bool = True,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    softmax_loss_function: Callable[..., Any] | None = None,
) -> reductions.LossParts:
    """`sequence_loss_sum` of what is minimised, with the plain loss and the z-loss beside it.

    The plain loss is the full softmax cross-entropy, also under a `softmax_loss_function`. One
    that takes hidden states `[B, T, D]` as logits must have it as an attribute, `full(labels=[N],
    logits=[N, D])` -> `[N]`; `SampledSoftmax` has.

    Args are those of `sequence_loss`; the reductions that keep a dimension are a ValueError.

    Returns:
      `LossParts(total, plain, z_loss)`. Differentiate `.total.mean`: the others are constants.
    """
    reductions.require_sum(reduction)
    options = losses.CrossEntropy(
        from_logits=from_logits,
        label_smoothing=label_smoothing,
        z_loss=z_loss,
        softmax_loss_function=softmax_loss_function,
    )
    batch = _checked(logits, targets, weights, target_lengths, reduction)
    parts = losses.masked_token_parts(*batch.arrays, options)
    return reductions.LossParts(
        total=batch.sum(reduction, batch.finite(parts.total)),
        plain=batch.sum(reduction, parts.plain).map(tf.stop_gradient),
        z_loss=batch.sum(reduction, parts.z_loss).map(tf.stop_gradient),
    )


@dataclasses.dataclass(frozen=True)
class _Batch:
    """Checked arguments: `[B, T, V]`, `[B, T]` or `[B, T, V]`, `[B, T]`, `[B]` or None."""

    logits: tf.Tensor
    targets: tf.Tensor
    weights: tf.Tensor
    lengths: tf.Tensor | None

    @property
    def arrays(self) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Logits, targets, weights."""
        return self.logits, self.targets, self.weights

    def finite(self, token_losses: tf.Tensor) -> tf.Tensor:
        """Token losses `[B, T]`; an error if one is not finite at a non-zero weight."""
        return checks.check_finite(token_losses, self.weights)

    def sum(self, reduction: str, token_losses: tf.Tensor) -> reductions.LossSum:
        """Token losses `[B, T]`, weighted and summed."""
        return reductions.SUMS[reduction](token_losses, self.weights, self.lengths)


def _checked(
    logits: Any, targets: Any, weights: Any, target_lengths: Any, reduction: str
) -> _Batch:
    """The arguments as tensors that fit each other, else ValueError, TypeError."""
    reductions.require_lengths_if_needed(reduction, target_lengths, weights)
    logits = checks.require_logits(logits)
    targets = checks.require_targets(targets, logits)
    logits = losses.at_least_float32(logits)
    weights = checks.require_weights(weights, logits, logits.dtype)
    lengths = None if target_lengths is None else checks.require_lengths(target_lengths, logits)
    return _Batch(logits, targets, weights, lengths)
