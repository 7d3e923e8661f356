"""Which options can be tuned, and in which words a search is reported; so without TensorFlow."""

from collections.abc import Mapping
from typing import Any

from components.errors import InputError

# Name of a hyperparameter -> the section of the configuration and the key in it.
TUNABLE = {
    **{name: ("model", name) for name in ("units", "layers", "heads", "feed_forward", "dropout")},
    **{name: ("loss", name) for name in ("label_smoothing", "z_loss")},
    "batch_size": ("batch", "size"),
    **{
        name: ("train", name)
        for name in (
            *("learning_rate", "schedule", "warmup_steps", "clip_norm"),
            *("optimizer", "weight_decay", "momentum"),
        )
    },
}
# Those that decide the shapes of a model's variables:
SIZES = ("units", "layers", "heads", "feed_forward")


def refuse_sizes(space: Mapping[str, Any], base_model: str) -> None:
    """A model that is started from has its sizes.

    Args:
      space: by the names of the hyperparameters.
      base_model: folder of the model that all trials start from; "": they start from scratch.

    Raises:
      InputError: there is one, and a size is to be tuned.
    """
    found = [name for name in SIZES if name in space]
    if base_model and found:
        keys = " and ".join(f"train.tune.space.{name}" for name in found)
        raise InputError(
            f"{keys}: the trials start from {base_model}, which has its sizes; expected no size in "
            "the space (train.warm_start: never starts from scratch)"
        )


def shown(values: Mapping[str, Any]) -> str:
    """`learning_rate 0.00312, units 64`."""
    return ", ".join(f"{name} {shown_value(value)}" for name, value in values.items())


def shown_value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def trial_line(trial: Mapping[str, Any], most: int) -> str:
    """One trial, of at most so many, on one line."""
    place, values = f"trial {trial['number']} of {most}", shown(trial["values"])
    if trial["reason"]:
        return f"{place} failed with {values}: {trial['reason']}"
    return f"{place}: validation {trial['loss']:.4f} with {values}"


def described(tuning: Mapping[str, Any]) -> str:
    """One line from `History.tuning`; "" where nothing was tuned."""
    if not tuning:
        return ""
    trials = tuning["trials"]
    failed = sum(bool(trial["reason"]) for trial in trials)
    of = f" (best of {len(trials)} trial{'s' if len(trials) > 1 else ''}" if trials else ""
    of += f", {failed} failed" if failed else ""
    return f"tuned: {shown(tuning['values'])}{of}{')' if trials else ''}"
