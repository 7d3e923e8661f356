"""Batches that must not train: a loss or gradient that is not finite, a spike, no weight at all."""

import json
import math
import os
from typing import Any

import tensorflow as tf

from components.errors import InputError
from components.trainer.objective import Batch
from components.trainer.request import TrainOptions

# Losses that tell what is usual, and how many of them must be known before any is a spike.
_REMEMBERED = 128
_FEWEST = 16


class BadBatches:
    """Stops training at a bad batch, or counts it, as `on_bad_batch` says."""

    def __init__(self, options: TrainOptions, folder: str) -> None:
        """`folder`: where the rows of a bad batch are saved; "": nowhere."""
        self._options = options
        self._folder = folder
        self.count = 0

    @property
    def skips(self) -> bool:
        return self._options.on_bad_batch == "skip"

    def found(self, batch: Batch, number: int, step: int, reason: str) -> None:
        """Take note of a bad batch.

        Args:
          batch: its rows.
          number: of the batch, from 1.
          step: the update that it belongs to, from 1.
          reason: what is wrong with it.

        Raises:
          FloatingPointError: bad batches stop training, or this is one too many.
        """
        self.count += 1
        if self.skips and self.count <= self._options.max_bad_batches:
            return
        limit = ""
        if self.skips:
            limit = f"; {self.count} bad batches, train.max_bad_batches is "
            limit += f"{self._options.max_bad_batches}"
        saved = f"; rows of the batch: {self._save(batch, number)}" if self._folder else ""
        raise FloatingPointError(f"step {step}: {reason}; {self._advice()}{limit}{saved}")

    def _advice(self) -> str:
        rate = self._options.learning_rate
        return f"lower train.learning_rate (now {rate:g}) or set train.clip_norm"

    def _save(self, batch: Batch, number: int) -> str:
        path = os.path.join(self._folder, f"batch-{number:09d}.jsonl")
        values = {name: value.numpy() for name, value in batch.items()}
        os.makedirs(self._folder, exist_ok=True)
        with open(path, "w") as file:
            for row in range(len(next(iter(values.values())))):
                columns = {name: value[row].tolist() for name, value in values.items()}
                file.write(json.dumps(columns) + "\n")
        return path


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
    if not math.isfinite(float(taken.numerator)):
        return "the loss of a row is not finite"
    if not math.isfinite(float(taken.gradient_norm)):
        return f"the norm of the gradient is {float(taken.gradient_norm)}, expected a finite number"
    loss = float(taken.numerator) / float(taken.denominator)
    return f"loss {loss:.4f} is a spike (train.spike_sigmas), expected at most {limit:.4f}"
