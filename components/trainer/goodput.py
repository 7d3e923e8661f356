"""Where the time of a training run went: every second belongs to exactly one phase."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping

# `setup`: counting, planning, building the model. `tracing`: of the model and of the input pipeline.
# `other`: everything that no phase claims.
PHASES = ("setup", "tracing", "data_wait", "step", "evaluation", "checkpoint", "other")


class Goodput:
    """A stop-watch with one hand: entering a phase stops the one around it until it is left."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seconds = dict.fromkeys(PHASES, 0.0)
        self._earlier = 0.0
        self._phase = "other"
        self._since = clock()

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Charge what happens inside to `name`."""
        around = self._switch(name)
        try:
            yield
        finally:
            self._switch(around)

    def seconds(self) -> dict[str, float]:
        """Seconds of each phase so far; their sum is the time since this was made."""
        self._switch(self._phase)
        return dict(self._seconds)

    def add(self, earlier: Mapping[str, float]) -> None:
        """Count what an interrupted run had spent before its last checkpoint."""
        for name, seconds in earlier.items():
            self._seconds[name] += seconds
            self._earlier += seconds if name != "setup" else 0.0

    def training_seconds(self) -> float:
        """All but `setup`."""
        return sum(self.seconds().values()) - self._seconds["setup"]

    def here(self) -> float:
        """`training_seconds` of this process alone."""
        return self.training_seconds() - self._earlier

    def _switch(self, name: str) -> str:
        now, before = self._clock(), self._phase
        self._seconds[before] += now - self._since
        self._since, self._phase = now, name
        return before
