"""What the losses refuse, and how they say it.

Static shapes are checked while tracing (`ValueError`; dtypes `TypeError`). Dimensions known only at
run time, target ids and non-finite losses are checked in the graph (the error is
`tf.errors.InvalidArgumentError`, as from TensorFlow's own kernels). XLA drops assertions: there an
out-of-range id gives NaN, and `nonfinite_examples` is the flag to return; of the shapes XLA says
only that a `reshape` does not fit, in a node with the argument's name (`weights_shape`).
"""

import math
import numbers
from typing import Any

import tensorflow as tf


def describe(tensor: tf.Tensor) -> str:
    """Dtype and static shape for an error message, for instance `float32 [3, ?, 10]`."""
    rank = tensor.shape.rank
    if rank is None:
        return f"{tensor.dtype.name} of unknown rank"
    return f"{tensor.dtype.name} [{', '.join('?' if d is None else str(d) for d in tensor.shape)}]"


def as_tensor(name: str, value: Any, dtype: tf.DType | None = None) -> tf.Tensor:
    """`value` as a dense tensor, else TypeError, ValueError with the name of the argument.

    `dtype` is for what is no tensor yet.
    """
    if isinstance(value, tf.RaggedTensor | tf.SparseTensor):
        raise TypeError(
            f"{name}: got a {type(value).__name__}, expected a dense tensor and weights 0 at padding"
        )
    try:
        return value if tf.is_tensor(value) else tf.convert_to_tensor(value, dtype)
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"{name}: got a {type(value).__name__} that is no array, expected numbers in rows of"
            f" equal length{'' if dtype is None else ', ' + dtype.name}"
        ) from error


def nonzero(values: tf.Tensor) -> tf.Tensor:
    """`values != 0` as a tensor: in a TensorFlow 1 graph the operator compares identities."""
    return tf.not_equal(values, tf.zeros([], values.dtype))


def require_number(name: str, value: Any, *, below: float = math.inf) -> float:
    """A number 0 <= x < below as a float, else TypeError, ValueError."""
    if not isinstance(value, numbers.Real):
        raise TypeError(f"{name}: got {type(value).__name__}, expected a Python number")
    number = float(value)
    if not 0.0 <= number < below:
        expected = ">= 0 and finite" if below == math.inf else f"0 <= x < {below:g}"
        raise ValueError(f"{name}: got {number}, expected {expected}")
    return number


def _is_real(dtype: tf.DType) -> bool:
    return dtype.is_floating or dtype.is_integer or dtype.is_bool


def require_logits(logits: Any) -> tf.Tensor:
    """Logits (or probabilities) as a floating tensor `[B, T, V]`, else ValueError, TypeError."""
    if logits is None:
        raise TypeError("logits: got None, expected a floating tensor [B, T, V]")
    if isinstance(logits, list | tuple) and any(hasattr(step, "shape") for step in logits):
        # Stacked as they are they would be [T, B, V]: the wrong axis, and often the right shape.
        raise TypeError(
            f"logits: got a list of {len(logits)} tensors, expected one tensor [B, T, V];"
            " time steps [B, V]: tf.stack(logits, axis=1), or a legacy function of compat"
        )
    logits = as_tensor("logits", logits)
    if logits.shape.rank != 3:
        raise ValueError(f"logits: got {describe(logits)}, expected rank 3: [B, T, V]")
    if not logits.dtype.is_floating:
        raise TypeError(f"logits: got {describe(logits)}, expected a floating dtype")
    return logits


def require_targets(targets: Any, logits: tf.Tensor) -> tf.Tensor:
    """Integer ids `[B, T]` or a distribution `[B, T, V]` over the classes of `logits`."""
    if targets is None:
        raise TypeError("targets: got None, expected ids [B, T] or probabilities [B, T, V]")
    targets = as_tensor("targets", targets)
    if targets.shape.rank not in (2, 3):
        raise ValueError(
            f"targets: got {describe(targets)}, expected ids [B, T] or probabilities [B, T, V]"
            f" for logits {describe(logits)}"
        )
    if targets.shape.rank == 2 and not targets.dtype.is_integer:
        raise TypeError(f"targets: got {describe(targets)}, expected integer ids [B, T]")
    if not _is_real(targets.dtype):
        raise TypeError(f"targets: got {describe(targets)}, expected probabilities [B, T, V]")
    return require_same_shape("targets", targets, logits, dims=targets.shape.rank)


def require_weights(
    weights: Any, logits: tf.Tensor, dtype: tf.DType, *, of: str = "logits"
) -> tf.Tensor:
    """Weights `[B, T]` cast to `dtype`; None means 1 everywhere. Nothing is broadcast."""
    if weights is None:
        return tf.ones(tf.shape(logits)[:2], dtype)
    weights = as_tensor("weights", weights)
    if not _is_real(weights.dtype):
        raise TypeError(f"weights: got {describe(weights)}, expected a real or bool dtype")
    return tf.cast(require_same_shape("weights", weights, logits, dims=2, of=of), dtype)


