"""Where a value is on an axis, as a share of its length, and where ticks go."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

_LOG_FROM = 20.0  # ratio of largest to smallest value from which a linear axis hides the small ones


@dataclass(frozen=True)
class Axis:
    """Maps values to shares of its length, linearly or by their logarithm."""

    low: float
    high: float
    logarithmic: bool = False

    def at(self, value: float) -> float:
        """0 at `low`, 1 at `high`."""
        if self.logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def clipped(self, value: float) -> float:
        """The same, with what is outside at the end."""
        return min(max(self.at(value), 0.0), 1.0)

    def ticks(self, most: int = 5) -> list[float]:
        """Round values inside the axis, about so many."""
        if self.logarithmic:
            return _log_ticks(self.low, self.high)
        return _ticks(self.low, self.high, most)


def from_zero(values: Sequence[float], *, linear: bool = False) -> Axis:
    """An axis for the values: from 0, or logarithmic where that would hide the small ones."""
    low, high = min(values), max(values)
    if not linear and low > 0 and high / low > _LOG_FROM:
        return Axis(low / 1.15, high * 1.15, logarithmic=True)
    low, high = min(low, 0.0), max(high, 0.0)
    return Axis(low, (high + 0.05 * (high - low)) or 1.0)


def around(values: Sequence[float]) -> Axis:
    """A linear axis that holds all values, with some room at both ends."""
    low, high = min(values), max(values)
    room = 0.06 * (high - low) or abs(high) or 1.0
    return Axis(low - room, high + room)


def _ticks(low: float, high: float, most: int) -> list[float]:
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [float(f"{index * step:.12g}") for index in range(first, last + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """1, 2, 5 of each power of ten, or the powers alone where that gets too dense."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1, 2, 5) if math.log10(high / low) <= 2.2 else (1,)
    ticks = [float(f"{factor}e{power}") for power in decades for factor in factors]
    return [tick for tick in ticks if low <= tick <= high]
