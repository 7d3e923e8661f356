"""Where the time of a training run went: every second belongs to exactly one phase."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping

# `import`: from the start of the process until its libraries are loaded; `components`: those that ran
# before in this process. `setup`: counting, planning, building the model. `tracing`: of the model and
# of the input pipeline. `other`: everything that no phase claims.
PHASES = (
    "import",
    "components",
    "setup",
    "tracing",
    "data_wait",
    "step",
    "evaluation",
    "checkpoint",
    "export",
    "other",
)
_NOT_TRAINING = ("import", "components", "setup", "export")


class Goodput:
    """A stop-watch with one hand: entering a phase stops the one around it until it is left."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        before: Mapping[str, float] | None = None,
    ) -> None:
        """`before`: seconds of this process until now, by phase."""
        self._clock = clock
        self._seconds = dict.fromkeys(PHASES, 0.0) | dict(before or {})
        self._earlier = dict.fromkeys(PHASES, 0.0)
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
        """Seconds of each phase so far, those of interrupted runs among them."""
        return {name: spent + self._earlier[name] for name, spent in self.own().items()}

    def own(self) -> dict[str, float]:
        """Those of this process; their sum is the time since this was made, and before."""
        self._switch(self._phase)
        return dict(self._seconds)

    def add(self, earlier: Mapping[str, float]) -> None:
        """Count what an interrupted run had spent before its last checkpoint."""
        for name, seconds in earlier.items():
            self._earlier[name] += seconds

    def training_seconds(self) -> float:
        """All but what comes before training and after it."""
        return _of_training(self.own()) + _of_training(self._earlier)

    def here(self) -> float:
        """`training_seconds` of this process alone."""
        return _of_training(self.own())

    def _switch(self, name: str) -> str:
        now, before = self._clock(), self._phase
        self._seconds[before] += now - self._since
        self._since, self._phase = now, name
        return before


def _of_training(seconds: Mapping[str, float]) -> float:
    return sum(seconds.values()) - sum(seconds[name] for name in _NOT_TRAINING)
