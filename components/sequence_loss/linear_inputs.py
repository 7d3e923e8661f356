"""The arguments of `linear_sequence_loss`, checked."""

import dataclasses
from typing import Any

import tensorflow as tf

from components.sequence_loss import checks, linear_chunks


@dataclasses.dataclass(frozen=True)
class Batch:
    """hidden `[B, T, D]`, kernel `[D, V]` or `[V, D]`, bias `[V]` or None, targets int64 `[B, T]`.

    And weights `[B, T]` in the dtype of sums; lengths `[B]` or None.
    """

    hidden: tf.Tensor
    kernel: tf.Tensor
    bias: tf.Tensor | None
    targets: tf.Tensor
    weights: tf.Tensor
    lengths: tf.Tensor | None


def require_batch(
    hidden: Any,
    kernel: Any,
    bias: Any,
    targets: Any,
    weights: Any,
    target_lengths: Any,
    plan: linear_chunks.Plan,
) -> Batch:
    """Tensors that fit each other, with target ids in range wherever the weight is not 0.

    Raises:
      ValueError, TypeError: a wrong rank, shape or dtype.
      tf.errors.InvalidArgumentError: an id outside [0, V) at a non-zero weight.
    """
    layout = "[V, D]" if plan.transpose_kernel else "[D, V]"
    kernel = require_floats("kernel", kernel, 2, layout)
    if plan.transpose_kernel:
        classes, width = kernel.shape
    else:
        width, classes = kernel.shape
    if not hidden.shape[2:].is_compatible_with([width]):
        raise ValueError(
            f"kernel: got {checks.describe(kernel)}, expected {layout} with the D of"
            f" hidden {checks.describe(hidden)}"
        )
    if bias is not None:
        bias = require_floats("bias", bias, 1, "[V] or None")
        if not bias.shape.is_compatible_with([classes]):
            raise ValueError(
                f"bias: got {checks.describe(bias)}, expected [V] of kernel"
                f" {checks.describe(kernel)}"
            )
    lengths = None
    if target_lengths is not None:
        lengths = checks.require_lengths(target_lengths, hidden, of="hidden")
    weights = checks.require_weights(weights, hidden, plan.sum_dtype, of="hidden")
    size = tf.shape(kernel, tf.int64)[0 if plan.transpose_kernel else 1]
    return Batch(hidden, kernel, bias, _targets(targets, hidden, weights, size), weights, lengths)


def require_floats(name: str, values: Any, rank: int, shape: str) -> tf.Tensor:
    """`values` as a floating tensor of this rank, else TypeError, ValueError."""
    if values is None:
        raise TypeError(f"{name}: got None, expected a floating tensor {shape}")
    values = checks.as_tensor(name, values)
    if values.shape.rank != rank:
        raise ValueError(f"{name}: got {checks.describe(values)}, expected rank {rank}: {shape}")
    if not values.dtype.is_floating:
        raise TypeError(f"{name}: got {checks.describe(values)}, expected a floating dtype")
    return values


def _targets(targets: Any, hidden: tf.Tensor, weights: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Integer ids `[B, T]` as int64, in range at non-zero weights and 0 elsewhere."""
    if targets is None:
        raise TypeError("targets: got None, expected integer ids [B, T]")
    targets = checks.as_tensor("targets", targets)
    if targets.shape.rank == 3:
        raise ValueError(
            f"targets: got {checks.describe(targets)}, expected ids [B, T]; distributions need the"
            " logits: use sequence_loss"
        )
    if not targets.dtype.is_integer:
        raise TypeError(f"targets: got {checks.describe(targets)}, expected integer ids [B, T]")
    targets = checks.require_same_shape("targets", targets, hidden, dims=2, of="hidden")
    targets = tf.cast(targets, tf.int64)
    valid = checks.in_range(targets, size)
    what = "target id outside the vocabulary, [0, V) of the kernel, at a non-zero weight"
    live = checks.nonzero(weights)
    checked = checks.raise_where(live & ~valid, targets, what, size=size)
    return tf.where(live, checked, tf.zeros([], tf.int64))
