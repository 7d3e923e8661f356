"""What is trained: sizes, and the sentences made from them. NumPy only."""

import dataclasses

import numpy as np

FIRST_ID, EOS = 4, 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """A language model on sentences of log-normal lengths, of at most T tokens, V classes.

    Attributes:
      real: share of real tokens where all are padded to `length`.
      spread: standard deviation of the lengths' logarithm.
      rows: sentences a batch.
    """

    family: str
    units: int
    layers: int
    classes: int
    length: int
    real: float
    heads: int = 4
    feed_forward: int = 1024
    spread: float = 0.6
    rows: int = 64
    sentences: int = 6_400

    @property
    def name(self) -> str:
        return (
            f"{self.family} {self.layers}x{self.units} V={self.classes:,}, {self.rows} rows a batch, "
            f"{self.real:.0%} real where padded to {self.length}"
        )

    def lengths(self) -> np.ndarray:
        """int64 `[sentences]`, from 1 to `length`, with about `real` of the padded positions."""
        normal = np.random.default_rng(1).standard_normal(self.sentences)
        low, high = 0.0, np.log(2.0 * self.length)
        for _ in range(50):
            middle = (low + high) / 2
            found = np.clip(np.rint(np.exp(middle + self.spread * normal)), 1, self.length)
            low, high = (middle, high) if found.mean() < self.real * self.length else (low, middle)
        return found.astype(np.int64)

    def targets(self) -> np.ndarray:
        """int64 `[sentences, T]`: words by Zipf's law, eos, padding of id 0."""
        lengths, words = self.lengths(), self.classes - FIRST_ID
        chances = 1.0 / np.arange(1, words + 1)
        random = np.random.default_rng(2)
        shape = (self.sentences, self.length)
        ids = FIRST_ID + random.choice(words, shape, p=chances / chances.sum())
        ids[np.arange(self.sentences), lengths - 1] = EOS
        return np.where(np.arange(self.length) < lengths[:, None], ids, 0)


TRANSFORMER = Case(family="transformer", units=256, layers=4, classes=16_000, length=64, real=0.35)
LSTM = Case(family="lstm", units=200, layers=2, classes=10_000, length=35, real=0.58, spread=0.5)
