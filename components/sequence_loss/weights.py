"""Weights `[B, T]` from what is at hand: lengths, masks, segment ids, numbers, or their product.

A factor of 0 switches a position off whatever the other factors hold there: the product is then
exactly 0, not 0 * NaN.
"""

import numbers
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from components.sequence_loss import checks

# factor -> (the ranks it may have, what its dtype must be, the test for that)
_Rule = tuple[tuple[int, ...], str, Callable[[tf.DType], bool]]
_RULES: dict[str, _Rule] = {
    "mask": ((2,), "bool", lambda dtype: dtype.is_bool),
    "segment_ids": ((2,), "integers", lambda dtype: dtype.is_integer),
    "lengths": ((1,), "integers", lambda dtype: dtype.is_integer),
    "token": ((2,), "real numbers", lambda dtype: dtype.is_floating or dtype.is_integer),
    "example": ((1,), "real numbers", lambda dtype: dtype.is_floating or dtype.is_integer),
    "importance": ((1, 2), "real numbers", lambda dtype: dtype.is_floating or dtype.is_integer),
    "weights": ((2,), "a floating dtype", lambda dtype: dtype.is_floating),
}
_SHAPES = {1: "[B]", 2: "[B, T]"}


def sequence_weights(
    *,
    lengths: Any = None,
    maxlen: int | None = None,
    mask: Any = None,
    segment_ids: Any = None,
    token: Any = None,
    example: Any = None,
    importance: Any = None,
    dtype: Any = tf.float32,
) -> tf.Tensor:
    """The product of the given factors, `[B, T]`; one that is not given is 1.

    Args:
      lengths: integer `[B]`, 0 <= length <= T: 1 before the length, 0 from there on.
      maxlen: T. Needed where no factor is `[B, T]`; where one is, it must agree.
      mask: bool `[B, T]`, True counts.
      segment_ids: integer `[B, T]` of packed rows; 0 is padding, every other id counts 1.
      token: numbers `[B, T]`, one for each token.
      example: numbers `[B]`, one for each example. `per_example` and `example_mean` divide by the
        example's own weight, so that a factor of the whole example cancels there.
      importance: numbers `[B]` or `[B, T]`, for instance target over sampling probability.
      dtype: floating dtype of the result.

    Returns:
      `[B, T]`, exactly 0 wherever a factor is 0, even where another one is NaN or infinite.

    Raises:
      ValueError: no factor, no T, a wrong rank, shapes that disagree, a length outside [0, T].
      TypeError: a wrong dtype.
      tf.errors.InvalidArgumentError: shapes and lengths known only at run time. Under XLA, where
        nothing can raise, a length past T counts as T and a negative one as 0.
    """
    named = {"mask": mask, "segment_ids": segment_ids, "token": token, "importance": importance}
    named |= {"lengths": lengths, "example": example}
    given = {name: _tensor(name, value) for name, value in named.items() if value is not None}
    source, plane = _plane(given, maxlen)
    dtype = tf.as_dtype(dtype)
    if not dtype.is_floating:
        raise TypeError(f"dtype: got {dtype.name}, expected a floating dtype")
    product, live = tf.ones(tf.shape(plane), dtype), tf.ones(tf.shape(plane), tf.bool)
    for name, factor in given.items():
        factor = checks.require_same_shape(name, factor, plane, dims=factor.shape.rank, of=source)
        values = tf.cast(_multiplier(name, factor, plane), dtype)  # [B, T] or [B, 1]
        product, live = product * values, live & checks.nonzero(values)
    return tf.ensure_shape(tf.where(live, product, tf.zeros([], dtype)), plane.shape)


