"""TensorFlow 1's and TensorFlow Addons' sequence losses: their signatures, flags and results.

Checked against recordings of the originals (tests/golden): TensorFlow 1.13.2 and 1.15.5, Addons
0.23.0. Sources: `tensorflow/contrib/seq2seq/python/ops/loss.py`,
`tensorflow/contrib/legacy_seq2seq/python/ops/seq2seq.py`, `tensorflow_addons/seq2seq/loss.py`.

What differs, all of it on purpose:

| where | the originals | here |
|---|---|---|
| weight 0, loss NaN or Inf | NaN loss and gradient (0 * NaN) | no effect |
| weight 0, id outside [0, V) | error (CPU), NaN (XLA) | no effect |
| Addons, one-hot targets, logit -inf at another class | NaN | finite, as with ids |
| Addons, targets [B, T, V] that do not sum to 1 | wrong gradient | true gradient |
| half precision logits | half precision; legacy NaN if all weights are 0 | float32 result |
| weights or targets [T, B] | accepted, wrong number | ValueError |
| weights [1, 1], [1, B*T]; legacy weights[t] [B, 1] | accepted, wrong number | ValueError |
| custom function returns a scalar or [N, 1] | accepted, wrong number | ValueError |
| wrong dtype, eagerly; weights None | InvalidArgumentError, AttributeError | TypeError |
| contrib, Addons, lists of time steps for logits | AttributeError | TypeError |
| shapes that disagree, eagerly | InvalidArgumentError | ValueError |
| NumPy arrays, lists, tuples with lists | partly refused | accepted |
| Addons, custom function, targets [B, T, V] | error | gets labels [N, V] |
| legacy `sequence_loss`, B = 0 | NaN (0 / 0) | 0 |

Kept although surprising: `sum_over_timesteps` with `sum_over_batch` divides by the number of
non-zero weights; contrib ignores a sum flag when the other axis is averaged;
`average_across_batch` alone does not divide by B; legacy counts empty rows in B and always adds
1e-12 to its divisors.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from components.sequence_loss import checks, compat_inputs, losses

LEGACY_EPSILON = 1e-12
LossFunction = Callable[..., Any] | None


def contrib_sequence_loss(
    logits: Any,
    targets: Any,
    weights: Any,
    average_across_timesteps: bool = True,
    average_across_batch: bool = True,
    sum_over_timesteps: bool = False,
    sum_over_batch: bool = False,
    softmax_loss_function: LossFunction = None,
    name: str | None = None,
    *,
    epsilon: float = 0.0,
) -> tf.Tensor:
    """`tf.contrib.seq2seq.sequence_loss` of TensorFlow 1.14 and 1.15.

    With e the token losses and W the weights, over the axes that the flags name: average flags
    give sum(W e) / sum(W), sum flags sum(W e) / count_nonzero(W); a divisor of 0 gives 0.

    Args:
      logits: `[B, T, V]`.
      targets: int32 or int64 ids `[B, T]`.
      weights: `[B, T]` of the logits' dtype.
      epsilon: added to the divisor. 1e-12 gives TensorFlow 1.0 to 1.13, which had no sum flags.

    Returns:
      A scalar, `[B]`, `[T]` or `[B, T]`, as the flags say.

    Raises:
      ValueError: sum and average of the same axis, or a wrong shape. TypeError: a wrong dtype.
    """
    flags = _Flags(
        average_across_timesteps, average_across_batch, sum_over_timesteps, sum_over_batch
    )
    flags.refuse_both_of_one_axis()
    with tf.name_scope(name or "sequence_loss"):
        options = losses.CrossEntropy(softmax_loss_function=softmax_loss_function)
        inputs = compat_inputs.strict_inputs(logits, targets, weights, target_ranks=(2,))
        return _batch_major(*inputs, flags, options, epsilon)


def addons_sequence_loss(
    logits: Any,
    targets: Any,
    weights: Any,
    average_across_timesteps: bool = True,
    average_across_batch: bool = True,
    sum_over_timesteps: bool = False,
    sum_over_batch: bool = False,
    softmax_loss_function: LossFunction = None,
    name: str | None = None,
) -> tf.Tensor:
    """`tfa.seq2seq.sequence_loss` 0.23: contrib's, also with targets `[B, T, V]`, no mixed flags.

    The class `tfa.seq2seq.SequenceLoss` is this function with `(y_true, y_pred, sample_weight)` for
    `(targets, logits, weights)` and both sum flags, not the averages, as defaults.
    """
    flags = _Flags(
        average_across_timesteps, average_across_batch, sum_over_timesteps, sum_over_batch
    )
    flags.refuse_both_of_one_axis()
    flags.refuse_mixed()
    with tf.name_scope(name or "sequence_loss"):
        options = losses.CrossEntropy(softmax_loss_function=softmax_loss_function)
        inputs = compat_inputs.strict_inputs(logits, targets, weights, target_ranks=(2, 3))
        return _batch_major(*inputs, flags, options, epsilon=0.0)


def legacy_sequence_loss_by_example(
    logits: Sequence[Any],
    targets: Sequence[Any],
    weights: Sequence[Any],
    average_across_timesteps: bool = True,
    softmax_loss_function: LossFunction = None,
    name: str | None = None,
) -> tf.Tensor:
    """`tf.contrib.legacy_seq2seq.sequence_loss_by_example`: one loss for each sequence.

    sum_t(W e) / (sum_t(W) + 1e-12) `[B]`, or sum_t(W e) without `average_across_timesteps`.

    Args:
      logits: list of T tensors `[B, V]`.
      targets: list of T tensors of int32 or int64 ids `[B]`.
      weights: list of T tensors `[B]` (or scalars) of the logits' dtype.
      softmax_loss_function: called T times, with `[B]` and `[B, V]`.
    """
    with tf.name_scope(name or "sequence_loss_by_example"):
        options = losses.CrossEntropy(
            softmax_loss_function=softmax_loss_function, call_per_timestep=True
        )
        inputs = compat_inputs.stack_lists(logits, targets, weights)
        return _by_example(*inputs, average_across_timesteps, options)


def legacy_sequence_loss(
    logits: Sequence[Any],
    targets: Sequence[Any],
    weights: Sequence[Any],
    average_across_timesteps: bool = True,
    average_across_batch: bool = True,
    softmax_loss_function: LossFunction = None,
    name: str | None = None,
) -> tf.Tensor:
    """`tf.contrib.legacy_seq2seq.sequence_loss`: the sum of `sequence_loss_by_example`, a scalar.

    Divided by B, empty rows included, with `average_across_batch`.
    """
    with tf.name_scope(name or "sequence_loss"):
        per_example = legacy_sequence_loss_by_example(
            logits, targets, weights, average_across_timesteps, softmax_loss_function
        )
        total = tf.reduce_sum(per_example)
        if not average_across_batch:
            return total
        return tf.math.divide_no_nan(total, tf.cast(tf.size(per_example), total.dtype))


def sequence_loss_by_example(
    logits: Any,
    targets: Any,
    weights: Any,
    average_across_timesteps: bool = True,
    softmax_loss_function: LossFunction = None,
    name: str | None = None,
) -> tf.Tensor:
    """TensorFlow 1's function, also on tensors `[B, T, V]`, `[B, T]`, `[B, T]`: `[B]`.

    Lists go to `legacy_sequence_loss_by_example`. On tensors the formula is the same; the custom
    function is called once, with `[B * T]` and `[B * T, V]`.
    """
    if isinstance(logits, list | tuple):
        return legacy_sequence_loss_by_example(
            logits, targets, weights, average_across_timesteps, softmax_loss_function, name
        )
    with tf.name_scope(name or "sequence_loss_by_example"):
        options = losses.CrossEntropy(softmax_loss_function=softmax_loss_function)
        inputs = compat_inputs.strict_inputs(logits, targets, weights, target_ranks=(2,))
        return _by_example(*inputs, average_across_timesteps, options)


@dataclasses.dataclass(frozen=True)
class _Flags:
    """The four flags of contrib and Addons."""

    average_time: bool
    average_batch: bool
    sum_time: bool
    sum_batch: bool

    def refuse_both_of_one_axis(self) -> None:
        """ValueError where one axis is to be averaged and summed."""
        for axis, both in (
            ("timesteps", self.average_time and self.sum_time),
            ("batch", self.average_batch and self.sum_batch),
        ):
            if both:
                raise ValueError(
                    f"average_across_{axis} and sum_over_{axis}: got both True, expected one"
                )

    def refuse_mixed(self) -> None:
        """ValueError where one axis is to be averaged and the other summed (Addons)."""
        for average, sum_, both in (
            ("timesteps", "batch", self.average_time and self.sum_batch),
            ("batch", "timesteps", self.average_batch and self.sum_time),
        ):
            if both:
                raise ValueError(
                    f"average_across_{average} and sum_over_{sum_}: got both True, expected one,"
                    " because the order of the two is ambiguous"
                )

    @property
    def axes(self) -> list[int]:
        """Axes of `[B, T]` to reduce; an average flag beats a sum flag of the other axis."""
        if self.average_time or self.average_batch:
            batch, time = self.average_batch, self.average_time
        else:
            batch, time = self.sum_batch, self.sum_time
        return [axis for axis, reduce in enumerate((batch, time)) if reduce]


def _batch_major(
    logits: tf.Tensor,
    targets: tf.Tensor,
    weights: tf.Tensor,
    flags: _Flags,
    options: losses.CrossEntropy,
    epsilon: float,
) -> tf.Tensor:
    """contrib's and Addons' reduction of checked inputs."""
    token_losses = losses.masked_token_losses(logits, targets, weights, options)
    if not flags.axes:
        return weights * token_losses
    averaged = flags.average_time or flags.average_batch
    counts = weights if averaged else tf.cast(checks.nonzero(weights), weights.dtype)
    divisor = tf.reduce_sum(counts, axis=flags.axes) + tf.constant(epsilon, weights.dtype)
    return tf.math.divide_no_nan(tf.reduce_sum(weights * token_losses, axis=flags.axes), divisor)


def _by_example(
    logits: tf.Tensor,
    targets: tf.Tensor,
    weights: tf.Tensor,
    average_across_timesteps: bool,
    options: losses.CrossEntropy,
) -> tf.Tensor:
    """The legacy per-example loss `[B]` of checked inputs."""
    token_losses = losses.masked_token_losses(logits, targets, weights, options)
    sums = tf.reduce_sum(weights * token_losses, axis=1)
    if not average_across_timesteps:
        return sums
    return sums / (tf.reduce_sum(weights, axis=1) + tf.constant(LEGACY_EPSILON, weights.dtype))
