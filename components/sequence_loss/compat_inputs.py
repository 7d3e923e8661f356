"""The arguments of `compat`: the originals' strict dtypes, and lists of time steps as tensors."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from components.sequence_loss import checks, losses


def strict_inputs(
    logits: Any, targets: Any, weights: Any, *, target_ranks: tuple[int, ...]
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Tensors of the dtypes that the originals insist on, then cast to float32 or float64."""
    if weights is None:
        raise TypeError("weights: got None, expected a tensor [B, T] of the logits' dtype")
    logits = checks.require_logits(logits)
    targets = checks.require_targets(targets, logits)
    weights = checks.as_tensor("weights", weights, logits.dtype)
    if targets.shape.rank not in target_ranks:
        raise ValueError(f"targets: got {checks.describe(targets)}, expected ids [B, T]")
    if targets.shape.rank == 2 and targets.dtype not in (tf.int32, tf.int64):
        raise TypeError(f"targets: got {checks.describe(targets)}, expected int32 or int64")
    if weights.dtype != logits.dtype:
        raise TypeError(
            f"weights: got {checks.describe(weights)}, expected the logits' {logits.dtype.name}"
        )
    logits = losses.at_least_float32(logits)
    return logits, targets, checks.require_weights(weights, logits, logits.dtype)


def stack_lists(
    logits: Sequence[Any], targets: Sequence[Any], weights: Sequence[Any]
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Lists of T time steps as checked tensors `[B, T, V]`, `[B, T]`, `[B, T]`."""
    for name, given in (("logits", logits), ("targets", targets), ("weights", weights)):
        if not isinstance(given, list | tuple):
            raise TypeError(
                f"{name}: got {type(given).__name__}, expected a list of T time steps"
                " (sequence_loss_by_example and sequence_loss take tensors)"
            )
    if not len(logits) == len(weights) == len(targets) > 0:
        raise ValueError(
            "lengths of the lists logits, weights, targets: got"
            f" {len(logits)}, {len(weights)}, {len(targets)}, expected equal and not 0"
        )
    steps = [checks.as_tensor(f"logits[{i}]", step) for i, step in enumerate(logits)]
    for position, step in enumerate(steps):
        if step.shape.rank != 2:
            raise ValueError(f"logits[{position}]: got {checks.describe(step)}, expected [B, V]")
    stacked = tf.stack(steps, axis=1)  # [B, T, V]
    ids = [_step("targets", i, step, stacked, None) for i, step in enumerate(targets)]
    factors = [_step("weights", i, step, stacked, stacked.dtype) for i, step in enumerate(weights)]
    return strict_inputs(
        stacked, tf.stack(ids, axis=1), tf.stack(factors, axis=1), target_ranks=(2,)
    )


def _step(name: str, position: int, step: Any, logits: tf.Tensor, dtype: Any) -> tf.Tensor:
    """One time step as `[B]`: ids also from `[B, 1]`, weights also from a scalar, as in TF 1."""
    step = checks.as_tensor(f"{name}[{position}]", step, dtype)
    if name == "weights" and step.shape.rank == 0:
        return tf.fill(tf.shape(logits)[:1], step)
    if name == "targets" and step.shape.rank == 2 and step.shape[1] == 1:
        step = step[:, 0]
    if step.shape.rank != 1 or not step.shape.is_compatible_with(logits.shape[:1]):
        raise ValueError(
            f"{name}[{position}]: got {checks.describe(step)}, expected [B] of the logits"
            f" {checks.describe(logits)}, which are [B, T, V]"
        )
    return step
