"""Losses and gradients in float64 NumPy: the independent witness.

Shares no code with components.sequence_loss. Every reduction is linear in the token losses, so one
table of coefficients gives both: value = sum of c l over the reduced axes, and the gradient of the
summed value with respect to the logits is c (softmax - one-hot).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]

_KEPT_AXES = {"none": "bt", "per_example": "b", "per_example_sum": "b"}


@dataclass(frozen=True)
class TokenLosses:
    """Cross-entropy `[B, T]` in nats and its gradient `[B, T, V]` to the logits; 0 where dead."""

    losses: Array
    gradient: Array


def token_losses(logits: npt.ArrayLike, targets: npt.ArrayLike, live: npt.ArrayLike) -> TokenLosses:
    """-log softmax(logits)[target] in float64.

    Args:
      logits: `[B, T, V]`, anything where dead.
      targets: ids `[B, T]`, anything where dead.
      live: bool `[B, T]`, where the weight is not 0.
    """
    alive = np.asarray(live, bool)
    x = np.where(alive[..., None], np.asarray(logits, np.float64), 0.0)
    ids = np.where(alive, np.asarray(targets), 0)[..., None]
    shifted = x - x.max(axis=-1, keepdims=True)
    exponents = np.exp(shifted)
    total = exponents.sum(axis=-1, keepdims=True)
    losses = np.log(total) - np.take_along_axis(shifted, ids, axis=-1)
    gradient = exponents / total
    at_target = np.take_along_axis(gradient, ids, axis=-1) - 1.0
    np.put_along_axis(gradient, ids, at_target, axis=-1)
    return TokenLosses(np.where(alive, losses[..., 0], 0.0), gradient * alive[..., None])


def value(reduction: str, losses: Array, weights: Array, lengths: npt.ArrayLike) -> Array:
    """The loss `[B, T]`, `[B]` or scalar, as `reduction` says; weights `[B, T]`, lengths `[B]`."""
    return reduced(reduction, coefficients(reduction, weights, lengths) * losses)


def reduced(reduction: str, products: Array) -> Array:
    """`products` `[B, T]`, added up over the axes that `reduction` does not keep."""
    kept = _KEPT_AXES.get(reduction, "")
    return products if kept == "bt" else products.sum(axis=1) if kept == "b" else products.sum()


def coefficients(reduction: str, weights: Array, lengths: npt.ArrayLike) -> Array:
    """d(sum of the loss) / d(token loss), `[B, T]`. No divisor, no loss: 0 / 0 is 0."""
    return _COEFFICIENTS[reduction](weights, np.asarray(lengths))


def _over(numerator: Array, divisor: npt.ArrayLike) -> Array:
    whole = np.broadcast_to(np.asarray(divisor, np.float64), numerator.shape)
    return np.divide(numerator, whole, out=np.zeros_like(numerator), where=whole != 0)


def _per_example(w: Array, _: np.ndarray) -> Array:
    return _over(w, w.sum(axis=1, keepdims=True))


def _example_mean(w: Array, lengths: np.ndarray) -> Array:
    counted = w.sum(axis=1, keepdims=True) > 0
    return _over(_per_example(w, lengths) * counted, counted.sum())


_COEFFICIENTS: dict[str, Callable[[Array, np.ndarray], Array]] = {
    "none": lambda w, _: w,
    "per_example": _per_example,
    "per_example_sum": lambda w, _: w,
    "token_sum": lambda w, _: w,
    "token_mean": lambda w, _: _over(w, w.sum()),
    "example_mean": _example_mean,
    "batch_mean": lambda w, _: _over(w, len(w)),
    "length_mean": lambda w, lengths: _over(w, np.minimum(lengths, w.shape[1]).sum()),
    "nonzero_mean": lambda w, _: _over(w, np.count_nonzero(w)),
}
REDUCTIONS = tuple(_COEFFICIENTS)
