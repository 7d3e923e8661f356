"""Batches that must not train: a loss or gradient that is not finite, a spike, no weight at all."""

import math
import os
from typing import Any

import tensorflow as tf

from components.errors import InputError
from components.trainer import bad_rows
from components.trainer.objective import Batch
from components.trainer.origins import Origins
from components.trainer.request import TrainOptions

# Losses that tell what is usual, and how many of them must be known before any is a spike.
_REMEMBERED = 128
_FEWEST = 16


class BadBatches:
    """Stops training at a bad batch, or counts it, as `on_bad_batch` says; either way it is kept.

    Attributes:
      skipped: what `History.skipped` reports.
    """

    def __init__(self, options: TrainOptions, folder: str, origins: Origins | None = None) -> None:
        """Take where things go.

        Args:
          options: of the run.
          folder: where the rows of a bad batch are saved; "": nowhere.
          origins: where the rows are from.
        """
        self._options = options
        self._folder = folder
        self._origins = origins
        self.skipped: list[dict[str, Any]] = []

    @property
    def count(self) -> int:
        """Batches that were skipped."""
        return len(self.skipped)

    @property
    def skips(self) -> bool:
        return self._options.on_bad_batch == "skip"

    def found(self, batch: Batch, number: int, step: int, reason: str) -> dict[str, Any]:
        """Take note of a bad batch.

        Args:
          batch: its rows.
          number: of the batch, from 1.
          step: the update that it belongs to, from 1.
          reason: what is wrong with it.

        Returns:
          What is told of it.

        Raises:
          FloatingPointError: bad batches stop training, or this is one too many.
        """
        rows = bad_rows.described(batch, self._origins)
        path = ""
        if self._folder:
            path = os.path.join(self._folder, f"batch-{number:09d}.jsonl")
            bad_rows.save(rows, path)
        first = bad_rows.names(rows, reason)
        told = {"step": step, "batch": number, "reason": reason, "rows": len(rows)}
        told |= {"first": first, "saved": path}
        if self.skips and self.count < self._options.max_bad_batches:
            self.skipped.append(told)
            return told
        limit = ""
        if self.skips:
            limit = f"; {self.count + 1} bad batches, train.max_bad_batches is "
            limit += f"{self._options.max_bad_batches}"
        saved = f"; all {len(rows)} rows of the batch: {path}" if path else ""
        text = f"step {step}: {reason}{bad_rows.listed(told)}; {self._advice()}{limit}{saved}"
        raise FloatingPointError(text)

    def in_validation(self, step: int, reason: str) -> FloatingPointError:
        """What to raise where it is the validation after a step that is bad: the weights are."""
        return FloatingPointError(f"validation after step {step}: {reason}; {self._advice()}")

    def _advice(self) -> str:
        rate = self._options.learning_rate
        return f"lower train.learning_rate (now {rate:g}) or set train.clip_norm"


def reason_of(error: tf.errors.InvalidArgumentError) -> str | None:
    """What the loss says of a value that is not finite; None for any other error."""
    start = error.message.find("[non-finite loss")
    if start < 0:
        return None
    # TensorFlow adds where in the graph, and brackets; the loss's own words are enough.
    return error.message[start:].splitlines()[0].replace("[", "").replace("]", "")


class EmptyBatches:
    """Counts the batches in which nothing has weight; too many of them are an error."""

    def __init__(self, share: float, batches: int) -> None:
        """`share`: of the run's `batches` that may be empty."""
        self._share = share
        self._most = share * batches
        self._batches = batches
        self.count = 0

    def found(self) -> None:
        """Take note of one.

        Raises:
          InputError: one too many.
        """
        self.count += 1
        if self.count > self._most:
            raise InputError(
                f"train.max_empty_batches: got {self.count} of {self._batches} batches in which "
                f"every loss weight is 0, expected a share of at most {self._share:g}"
            )


class Spikes:
    """The largest loss that is not a spike: mean and standard deviations of the last 128 losses."""

    def __init__(self, sigmas: float) -> None:
        """`sigmas`: standard deviations above the mean; 0: no loss is a spike."""
        self._sigmas = sigmas
        self.losses: list[float] = []

    def limit(self) -> float:
        """Infinite as long as it is not known what is usual."""
        if not self._sigmas or len(self.losses) < _FEWEST:
            return math.inf
        mean = math.fsum(self.losses) / len(self.losses)
        variance = math.fsum((loss - mean) ** 2 for loss in self.losses) / len(self.losses)
        return mean + self._sigmas * math.sqrt(variance)

    def add(self, loss: float) -> None:
        """Take note of a good batch's loss."""
        if self._sigmas:
            self.losses = [*self.losses, loss][-_REMEMBERED:]


def reason_for(taken: Any, limit: float) -> str:
    """Why a batch was not good though computing its loss raised nothing."""
    numerator = float(taken.numerator)
    if not math.isfinite(numerator):
        return f"the loss of the batch is {numerator}, expected a finite number"
    if not math.isfinite(float(taken.gradient_norm)):
        return f"the norm of the gradient is {float(taken.gradient_norm)}, expected a finite number"
    loss = numerator / float(taken.denominator)
    return f"loss {loss:.4f} is a spike (train.spike_sigmas), expected at most {limit:.4f}"
