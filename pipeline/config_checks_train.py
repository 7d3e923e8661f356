"""What no single key can tell of the optimisation: keys that exclude each other, or need another."""

from typing import TYPE_CHECKING

from pipeline.config_problems import Problems

if TYPE_CHECKING:
    from pipeline.config import Config


def check(config: "Config", problems: Problems) -> None:
    """Adds every contradiction to `problems`."""
    for one in (_optimizer, _noam, _bad_batches, _exported_weights, _accumulation):
        one(config, problems)


def _optimizer(config: "Config", problems: Problems) -> None:
    train = config.train
    readable = problems.clean("train.momentum", "train.optimizer")
    if readable and train.momentum and train.optimizer != "sgd":
        text = f"has no effect with train.optimizer {train.optimizer}, expected 0"
        problems.add("train.momentum", text)


def _noam(config: "Config", problems: Problems) -> None:
    train = config.train
    readable = problems.clean("train.schedule", "train.warmup_steps")
    if readable and train.schedule == "noam" and not train.warmup_steps:
        text = "got 0, expected at least 1 with train.schedule noam, whose height follows from it"
        problems.add("train.warmup_steps", text)


def _bad_batches(config: "Config", problems: Problems) -> None:
    readable = problems.clean("train.on_bad_batch", "train.max_bad_batches")
    if not readable or "train.max_bad_batches" not in problems.given:
        return
    if config.train.on_bad_batch != "skip":
        text = f"has no effect with train.on_bad_batch {config.train.on_bad_batch}"
        problems.add("train.max_bad_batches", f"{text}; expected no value")


def _exported_weights(config: "Config", problems: Problems) -> None:
    """A mean over checkpoints is one answer to which weights are exported; there are others."""
    train = config.train
    if not problems.clean("train.average_checkpoints") or not train.average_checkpoints:
        return
    for key, given in (("ema", train.ema), ("early_stopping", train.early_stopping)):
        if problems.clean(f"train.{key}") and given:
            text = f"got {train.average_checkpoints}, expected 0 with train.{key}, which exports"
            text += " its own choice of weights"
            problems.add("train.average_checkpoints", text)


def _accumulation(config: "Config", problems: Problems) -> None:
    train, size = config.train, getattr(config.batch, "effective_size", 0)
    readable = problems.clean("train.accumulation_steps", "batch.effective_size")
    if readable and size and train.accumulation_steps > 1:
        text = f"got {train.accumulation_steps}, expected 1 with batch.effective_size = {size}"
        problems.add("train.accumulation_steps", f"{text}, which decides how many batches")
