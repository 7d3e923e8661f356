"""train.tune: what is tuned, and within which values.

A key of `SpaceConfig` has the type of the key that it stands for; its range is checked by
`checks.tune`, against that key's own.
"""

# `setting` and `required` return dataclasses.field, which the linter cannot see through:
# ruff: noqa: RUF009

import dataclasses
from typing import Any

from pipeline.config.loader import required, setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class NumberRange:
    """Any number between two, both included."""

    min: float = required("the smallest value")
    max: float = required("the largest value")
    log: bool = setting(False, "drawn evenly by logarithm")


@dataclasses.dataclass(frozen=True, kw_only=True)
class IntegerRange:
    """Integers between two, both included."""

    min: int = required("the smallest value")
    max: int = required("the largest value")
    step: int = setting(1, "from one value to the next, not with log", ge=1)
    log: bool = setting(False, "drawn evenly by logarithm")


Numbers = NumberRange | tuple[float, ...] | None
Integers = IntegerRange | tuple[int, ...] | None


def _tuned(key: str) -> Any:
    return setting(None, f"values of {key}: a list, or min and max")


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpaceConfig:
    """The hyperparameters that are tuned: those that are given."""

    units: Integers = _tuned("model.units")
    layers: Integers = _tuned("model.layers")
    heads: Integers = _tuned("model.heads")
    feed_forward: Integers = _tuned("model.feed_forward")
    dropout: Numbers = _tuned("model.dropout")
    label_smoothing: Numbers = _tuned("loss.label_smoothing")
    z_loss: Numbers = _tuned("loss.z_loss")
    batch_size: Integers = _tuned("batch.size")
    learning_rate: Numbers = _tuned("train.learning_rate")
    schedule: tuple[str, ...] | None = setting(None, "values of train.schedule: a list")
    warmup_steps: Integers = _tuned("train.warmup_steps")
    clip_norm: Numbers = _tuned("train.clip_norm")
    optimizer: tuple[str, ...] | None = setting(None, "values of train.optimizer: a list")
    weight_decay: Numbers = _tuned("train.weight_decay")
    momentum: Numbers = _tuned("train.momentum")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TuneConfig:
    """Trains a few times before the run itself, which takes the values of the best trial."""

    max_trials: int = setting(10, "trainings at most; fewer where the space has fewer values", ge=1)
    epochs: int | None = setting(None, "epochs of a trial; without, as long as the run", ge=1)
    seed: int = setting(42, "seed of the values that are tried", ge=0, le=2**31 - 2)
    space: SpaceConfig = required("what is tuned, by the name of its key")


def space_of(tune: TuneConfig) -> dict[str, Any]:
    """Hyperparameter -> a list of its values, or its range as a mapping; as JSON has them."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(tune.space):
        value = getattr(tune.space, field.name)
        if value is not None:
            is_list = isinstance(value, tuple)
            found[field.name] = list(value) if is_list else dataclasses.asdict(value)
    return found
