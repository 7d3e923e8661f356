"""What no single key can tell about tokenisers, windows and weights."""

import os
from typing import TYPE_CHECKING

from pipeline.config.problems import Problems
from transform.settings import ADDED_COLUMNS, ID_LIST, SUBWORDS, TOKEN_LIST

if TYPE_CHECKING:
    from pipeline.config import Config

# Whose tokens are words of the text, so that a marker can be one of them.
_WORDS = ("whitespace", "regex", TOKEN_LIST)
# Each factor of `transform.weights` and the key that it needs or that is for it alone.
_FACTOR_KEYS = {"region": "regions", "class": "class_weights", "span_age": "span_half_life"}
_FACTOR_OPTIONS = {"region_before": "region", "inverse_frequency_cap": "inverse_frequency"}


def check(config: "Config", problems: Problems) -> None:
    """Adds every contradiction to `problems`."""
    for one in (
        _added_columns,
        _room,
        _tokenizers,
        _excess_length,
        _factors,
        _markers,
        _span_age,
    ):
        one(config, problems)


def _sides(config: "Config") -> tuple[str, ...]:
    return ("target",) if config.task == "lm" else ("source", "target")


def _added_columns(config: "Config", problems: Problems) -> None:
    if not problems.clean("data.columns", "data.extra_columns"):
        return
    for name in (*config.data.columns.values(), *config.data.extra_columns):
        if name in ADDED_COLUMNS:
            problems.add("data.columns", f"got {name!r}, expected another name: tokenline adds it")


def _room(config: "Config", problems: Problems) -> None:
    if not problems.clean("task", "transform.append_eos", "transform.prepend_bos"):
        return
    framing = config.transform.append_eos + config.transform.prepend_bos
    for side in _sides(config):
        key, length = f"data.max_{side}_length", getattr(config.data, f"max_{side}_length")
        if problems.clean(key) and length <= framing:
            text = f"got {length}, expected more than {framing}, which bos and eos take"
            problems.add(key, text)


def _tokenizers(config: "Config", problems: Problems) -> None:
    if not problems.clean("task"):
        return
    for side in _sides(config):
        key = f"transform.{side}_tokenizer"
        if not problems.clean(key):
            continue
        tokenizer = getattr(config.transform, f"{side}_tokenizer")
        _option(config, problems, f"{side}_pattern", tokenizer, ("regex",), needed=True)
        _option(config, problems, f"{side}_subwords", tokenizer, SUBWORDS, needed=False)
        file = getattr(config.transform, f"{side}_subwords")
        if file and tokenizer in SUBWORDS and not os.path.isfile(file):
            problems.add(f"transform.{side}_subwords", f"no such file: {file}")
        if tokenizer == ID_LIST:
            for name in ("lowercase", "normalize"):
                if f"transform.{side}_{name}" in problems.given:
                    text = f"has no effect with {key}: ids; expected no value"
                    problems.add(f"transform.{side}_{name}", text)


def _option(
    config: "Config",
    problems: Problems,
    name: str,
    tokenizer: str,
    tokenizers: tuple[str, ...],
    *,
    needed: bool,
) -> None:
    """A key that belongs to some tokenizers: not without them, and perhaps not they without it."""
    key, value = f"transform.{name}", getattr(config.transform, name)
    if not problems.clean(key):
        return
    if value and tokenizer not in tokenizers:
        text = f"has no effect with the tokenizer {tokenizer}; expected no value"
        problems.add(key, text)
    if needed and not value and tokenizer in tokenizers:
        problems.add(key, f"got nothing, expected what a token is (tokenizer {tokenizer})")


def _excess_length(config: "Config", problems: Problems) -> None:
    data = config.data
    key = "data.excess_length"
    if not problems.clean("task", key):
        return
    policy = data.excess_length
    if policy != "truncate" and "data.truncate" in problems.given:
        problems.add("data.truncate", f"has no effect with {key}: {policy}; expected no value")
    if policy != "window":
        for name in ("stride", "over", "separator"):
            if f"data.window.{name}" in problems.given:
                text = f"has no effect with {key}: {policy}; expected no value"
                problems.add(f"data.window.{name}", text)
        return
    if config.task != "lm":
        problems.add(key, f"got window, expected truncate, drop or raise (task {config.task})")
        return
    _window(config, problems)


