"""What no single key can tell of the model, its training and its evaluation: contradictions."""

from typing import TYPE_CHECKING

from pipeline.config.checks.slices import check_slices
from pipeline.config.checks.thresholds import check_thresholds
from pipeline.config.problems import Problems

if TYPE_CHECKING:
    from pipeline.config import Config


def check(config: "Config", problems: Problems) -> None:
    """Adds every contradiction to `problems`."""
    for one in (
        _transformer,
        _recurrent,
        _tied_embeddings,
        _batch,
        _multiple,
        _ranked,
        _schedule,
        check_slices,
        check_thresholds,
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
    key, longest = _longest(config)
    if batch.size < longest:
        text = f"got {batch.size} tokens, expected at least {key} = {longest}"
        problems.add("batch.size", text)


def _longest(config: "Config") -> tuple[str, int]:
    """The longer side's maximum length: its key, and the value."""
    source, target = config.data.max_source_length, config.data.max_target_length
    if config.task == "seq2seq" and source > target:
        return "data.max_source_length", source
    return "data.max_target_length", target


def _multiple(config: "Config", problems: Problems) -> None:
    """A multiple beyond the longest example pads every batch to itself."""
    keys = ("task", "batch.bucket_multiple", "data.max_target_length", "data.max_source_length")
    if not problems.clean(*keys) or "batch.bucket_multiple" not in problems.given:
        return
    key, longest = _longest(config)
    if config.batch.bucket_multiple > longest:
        text = f"got {config.batch.bucket_multiple}, expected at most {key} = {longest}"
        problems.add("batch.bucket_multiple", f"{text}: all batches would be padded beyond that")


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


def _ranked(config: "Config", problems: Problems) -> None:
    """`eval.worst_min_tokens`: some example must have so many."""
    least, most = config.eval.worst_min_tokens, config.data.max_target_length
    readable = problems.clean("eval.worst_min_tokens", "data.max_target_length")
    if readable and "eval.worst_min_tokens" in problems.given and least > most:
        text = f"got {least}, expected at most data.max_target_length = {most}"
        problems.add("eval.worst_min_tokens", f"{text}: no example has more")
