"""What is measured: sizes, and the arrays made from them. NumPy only."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """A batch `[B, T]` of D features, V classes; `padding` is the share of positions of weight 0."""

    batch: int = 32
    time: int = 64
    features: int = 256
    classes: int = 32_000
    padding: float = 0.44

    @property
    def name(self) -> str:
        return (
            f"B={self.batch} T={self.time} V={self.classes:,} D={self.features}"
            f" padding {self.padding:.0%}"
        )

    def lengths(self) -> np.ndarray:
        """int64 `[B]`: unequal lengths, evenly spread about (1 - padding) T, in random order."""
        mean = (1 - self.padding) * self.time
        longest = min(self.time, 2 * mean - 1)
        spread = np.linspace(2 * mean - longest, longest, self.batch)
        return np.random.default_rng(1).permutation(np.rint(spread).astype(np.int64))

    def arrays(self) -> dict[str, np.ndarray]:
        """hidden `[B, T, D]`, kernel `[D, V]`, bias `[V]`, targets and weights `[B, T]`."""
        random = np.random.default_rng(0)
        shape = (self.batch, self.time)
        return {
            "hidden": 0.5 * random.standard_normal((*shape, self.features), dtype=np.float32),
            "kernel": 0.1 * random.standard_normal((self.features, self.classes), dtype=np.float32),
            "bias": 0.1 * random.standard_normal(self.classes, dtype=np.float32),
            "targets": random.integers(0, self.classes, shape),
            "weights": (np.arange(self.time) < self.lengths()[:, None]).astype(np.float32),
        }

    @property
    def real(self) -> int:
        """Positions of weight 1."""
        return int(self.lengths().sum())

    @property
    def gradient_bytes(self) -> int:
        """Of the gradients to hidden, kernel and bias in float32."""
        hidden = self.batch * self.time * self.features
        return 4 * (hidden + (self.features + 1) * self.classes)