def _window(config: "Config", problems: Problems) -> None:
    data = config.data
    if not problems.clean("data.window.stride", "data.max_target_length"):
        return
    # A window that ends a text holds eos too, and each holds bos.
    room = data.max_target_length - config.transform.append_eos - config.transform.prepend_bos
    if data.window.stride > room:
        text = f"got {data.window.stride}, expected at most {room} (max_target_length = "
        text += f"{data.max_target_length} counts bos and eos): the tokens between would be lost"
        problems.add("data.window.stride", text)
    if data.window.over == "row" and data.window.separator:
        problems.add("data.window.separator", "has no effect over: row; expected no value")
    if data.window.over == "file" and any(isinstance(how, int) for how in data.split.values()):
        text = "got shares, expected a file glob for each split: with data.window.over: file "
        problems.add("data.split", f"{text}all rows of a file are one text")
    if config.transform.regions:
        text = (
            "got window, expected another policy: a window does not know which region it starts in"
        )
        problems.add("data.excess_length", text)


def _factors(config: "Config", problems: Problems) -> None:
    key, transform = "transform.weights", config.transform
    if not problems.clean(key, "task", "data.columns"):
        return
    factors = transform.weights
    for name, factor in _FACTOR_OPTIONS.items():
        if f"transform.{name}" in problems.given and factor not in factors:
            text = f"has no effect without {factor} in {key}; expected no value"
            problems.add(f"transform.{name}", text)
    if key not in problems.given:
        return
    if "mask" not in factors or len(set(factors)) < len(factors):
        text = f"got {', '.join(factors) or 'an empty list'}, expected mask and each factor once"
        problems.add(key, text)
    for factor, role in (("token", "weights"), ("example", "example_weight")):
        if factor in factors and role not in config.data.columns:
            problems.add(key, f"got {factor}, but data.columns names no {role} column")
        if factor not in factors and role in config.data.columns:
            found = ", ".join(factors) or "an empty list"
            text = f"got {found}, which leaves the {role} column of data.columns without use; "
            problems.add(key, f"{text}expected also {factor}")
    for factor, name in _FACTOR_KEYS.items():
        if factor in factors and not getattr(transform, name):
            problems.add(key, f"got {factor}, but there is no transform.{name}")
        if factor not in factors and getattr(transform, name):
            text = f"has no effect without {factor} in {key}; expected no value"
            problems.add(f"transform.{name}", text)


def _markers(config: "Config", problems: Problems) -> None:
    transform = config.transform
    keys = ("transform.regions", "transform.target_tokenizer")
    if not problems.clean("task", *keys) or not transform.regions:
        return
    if config.task == "tagging":
        problems.add("transform.regions", "has no effect in task tagging; expected class_weights")
    elif transform.target_tokenizer not in _WORDS:
        text = f"got markers, expected none with the tokenizer {transform.target_tokenizer}: "
        problems.add("transform.regions", f"{text}it may cut them (one of {', '.join(_WORDS)})")
    elif transform.target_lowercase and any(m != m.lower() for m in transform.regions):
        found = next(m for m in transform.regions if m != m.lower())
        text = f"got {found!r}, expected lower case: markers are compared with lower-cased tokens"
        problems.add("transform.regions", text)
    elif not any(transform.regions.values()):
        problems.add("transform.regions", "got only weights of 0, expected one above 0")


def _span_age(config: "Config", problems: Problems) -> None:
    if not problems.clean("transform.weights", "data.path"):
        return
    if "span_age" in config.transform.weights and "{SPAN}" not in config.data.path:
        problems.add("transform.span_half_life", "got a value, but data.path has no {SPAN}")
