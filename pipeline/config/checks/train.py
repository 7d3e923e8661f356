"""What no single key can tell of the optimisation: keys that exclude each other, or need another."""

from typing import TYPE_CHECKING

from pipeline.config.checks import tune
from pipeline.config.problems import Problems

if TYPE_CHECKING:
    from pipeline.config import Config


def check(config: "Config", problems: Problems) -> None:
    """Adds every contradiction to `problems`."""
    checks = (
        _optimizer,
        _noam,
        _bad_batches,
        _exported_weights,
        _accumulation,
        _packing,
        _replicas,
        tune.check,
    )
    for one in checks:
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


def _packing(config: "Config", problems: Problems) -> None:
    """Only attention can be kept within an example; a recurrent state runs on into the next."""
    if not problems.clean("batch.packing") or config.batch.packing == "none":
        return
    if problems.clean("model.family") and config.model.family != "transformer":
        text = f"got {config.batch.packing} with model.family {config.model.family}, "
        problems.add("batch.packing", text + "expected none (only a transformer can pack)")
    for key in ("batch.shapes", "batch.bucket_multiple"):
        if problems.clean(key) and key in problems.given:
            text = f"has no effect with batch.packing {config.batch.packing}; expected no value"
            problems.add(key, text)


def _replicas(config: "Config", problems: Problems) -> None:
    train = config.train
    readable = problems.clean("train.distribution", "train.replicas")
    if readable and train.replicas and train.distribution != "mirrored":
        text = f"got {train.replicas}, expected 0 with train.distribution {train.distribution}"
        problems.add("train.replicas", text)
