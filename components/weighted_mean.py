"""A mean that is kept as a total and a weight, and divided once."""

import dataclasses

import numpy as np
import numpy.typing as npt


@dataclasses.dataclass(frozen=True)
class WeightedMean:
    """Σ w·x and Σ w, in float64; scalars, or arrays of one shape (one mean per element).

    Adding and merging never divide, so the mean of unequal parts is that of the whole. Follows
    clu's `Average(total, count)` (CommonLoopUtils/clu/metrics.py), with real-valued weights.
    """

    total: float | npt.NDArray[np.float64] = 0.0
    weight: float | npt.NDArray[np.float64] = 0.0

    def add(self, values: npt.ArrayLike, weights: npt.ArrayLike = 1.0) -> "WeightedMean":
        """Return this mean with `values` added; `weights` broadcasts against them.

        A value at weight 0 counts for nothing, NaN and Inf included.
        """
        values, weights = np.broadcast_arrays(
            np.asarray(values, np.float64), np.asarray(weights, np.float64)
        )
        products = np.where(weights == 0, 0.0, values) * weights
        return WeightedMean(self.total + products.sum(), self.weight + weights.sum())

    def merge(self, *others: "WeightedMean") -> "WeightedMean":
        """Return the mean of everything that went into this one and the others."""
        return WeightedMean(
            sum((other.total for other in others), start=self.total),
            sum((other.weight for other in others), start=self.weight),
        )

    def result(self) -> npt.NDArray[np.float64]:
        """Return total / weight, elementwise (a 0-d array for scalars); NaN at weight 0."""
        total, weight = np.broadcast_arrays(
            np.asarray(self.total, np.float64), np.asarray(self.weight, np.float64)
        )
        return np.divide(total, weight, out=np.full(total.shape, np.nan), where=weight != 0)
