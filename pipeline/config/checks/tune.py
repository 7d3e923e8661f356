"""What no single key can tell of train.tune: values out of a key's own range, or without effect."""

import dataclasses
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from components.trainer.tunable import TUNABLE
from pipeline.config.problems import Problems
from pipeline.config.tune import space_of
from pipeline.config.values import expected, in_range

if TYPE_CHECKING:
    from pipeline.config import Config

_SPACE = "train.tune.space"


def check(config: "Config", problems: Problems) -> None:
    """Adds every contradiction to `problems`."""
    if config.train.tune is None or not problems.clean("train.tune"):
        return
    space = space_of(config.train.tune)
    if not space:
        text = f"got nothing to tune, expected at least one of {', '.join(TUNABLE)}"
        problems.add(_SPACE, text)
    for name, values in space.items():
        if isinstance(values, dict):
            _range(config, problems, name, values)
        else:
            _list(config, problems, name, values)
    if problems.clean(_SPACE):
        for one in (_without_effect, _units, _noam, _token_batches):
            one(config, problems, space)
    _one_process(config, problems)


def _range(config: "Config", problems: Problems, name: str, values: dict[str, Any]) -> None:
    where = f"{_SPACE}.{name}"
    for bound in ("min", "max"):
        _in_own_range(config, problems, f"{where}.{bound}", name, values[bound])
    if not problems.clean(where):
        return
    low, high = values["min"], values["max"]
    if low >= high:
        problems.add(f"{where}.max", f"got {high}, expected more than min = {low}")
    elif values["log"] and low <= 0:
        problems.add(f"{where}.min", f"got {low}, expected more than 0 with log")
    elif values["log"] and f"{where}.step" in problems.given:
        problems.add(f"{where}.step", "has no effect with log; expected no value")
    elif "step" in values and values["step"] > high - low:
        text = f"got {values['step']}, expected at most max - min = {high - low}"
        problems.add(f"{where}.step", text)


def _list(config: "Config", problems: Problems, name: str, values: list[Any]) -> None:
    where = f"{_SPACE}.{name}"
    if not values:
        problems.add(where, "got an empty list, expected at least one value")
    for index, value in enumerate(values):
        if value in values[:index]:
            problems.add(f"{where}[{index}]", f"got {value} twice")
        else:
            _in_own_range(config, problems, f"{where}[{index}]", name, value)


def _in_own_range(
    config: "Config", problems: Problems, where: str, name: str, value: float | str
) -> None:
    """As the key itself would be checked."""
    section, key = TUNABLE[name]
    cls: Any = type(getattr(config, section))
    kind = get_type_hints(cls)[key]
    rules = next(field.metadata for field in dataclasses.fields(cls) if field.name == key)
    choices = get_args(kind) if get_origin(kind) is Literal else ()
    if not (value in choices if choices else in_range(value, rules)):
        problems.add(where, f"got {value!r}, expected {expected(kind, rules)}")


def _possible(config: "Config", space: dict[str, Any], name: str) -> list[Any]:
    """The values that a trial may have: those of the list, the ends of the range, or the run's."""
    section, key = TUNABLE[name]
    values = space.get(name, [getattr(getattr(config, section), key)])
    return [values["min"], values["max"]] if isinstance(values, dict) else values


def _without_effect(config: "Config", problems: Problems, space: dict[str, Any]) -> None:
    family = config.model.family
    for name in ("heads", "feed_forward"):
        if name in space and problems.clean("model.family") and family != "transformer":
            text = f"has no effect with model.family {family}; expected no value"
            problems.add(f"{_SPACE}.{name}", text)
    for name, optimizer in (("weight_decay", "adamw"), ("momentum", "sgd")):
        if name not in space or not problems.clean("train.optimizer"):
            continue
        if optimizer not in (found := _possible(config, space, "optimizer")):
            text = f"has no effect with optimizer {' or '.join(found)}, expected {optimizer}"
            problems.add(f"{_SPACE}.{name}", text)


def _units(config: "Config", problems: Problems, space: dict[str, Any]) -> None:
    """What can only fail; of a range of a Transformer's widths some trials may."""
    where, units, family = f"{_SPACE}.units", space.get("units", []), config.model.family
    if not problems.clean("task", "model.family", "model.heads"):
        return
    if family != "transformer" and config.task == "lm":
        return
    if isinstance(space.get("heads"), dict):
        return  # one of the range may divide them
    heads = _possible(config, space, "heads") if family == "transformer" else [2]
    if isinstance(units, dict):
        steps_over_odd = units["min"] % 2 == 0 and units["step"] % 2 == 0 and not units["log"]
        if family != "transformer" and not steps_over_odd:
            text = "got odd numbers too, expected an even min and step, or a list"
            problems.add(where, f"{text} (each reading direction has half)")
        return
    for index, value in enumerate(units):
        if not any(value % each == 0 for each in heads):
            if family == "transformer":
                text = f"a multiple of one of the heads, {', '.join(map(str, heads))}"
            else:
                text = "an even number (each reading direction has half)"
            problems.add(f"{where}[{index}]", f"got {value}, expected {text}")


def _noam(config: "Config", problems: Problems, space: dict[str, Any]) -> None:
    if "schedule" not in space and "warmup_steps" not in space:
        return
    if not problems.clean("train.schedule", "train.warmup_steps"):
        return
    schedules = _possible(config, space, "schedule")
    if "noam" in schedules and min(_possible(config, space, "warmup_steps")) < 1:
        name = "warmup_steps" if "warmup_steps" in space else "schedule"
        text = "train.schedule noam, whose height follows from it"
        problems.add(f"{_SPACE}.{name}", f"got 0 warmup_steps, expected at least 1 with {text}")


def _token_batches(config: "Config", problems: Problems, space: dict[str, Any]) -> None:
    if "batch_size" not in space or not problems.clean("task", "batch.type", "data"):
        return
    data = config.data
    source = data.max_source_length if config.task == "seq2seq" else 0
    longest = max(data.max_target_length, source)
    lowest = min(_possible(config, space, "batch_size"))
    if config.batch.type == "tokens" and lowest < longest:
        text = f"got {lowest} tokens, expected at least the longest example, {longest}"
        problems.add(f"{_SPACE}.batch_size", text)


def _one_process(config: "Config", problems: Problems) -> None:
    if problems.clean("train.distribution") and config.train.distribution == "multi_worker":
        text = "got train.distribution multi_worker, expected none or mirrored with train.tune"
        problems.add("train.tune", text)
