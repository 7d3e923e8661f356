"""`sequence_loss` and `sequence_loss_sum`: the masked loss of a batch of sequences."""

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
    token_losses, weights, lengths = _weighted(
        logits, targets, weights, target_lengths, reduction, options
    )
    if reduction in reductions.SHAPED:
        return reductions.SHAPED[reduction](token_losses, weights)
    return reductions.SUMS[reduction](token_losses, weights, lengths).mean


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
    if reductions.require_reduction(reduction) in reductions.SHAPED:
        raise ValueError(
            f"reduction: got {reduction!r}, which keeps a dimension and so has no sum to add up;"
            f" expected one of {', '.join(reductions.SUMS)}"
        )
    options = losses.CrossEntropy(
        from_logits=from_logits,
        label_smoothing=label_smoothing,
        z_loss=z_loss,
        softmax_loss_function=softmax_loss_function,
    )
    token_losses, weights, lengths = _weighted(
        logits, targets, weights, target_lengths, reduction, options
    )
    return reductions.SUMS[reduction](token_losses, weights, lengths)


def _weighted(
    logits: Any,
    targets: Any,
    weights: Any,
    target_lengths: Any,
    reduction: str,
    options: losses.CrossEntropy,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]:
    """Checked token losses `[B, T]`, weights `[B, T]` and lengths `[B]` or None."""
    if target_lengths is None and reduction == "length_mean":
        raise ValueError("reduction 'length_mean' needs target_lengths [B], got None")
    if target_lengths is not None and weights is None and reduction != "length_mean":
        raise ValueError(
            f"target_lengths without weights: lengths mask nothing under {reduction!r};"
            " give weights = tf.sequence_mask(target_lengths, T)"
        )
    logits = checks.require_logits(logits)
    targets = checks.require_targets(targets, logits)
    logits = losses.at_least_float32(logits)
    weights = checks.require_weights(weights, logits, logits.dtype)
    lengths = None if target_lengths is None else checks.require_lengths(target_lengths, logits)
    token_losses = losses.masked_token_losses(logits, targets, weights, options)
    return checks.check_finite(token_losses, weights), weights, lengths
