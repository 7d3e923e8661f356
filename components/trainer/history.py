"""What a training run reports: the curve, the totals, and sums that are divided once."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any


@dataclass(frozen=True)
class Point:
    """One point of the training curve; losses are masked per-token losses in nats.

    `step` counts updates. `objective` is what was minimised, `z_loss` the z-term in it, each the
    quotient of its sums since the last point. With label smoothing or z-loss the objective is not
    the loss that is reported.
    """

    step: int
    train_loss: float
    validation_loss: float | None
    useful_tokens_per_second: float
    objective: float
    z_loss: float
    learning_rate: float = 0.0


@dataclass
class History:
    """What training did.

    `steps` are updates and `batches` what they were made from. Of the batches, `bad_batches` were
    skipped and `empty_batches` had no weight. `resumes`: how often a checkpoint was continued.
    `start`: what the weights were at first, see `started.described`.
    `tuning`: of `tuned.read`, {} where nothing was tuned.
    `lengths`: of `lengths.summary`, how long the examples are and what they are padded to.
    `replicas`: how many computed each batch together.
    `seconds` is the time of training alone; `goodput` has all of it, by phase, from the start of the
    process, and `first_step` that of the last process until its first step was taken. `skipped`: the
    bad batches, with their rows.
    """

    points: list[Point] = field(default_factory=list)
    steps: int = 0
    batches: int = 0
    examples: int = 0
    seconds: float = 0.0
    useful_tokens: int = 0
    positions: int = 0
    parameters: int = 0
    bad_batches: int = 0
    empty_batches: int = 0
    resumes: int = 0
    traces: int = 0
    replicas: int = 1
    stopped_early: bool = False
    validation: dict[str, float | None] = field(default_factory=dict)
    goodput: dict[str, float] = field(default_factory=dict)
    start: dict[str, Any] = field(default_factory=dict)
    first_step: dict[str, float] = field(default_factory=dict)
    skipped: list[dict[str, Any]] = field(default_factory=list)
    tuning: dict[str, Any] = field(default_factory=dict)
    lengths: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"padding_share": self.padding_share}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "History":
        """The inverse of `to_dict`."""
        values = {name: value for name, value in values.items() if name != "padding_share"}
        return cls(**values | {"points": [Point(**point) for point in values["points"]]})

    def summary(self) -> str:
        """One line: how long, how good, how fast, how much of it was padding or waiting."""
        last = self.points[-1]
        validation = self.validation["masked_token_loss"]
        validated = "" if validation is None else f"  validation {validation:.4f}"
        early = " (stopped early)" if self.stopped_early else ""
        return (
            f"{self.steps:,} steps{early}  loss {last.train_loss:.4f}{validated}  "
            f"{self.useful_tokens / max(1e-9, self.seconds):,.0f} useful tokens/s  "
            f"{self.padding_share:.0%} padding{self._shown_wait()}{self._shown_resumes()}"
            f"{self._shown_skipped()}{self._shown_replicas()}"
        )

    @property
    def padding_share(self) -> float:
        """Share of the target positions computed that were padding."""
        return 1 - self.useful_tokens / self.positions if self.positions else 0.0

    def _shown_wait(self) -> str:
        waited = self.goodput.get("data_wait", 0.0) / max(1e-9, self.seconds)
        return f"  {waited:.0%} waiting for data" if waited >= 0.03 else ""

    def _shown_replicas(self) -> str:
        return f"  {self.replicas} replicas" if self.replicas > 1 else ""

    def _shown_resumes(self) -> str:
        times = "once" if self.resumes == 1 else f"{self.resumes} times"
        return f"  interrupted and continued {times}" if self.resumes else ""

    def _shown_skipped(self) -> str:
        if not self.bad_batches:
            return ""
        first = f", the first with {self.skipped[0]['first'][0]}" if self.skipped else ""
        return f"  {self.bad_batches:,} bad batches skipped{first}"


@dataclass(frozen=True)
class BatchSums:
    """What one batch adds to the log. Denominators are 0 where a reduction has none."""

    numerator: float = 0.0
    denominator: float = 0.0
    objective: float = 0.0
    z_loss: float = 0.0
    divisor: float = 0.0
    useful: int = 0
    positions: int = 0

    def __add__(self, other: "BatchSums") -> "BatchSums":
        # `asdict` copies in depth, which takes longer than the rest of a batch's bookkeeping.
        return BatchSums(*(getattr(self, each) + getattr(other, each) for each in _SUMS))

    @property
    def loss(self) -> float:
        """The masked per-token loss; 0 where nothing had weight."""
        return self.numerator / self.denominator if self.denominator else 0.0

    def divided(self, numerator: float, batches: int) -> float:
        """A sum of the objective by its divisor; by the batches where it has none."""
        return numerator / (self.divisor or max(1, batches))


_SUMS = tuple(each.name for each in fields(BatchSums))


def last_validation(points: Sequence[Point]) -> float | None:
    """The newest validation loss of a curve."""
    found = [point.validation_loss for point in points if point.validation_loss is not None]
    return found[-1] if found else None
