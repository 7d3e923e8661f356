"""Sums of real numbers that come out the same to the bit in whatever order they are added.

A number is kept as two float64, a multiple of 2^-20 and a rest that is a multiple of 2^-60. Sums of
either are exact while they fit into 53 bits: the high ones up to 2^33, the low ones over at least
2^14 numbers, in practice over millions, as rests have either sign. So parts add up to the whole
whatever the batches, bundles and workers were, and token slices add up to all tokens. Beyond these
limits, and for what NaN and Inf do, it is ordinary float64 arithmetic.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]

_HIGH, _LOW = 2.0**20, 2.0**60
# A term keeps so many binary digits of its row's largest, which leaves room for 4096 terms.
_DIGITS = 40


def rounded(terms: Array) -> Array:
    """Terms [B, T], rounded so that float64 adds up each row exactly, in any order.

    An error is at most 2^-41 of the row's largest term, or 2^-61.
    """
    largest = np.max(np.where(np.isfinite(terms), np.abs(terms), 0.0), axis=1, initial=0.0)
    scale = np.ldexp(1.0, np.minimum(_DIGITS - np.frexp(largest)[1], 60))[:, None]
    return np.rint(terms * scale) / scale


def split(values: Array) -> Array:
    """Two numbers in place of each, [..., 2], whose sums are exact."""
    with np.errstate(invalid="ignore", over="ignore"):
        high = np.rint(values * _HIGH) / _HIGH
        low = np.rint((values - high) * _LOW) / _LOW
    # NaN and Inf are told by the high one.
    return np.stack([high, np.where(np.isfinite(values), low, 0.0)], axis=-1)


def joined(sums: Array) -> Array:
    """One number in place of the two that `split` made, or of sums of them: [..., 2] -> [...]."""
    return np.sum(sums, axis=-1)


def add_by(groups: Ints, values: Array, count: int) -> Array:
    """Σ of values [N, ...] by group [N], a number below `count`: [count, ...]."""
    total = np.zeros((count, *values.shape[1:]))
    if len(groups):
        order = np.argsort(groups, kind="stable")
        found, starts = np.unique(groups[order], return_index=True)
        total[found] = np.add.reduceat(values[order], starts, axis=0)
    return total
