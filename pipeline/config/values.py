"""One value of the configuration: reading a scalar by its annotation, naming what is expected."""

import dataclasses
import math
import re
import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin

import yaml

LARGEST_SEED = 2**31 - 1
BAD: Any = object()  # stands for a value that could not be read
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9_]*)")
_NUMBER = re.compile(r"[-+]?([0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)([eE][-+]?[0-9]+)?")
_BOUNDS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}


def scalar(node: Any, kind: Any, rules: Mapping[str, Any]) -> Any:
    """The scalar as `kind`, or `BAD` when type, choice, range or pattern do not fit."""
    text = node.value
    if get_origin(kind) is Literal:
        return text if is_text(node) and text in get_args(kind) else BAD
    if kind is bool:
        return text.lower() in ("true", "yes", "on") if node.tag.endswith(":bool") else BAD
    if kind is str:
        fits = bool(text) and re.fullmatch(rules.get("pattern", ".*"), text, re.DOTALL)
        return text if is_text(node) and fits else BAD
    if node.style is not None or not (_INTEGER if kind is int else _NUMBER).fullmatch(text):
        return BAD
    value = kind(text.replace("_", ""))
    return value if math.isfinite(value) and in_range(value, rules) else BAD


def in_range(value: Any, rules: Mapping[str, Any]) -> bool:
    """Whether a number is within the bounds of `setting`."""
    return not (
        ("ge" in rules and value < rules["ge"])
        or ("gt" in rules and value <= rules["gt"])
        or ("le" in rules and value > rules["le"])
        or ("lt" in rules and value >= rules["lt"])
    )


def expected(kind: Any, rules: Mapping[str, Any]) -> str:
    """What a value of this type looks like, for an error message."""
    if len(alternatives := options(kind)) > 1:
        return " or ".join(expected(option, rules) for option in alternatives)
    kind = alternatives[0]
    if dataclasses.is_dataclass(kind):
        names = ", ".join(field.name for field in dataclasses.fields(kind))
        return f"a section with the keys {names}"
    if get_origin(kind) is Literal:
        return ("one of " if len(get_args(kind)) > 1 else "") + ", ".join(get_args(kind))
    if get_origin(kind) is tuple:
        return f"a list, each item {expected(get_args(kind)[0], rules)}"
    if get_origin(kind) is dict:
        return f"a mapping, each value {expected(get_args(kind)[1], rules)}"
    if kind is str:
        return rules.get("pattern_text", "a path" if rules.get("path") else "text")
    if kind is bool:
        return "true or false"
    bounds = " and ".join(f"{sign} {rules[key]}" for key, sign in _BOUNDS.items() if key in rules)
    return f"{'an integer' if kind is int else 'a number'} {bounds}".rstrip()


def options(kind: Any) -> list[Any]:
    """The alternatives of a union without None; a plain type is its own only alternative."""
    if get_origin(kind) in (Union, types.UnionType):
        return [option for option in get_args(kind) if option is not type(None)]
    return [kind]


def shape_fits(kind: Any, node: yaml.Node) -> bool:
    if dataclasses.is_dataclass(kind):
        return isinstance(node, yaml.MappingNode) or is_null(node)
    if get_origin(kind) is tuple:
        return isinstance(node, yaml.SequenceNode)
    if get_origin(kind) is dict:
        return isinstance(node, yaml.MappingNode)
    return isinstance(node, yaml.ScalarNode)


def is_null(node: yaml.Node) -> bool:
    return node.tag.endswith(":null")


def is_text(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag.endswith(":str")
