"""From losses `[B, T]` and weights `[B, T]` to the reported number: sums first, one division last.

Below l are the losses and w the weights, float32 or float64, and `/0` is a division that gives 0
where the divisor is exactly 0. No divisor has an epsilon added.
"""

from collections.abc import Callable
from typing import NamedTuple, NoReturn

import tensorflow as tf

from components.sequence_loss import checks


class LossSum(NamedTuple):
    """A loss before its one division: what is added over micro-batches, replicas and bundles.

    A NamedTuple because `tf.function`, `tf.nest` and distribution strategies carry those as they
    are; `+` adds the two fields, it does not concatenate.

    Attributes:
      numerator: scalar, for `token_mean` the sum of w * l.
      denominator: scalar, for `token_mean` the sum of w. None: a plain sum that is never divided.
    """

    numerator: tf.Tensor
    denominator: tf.Tensor | None

    @property
    def mean(self) -> tf.Tensor:
        """numerator /0 denominator; the numerator itself when there is no denominator."""
        if self.denominator is None:
            return self.numerator
        return tf.math.divide_no_nan(
            tf.convert_to_tensor(self.numerator), tf.convert_to_tensor(self.denominator)
        )

    def map(self, function: Callable[[tf.Tensor], tf.Tensor]) -> "LossSum":
        """`function` of each sum there is, such as a reduction over replicas, which refuses None:

        `total.map(lambda x: strategy.reduce("SUM", x, axis=None))`
        """
        denominator = None if self.denominator is None else function(self.denominator)
        return LossSum(function(self.numerator), denominator)

    def __add__(self, other: object) -> "LossSum":
        if not isinstance(other, LossSum):
            return NotImplemented
        if (self.denominator is None) != (other.denominator is None):
            raise ValueError("LossSum: cannot add a sum that is divided to one that is not")
        numerator = self.numerator + other.numerator
        if self.denominator is None:
            return LossSum(numerator, None)
        return LossSum(numerator, self.denominator + other.denominator)

    def __radd__(self, other: object) -> "LossSum":
        # sum([a, b]) starts from the int 0
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def __mul__(self, _: object) -> NoReturn:
        # A tuple would repeat itself.
        raise TypeError("LossSum: cannot be multiplied; scale its sums: loss.map(lambda x: 2 * x)")

    def __rmul__(self, other: object) -> NoReturn:
        self.__mul__(other)


