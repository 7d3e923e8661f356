"""What no single key can tell of the model, its training and its evaluation: contradictions."""

from typing import TYPE_CHECKING

from pipeline.config_checks_slices import check_slices
from pipeline.config_problems import Problems

if TYPE_CHECKING:
    from pipeline.config import Config

_SHARES = ("token_accuracy", "sequence_accuracy", "calibration")
_LOSSES = ("masked_token_loss", "perplexity", "bits_per_byte", "loss_per_word")
_BOUNDS = ("max", "min", "max_increase", "max_decrease")
# The metrics that get better by what the bound forbids.
_BETTER = {
    "max_increase": ("token_accuracy", "sequence_accuracy"),
    "max_decrease": (*_LOSSES, "calibration"),
}


def check(config: "Config", problems: Problems) -> None:
    """Adds every contradiction to `problems`."""
    for one in (
        _transformer,
        _recurrent,
        _tied_embeddings,
        _batch,
        _schedule,
        check_slices,
        _thresholds,
    ):
        one(config, problems)


def _transformer(config: "Config", problems: Problems) -> None:
    model = config.model
    if not problems.clean("model.family", "model.units", "model.heads"):
        return
    if model.family != "transformer" or model.units % model.heads == 0:
        return
    if "model.heads" in problems.given:
        text = f"got {model.heads}, expected a divisor of model.units = {model.units}"
        problems.add("model.heads", text)
    else:
        text = f"got {model.units}, expected a multiple of model.heads = {model.heads}"
        problems.add("model.units", text)


def _recurrent(config: "Config", problems: Problems) -> None:
    model = config.model
    if not problems.clean("model.family") or model.family == "transformer":
        return
    for key in ("model.heads", "model.feed_forward"):
        if key in problems.given:
            text = f"has no effect with model.family {model.family}; expected no value"
            problems.add(key, text)
    both_ways = problems.clean("task", "model.units") and config.task != "lm"
    if both_ways and model.units % 2:
        text = f"got {model.units}, expected an even number (each reading direction has half)"
        problems.add("model.units", text)


def _tied_embeddings(config: "Config", problems: Problems) -> None:
    readable = problems.clean("task", "model.tie_embeddings")
    if readable and config.task == "tagging" and config.model.tie_embeddings:
        problems.add("model.tie_embeddings", "got true, but task tagging embeds no targets")


def _batch(config: "Config", problems: Problems) -> None:
    batch = config.batch
    lengths = ("data.max_target_length", "data.max_source_length")
    if not problems.clean("task", "batch.type", "batch.size", *lengths) or batch.type != "tokens":
        return
    key = lengths[0]
    if config.task == "seq2seq" and config.data.max_source_length > config.data.max_target_length:
        key = lengths[1]
    longest = getattr(config.data, key.removeprefix("data."))
    if batch.size < longest:
        text = f"got {batch.size} tokens, expected at least {key} = {longest}"
        problems.add("batch.size", text)


def _schedule(config: "Config", problems: Problems) -> None:
    train = config.train
    readable = problems.clean("train.weight_decay", "train.optimizer")
    if readable and train.weight_decay and train.optimizer != "adamw":
        text = f"has no effect with train.optimizer {train.optimizer}, expected 0"
        problems.add("train.weight_decay", text)
    if not problems.clean("train.epochs", "train.steps"):
        return
    if "train.epochs" in problems.given and "train.steps" in problems.given:
        text = f"got {train.steps} and train.epochs {train.epochs}, expected one of the two"
        problems.add("train.steps", text)
    elif train.steps and problems.clean("train.warmup_steps") and train.warmup_steps >= train.steps:
        text = f"got {train.warmup_steps}, expected fewer than train.steps = {train.steps}"
        problems.add("train.warmup_steps", text)


def _thresholds(config: "Config", problems: Problems) -> None:
    for index, threshold in enumerate(config.eval.thresholds):
        where = f"eval.thresholds[{index}]"
        if not problems.clean(where):
            continue
        bounds = [key for key in _BOUNDS if f"{where}.{key}" in problems.given]
        if len(bounds) != 1:
            text = f"got {' and '.join(bounds) or 'no bound'}, expected one of {', '.join(_BOUNDS)}"
            problems.add(where, text)
        elif threshold.metric in _BETTER.get(bounds[0], ()):
            opposite = "max_decrease" if bounds[0] == "max_increase" else "max_increase"
            text = f"forbids {threshold.metric} to get better, expected {opposite}"
            problems.add(f"{where}.{bounds[0]}", text)
        elif threshold.metric in _SHARES and not 0 <= getattr(threshold, bounds[0]) <= 1:
            got = f"{getattr(threshold, bounds[0]):g}"
            text = f"got {got}, expected a share from 0 to 1, as {threshold.metric} is one"
            problems.add(f"{where}.{bounds[0]}", text)