def require_lengths(lengths: Any, logits: tf.Tensor, *, of: str = "logits") -> tf.Tensor:
    """Lengths `[B]` as int64, not negative; given as integers of any width."""
    lengths = as_tensor("target_lengths", lengths)
    if not lengths.dtype.is_integer:
        raise TypeError(f"target_lengths: got {describe(lengths)}, expected integers [B]")
    lengths = require_same_shape("target_lengths", lengths, logits, dims=1, of=of)
    lengths = tf.cast(lengths, tf.int64)  # a sum of int8 lengths overflows, and so may T
    what = "target_lengths: negative length"
    return raise_where((lengths < 0)[:, tf.newaxis], lengths[:, tf.newaxis], what)[:, 0]


def require_same_shape(
    name: str, tensor: tf.Tensor, logits: tf.Tensor, *, dims: int, of: str = "logits"
) -> tf.Tensor:
    """`tensor`, whose shape must be that of the first `dims` dimensions of `logits`.

    Another tensor may stand for the logits: `of` is its name in the messages.
    """
    expected = logits.shape[:dims]
    if tensor.shape.rank != dims or not tensor.shape.is_compatible_with(expected):
        axes = ", ".join("BTV"[:dims])
        raise ValueError(
            f"{name}: got {describe(tensor)}, expected [{axes}] of {of} {describe(logits)}"
        )
    if tensor.shape.is_fully_defined() and expected.is_fully_defined():
        return tensor
    # Unknown dimensions would broadcast in silence: [B, 1] weights times [B, T] losses.
    got, want = tf.shape(tensor), tf.shape(logits)[:dims]
    message = [f"{name}: got shape", got, f"expected, from {of},", want]
    with tf.control_dependencies(
        [tf.debugging.Assert(tf.reduce_all(tf.equal(got, want)), message)]
    ):
        # XLA drops the assertion, but not a reshape: it refuses to compile one that does not fit.
        fits = [
            tf.reshape(tf.zeros(got[axis]), want[axis, tf.newaxis], name=f"{name}_shape")
            for axis in range(dims)
        ]
    with tf.control_dependencies(fits):
        return tf.identity(tensor)


def in_range(targets: tf.Tensor, vocabulary_size: tf.Tensor) -> tf.Tensor:
    """Whether each id `[B, T]` names a class: 0 <= id < vocabulary_size. bool `[B, T]`."""
    ids = tf.cast(targets, tf.int64)  # the size would wrap around in int8
    return (ids >= 0) & (ids < tf.cast(vocabulary_size, tf.int64))


def raise_where(
    bad: tf.Tensor,
    values: tf.Tensor,
    what: str,
    *,
    shown: tf.Tensor | None = None,
    size: tf.Tensor | int | None = None,
) -> tf.Tensor:
    """`values` `[B, T]`; InvalidArgumentError naming the first place where `bad` `[B, T]` holds.

    The message gives the value there, that of `shown` if given, and `size` as V if given.
    """
    if tf.executing_eagerly() and not tf.reduce_any(bad):
        return values
    width = tf.maximum(tf.shape(bad)[1], 1)
    order = tf.reshape(tf.range(tf.size(bad)), tf.shape(bad))
    first = tf.reduce_min(tf.where(bad, order, order.dtype.max))
    shown = values if shown is None else shown
    value = tf.reduce_sum(tf.where(tf.equal(order, first), shown, tf.zeros([], shown.dtype)))
    row, column = first // width, first % width
    if tf.executing_eagerly():
        place = f"example {int(row)}, position {int(column)}, got {value.numpy()}"
        place += "" if size is None else f", V = {int(size)}"
        raise tf.errors.InvalidArgumentError(None, None, f"{what}: {place}")
    message = [f"{what}: example", row, "position", column, "got", value]
    message += [] if size is None else ["V =", size]
    with tf.control_dependencies([tf.debugging.Assert(~tf.reduce_any(bad), message)]):
        return tf.identity(values)


def check_finite(losses: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """`losses` `[B, T]` unchanged; an error names the first place where loss or weight is not finite.

    A loss counts only at a non-zero weight. Works eagerly and in a `tf.function`. Under
    `jit_compile=True` assertions do not exist: return `nonfinite_examples(losses, weights)` from
    the compiled step instead.
    """
    culprits = tf.where(tf.math.is_finite(losses), tf.cast(weights, losses.dtype), losses)
    what = "non-finite loss or weight, at a non-zero weight"
    return raise_where(_nonfinite(losses, weights), losses, what, shown=culprits)


def nonfinite_examples(losses: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """bool `[B]`: examples that `check_finite` would name. No assertion, so XLA-safe."""
    return tf.reduce_any(_nonfinite(losses, weights), axis=1)


def _nonfinite(losses: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """bool `[B, T]`"""
    weights = tf.cast(weights, losses.dtype)
    return nonzero(weights) & ~(tf.math.is_finite(losses) & tf.math.is_finite(weights))