def per_segment_weights(weights: Any, segment_ids: Any) -> tf.Tensor:
    """Weights that give each segment of packed rows one vote: w / (sum of w over its segment).

    They sum to 1 over each segment that has weight. So `token_mean` with them is the mean of the
    segments' weighted means, which is `example_mean` with one segment in a row; and their sum, the
    denominator of `sequence_loss_sum`, is the number of segments that count.

    Args:
      weights: floating `[B, T]`, for instance `sequence_weights(segment_ids=...)`.
      segment_ids: integer `[B, T]`, 0 <= id <= T, 0 is padding. Rows do not share segments.

    Returns:
      `[B, T]` of the weights' dtype; 0 at id 0 and in segments whose weights sum to 0 or less. A
      weight that is NaN or infinite stays so, and does not count in the sum of its segment.

    Raises:
      ValueError, TypeError: a wrong rank, shape or dtype, an id outside [0, T].
      tf.errors.InvalidArgumentError: shapes and ids known only at run time.
    """
    weights, ids = _tensor("weights", weights), _tensor("segment_ids", segment_ids)
    ids = checks.require_same_shape("segment_ids", ids, weights, dims=2, of="weights")
    ids = tf.cast(ids, tf.int64)
    rows, steps = tf.unstack(tf.shape(weights, tf.int64))
    ids = _refuse(
        (ids < 0) | (ids > steps),
        ids,
        "segment_ids",
        f"0 <= id <= T for {checks.describe(weights)}",
    )
    live = tf.where(ids > 0, weights, tf.zeros([], weights.dtype))
    places = ids + (steps + 1) * tf.range(rows)[:, tf.newaxis]  # [B, T], distinct across rows
    finite = tf.math.is_finite(live)
    summed = tf.where(finite, live, tf.zeros([], weights.dtype))
    sums = tf.math.unsorted_segment_sum(summed, places, rows * (steps + 1))
    total = tf.gather(sums, places)  # [B, T]
    # A weight that is not finite stays so, for check_finite to name its own position.
    counted = checks.nonzero(live) & ((total > 0) | ~finite)
    share = live / tf.where(counted & finite, total, tf.ones([], weights.dtype))
    return tf.where(counted, share, tf.zeros([], weights.dtype))


def _tensor(name: str, value: Any) -> tf.Tensor:
    """The factor as a tensor of a rank and dtype that it may have."""
    ranks, wanted, fits = _RULES[name]
    shapes = " or ".join(_SHAPES[rank] for rank in ranks)
    if value is None:
        raise TypeError(f"{name}: got None, expected {wanted} {shapes}")
    tensor = checks.as_tensor(name, value)
    if tensor.shape.rank not in ranks:
        raise ValueError(f"{name}: got {checks.describe(tensor)}, expected {shapes}")
    if not fits(tensor.dtype):
        raise TypeError(f"{name}: got {checks.describe(tensor)}, expected {wanted} {shapes}")
    return tensor


def _plane(given: dict[str, tf.Tensor], maxlen: int | None) -> tuple[str, tf.Tensor]:
    """(its name, a tensor of the shape `[B, T]` of the result)."""
    if not given:
        raise ValueError("sequence_weights: got no factor, expected at least one")
    full = [(name, factor) for name, factor in given.items() if factor.shape.rank == 2]
    if maxlen is None:
        if full:
            return full[0]
        raise ValueError(f"maxlen: got None, expected T, because {', '.join(given)} are [B] only")
    if not isinstance(maxlen, numbers.Integral) or maxlen < 0:
        raise ValueError(f"maxlen: got {maxlen!r}, expected an int >= 0")
    name, first = full[0] if full else next(iter(given.items()))
    plane = tf.zeros([tf.shape(first)[0], maxlen], tf.bool)
    return f"{name} and maxlen={maxlen}:", tf.ensure_shape(plane, [first.shape[0], maxlen])


def _multiplier(name: str, factor: tf.Tensor, plane: tf.Tensor) -> tf.Tensor:
    """A checked factor as something that multiplies: `[B, T]` or `[B, 1]`."""
    if name == "segment_ids":
        return checks.nonzero(factor)
    if name == "lengths":
        steps, factor = tf.shape(plane, tf.int64)[1], tf.cast(factor, tf.int64)
        bad = (factor < 0) | (factor > steps)
        factor = _refuse(bad, factor, "lengths", f"0 <= length <= T of {checks.describe(plane)}")
        return tf.sequence_mask(factor, steps)
    return factor if factor.shape.rank == 2 else factor[:, tf.newaxis]


def _refuse(bad: tf.Tensor, values: tf.Tensor, name: str, expected: str) -> tf.Tensor:
    """`values` `[B]` or `[B, T]`: ValueError where `bad` is known to hold, else a check in the graph."""
    known = tf.get_static_value(bad)
    if known is None:
        what = f"{name}: expected {expected}"
        flat = (bad[:, tf.newaxis], values[:, tf.newaxis]) if bad.shape.rank == 1 else (bad, values)
        return tf.reshape(checks.raise_where(*flat, what), tf.shape(values))
    if known.any():
        first = tuple(int(indices[0]) for indices in known.nonzero())
        place = ", ".join(
            f"{axis} {i}" for axis, i in zip(("example", "position"), first, strict=False)
        )
        got = tf.get_static_value(values)[first]
        raise ValueError(f"{name}: {place}, got {got}, expected {expected}")
    return values