class LossParts(NamedTuple):
    """The sums of one batch: what is minimised, and what is reported beside it.

    All three have the same weights, the same reduction and so the same denominator; `+` adds field
    by field, and `sum` works. The gradient of `total` is the only one: the others are constants.

    Attributes:
      total: with label smoothing, z-loss or a custom function; its `.mean` is minimised.
      plain: the cross-entropy without any of them: the number to report and to compare.
      z_loss: the z-term of `total`, its coefficient included; 0 without z-loss.
    """

    total: LossSum
    plain: LossSum
    z_loss: LossSum

    def map(self, function: Callable[[tf.Tensor], tf.Tensor]) -> "LossParts":
        """`function` of every sum; see `LossSum.map`."""
        return LossParts(*(part.map(function) for part in self))

    def __add__(self, other: object) -> "LossParts":
        if not isinstance(other, LossParts):
            return NotImplemented
        return LossParts(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def __radd__(self, other: object) -> "LossParts":
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def __mul__(self, _: object) -> NoReturn:
        raise TypeError("LossParts: cannot be multiplied; scale its sums with .map")

    def __rmul__(self, other: object) -> NoReturn:
        self.__mul__(other)


def _total(values: tf.Tensor) -> tf.Tensor:
    """Sum of `[B, T]`, by rows first: in float32 a flat sum of equal terms is off by 1e-6 already."""
    return tf.reduce_sum(tf.reduce_sum(values, axis=1))


def _token_sum(losses: tf.Tensor, weights: tf.Tensor, _: tf.Tensor | None) -> LossSum:
    """sum w l"""
    return LossSum(_total(weights * losses), None)


def _token_mean(losses: tf.Tensor, weights: tf.Tensor, _: tf.Tensor | None) -> LossSum:
    """sum w l /0 sum w"""
    return LossSum(_total(weights * losses), _total(weights))


def _example_mean(losses: tf.Tensor, weights: tf.Tensor, _: tf.Tensor | None) -> LossSum:
    """Mean of `per_example` over the examples with sum_t w > 0; the others are not counted."""
    counted = tf.cast(tf.reduce_sum(weights, axis=1) > 0, losses.dtype)  # [B]
    return LossSum(tf.reduce_sum(counted * per_example(losses, weights)), tf.reduce_sum(counted))


def _batch_mean(losses: tf.Tensor, weights: tf.Tensor, _: tf.Tensor | None) -> LossSum:
    """sum w l /0 B; examples without weight count in B."""
    return LossSum(_total(weights * losses), tf.cast(tf.shape(losses)[0], losses.dtype))


def _length_mean(losses: tf.Tensor, weights: tf.Tensor, lengths: tf.Tensor | None) -> LossSum:
    """sum w l /0 sum min(length, T), for lengths `[B]`."""
    if lengths is None:
        raise ValueError("reduction 'length_mean' needs target_lengths [B], got None")
    positions = tf.minimum(lengths, tf.cast(tf.shape(losses)[1], lengths.dtype))
    return LossSum(_total(weights * losses), tf.cast(tf.reduce_sum(positions), losses.dtype))


def _nonzero_mean(losses: tf.Tensor, weights: tf.Tensor, _: tf.Tensor | None) -> LossSum:
    """sum w l /0 #(w != 0): TF 1's `sum_over_timesteps` with `sum_over_batch`."""
    return LossSum(_total(weights * losses), _total(tf.cast(checks.nonzero(weights), losses.dtype)))


def unreduced(losses: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """w l, `[B, T]`"""
    return weights * losses


def per_example(losses: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """sum_t w l /0 sum_t w, `[B]`"""
    return tf.math.divide_no_nan(
        tf.reduce_sum(weights * losses, axis=1), tf.reduce_sum(weights, axis=1)
    )


def per_example_sum(losses: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """sum_t w l, `[B]`"""
    return tf.reduce_sum(weights * losses, axis=1)


SUMS: dict[str, Callable[[tf.Tensor, tf.Tensor, tf.Tensor | None], LossSum]] = {
    "token_mean": _token_mean,
    "token_sum": _token_sum,
    "example_mean": _example_mean,
    "batch_mean": _batch_mean,
    "length_mean": _length_mean,
    "nonzero_mean": _nonzero_mean,
}
SHAPED: dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]] = {
    "none": unreduced,
    "per_example": per_example,
    "per_example_sum": per_example_sum,
}
REDUCTIONS = (*SUMS, *SHAPED)


def require_reduction(name: str) -> str:
    """`name` if it is one of `REDUCTIONS`, else ValueError."""
    if name not in REDUCTIONS:
        raise ValueError(f"reduction: got {name!r}, expected one of {', '.join(REDUCTIONS)}")
    return name


def require_sum(name: str) -> str:
    """`name` if it is a reduction that adds up over parts of a batch, else ValueError."""
    if require_reduction(name) in SHAPED:
        raise ValueError(
            f"reduction: got {name!r}, which keeps a dimension and so has no sum to add up;"
            f" expected one of {', '.join(SUMS)}"
        )
    return name


def require_lengths_if_needed(name: str, target_lengths: object, weights: object) -> None:
    """ValueError for lengths that are missing, or that would be thought to mask something."""
    if target_lengths is None and name == "length_mean":
        raise ValueError("reduction 'length_mean' needs target_lengths [B], got None")
    if target_lengths is not None and weights is None and name != "length_mean":
        raise ValueError(
            f"target_lengths without weights: lengths mask nothing under {name!r};"
            " give weights = tf.sequence_mask(target_lengths, T)"
        )
