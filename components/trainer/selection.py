"""Which weights are evaluated and exported: the last, their moving average, the best, or a mean."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from components.errors import InputError
from components.trainer.request import TrainOptions

Weights = list[npt.NDArray[Any]]


class Selection:
    """Sees the weights at each validation; says when to stop, and which weights are the result."""

    def __init__(self, options: TrainOptions) -> None:
        self._early = options.early_stopping
        self._averaged = options.average_checkpoints
        self._best_loss: float | None = None
        self._since_best = 0
        self._best: Weights = []
        self._recent: list[Weights] = []

    @property
    def keeps_weights(self) -> bool:
        """Whether `validated` needs the weights."""
        return self._early is not None or self._averaged > 0

    def validated(self, loss: float | None, weights: Weights) -> bool:
        """Take note of one validation; whether training should stop.

        Raises:
          InputError: early stopping, and there is no validation loss.
        """
        if self._averaged:
            self._recent = [*self._recent, weights][-self._averaged :]
        if self._early is None:
            return False
        if loss is None:
            raise InputError(
                "train.early_stopping: got an eval split without weight, expected a validation loss"
            )
        if self._best_loss is None or loss < self._best_loss - self._early.min_delta:
            self._best_loss, self._best, self._since_best = loss, weights, 0
        else:
            self._since_best += 1
        return self._since_best >= self._early.patience

    def result(self) -> Weights | None:
        """The weights to export, if they are not the last ones."""
        if self._recent:
            return [mean(values) for values in zip(*self._recent, strict=True)]
        return self._best or None

    def arrays(self) -> dict[str, Weights]:
        """The weights that a checkpoint holds, by name."""
        recent = {f"recent{index}": weights for index, weights in enumerate(self._recent)}
        return {"best": self._best} | recent

    def facts(self) -> dict[str, Any]:
        """What a checkpoint holds beside them."""
        return {
            "best_loss": self._best_loss,
            "since_best": self._since_best,
            "recent": len(self._recent),
        }

    def restore(self, facts: dict[str, Any], arrays: dict[str, Weights]) -> None:
        """The inverse of `facts` and `arrays`."""
        self._best_loss, self._since_best = facts["best_loss"], facts["since_best"]
        self._best = arrays.get("best", [])
        self._recent = [arrays[f"recent{index}"] for index in range(facts["recent"])]


def mean(values: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """The mean of equal shapes, added in float64."""
    return np.mean(values, axis=0, dtype=np.float64).astype(values[0].dtype)
