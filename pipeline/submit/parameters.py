"""Runtime parameters: which a pipeline takes, and whether the values given fit.

Neither aiplatform nor Vertex says before the job runs that one is missing or of the wrong type, let alone
that it cannot mean anything.
"""

import difflib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from components.errors import InputError
from pipeline.config.checks.cloud import SCHEMES, VERTEX_SCHEMES
from pipeline.kubeflow import parameter_values

Value = str | int | float | bool | list[Any] | dict[str, Any]

_INTEGER = re.compile(r"[+-]?[0-9]+")
# Numbers travel as float64, which holds no larger integer exactly.
_LARGEST_INTEGER = 2**53
_MOST_SHOWN = 60
TYPES = {
    "STRING": "text",
    "NUMBER_INTEGER": f"an integer of at most {_LARGEST_INTEGER}",
    "NUMBER_DOUBLE": "a finite number",
    "BOOLEAN": "true or false",
    "LIST": "a JSON list",
    "STRUCT": "a JSON object",
}


@dataclass(frozen=True)
class Definition:
    """A parameter of a pipeline.

    Attributes:
      name, type: as the spec has them.
      default: None where it has none, and must be given.
      optional: whether it need not be given all the same.
      schemes: of the addresses that the service has.
    """

    name: str
    type: str
    default: Value | None = None
    optional: bool = False
    schemes: tuple[str, ...] = SCHEMES

    @property
    def is_required(self) -> bool:
        """Whether a run without a value for it would fail."""
        return self.default is None and not self.optional


def definitions(spec: Mapping[str, Any], target: str = "") -> dict[str, Definition]:
    """What a pipelineSpec of schema 2.1 declares at its root; `target`: vertex, kubeflow or either."""
    declared = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    return declared_by(declared, VERTEX_SCHEMES if target == "vertex" else SCHEMES)


def declared_by(
    parameters: Mapping[str, Mapping[str, Any]], schemes: tuple[str, ...] = SCHEMES
) -> dict[str, Definition]:
    """What the `parameters` of inputDefinitions declare, for a service with addresses of `schemes`."""
    return {
        name: Definition(
            name,
            facts.get("parameterType", facts.get("type", "")),
            facts.get("defaultValue"),
            facts.get("isOptional", False),
            schemes,
        )
        for name, facts in parameters.items()
    }


def from_texts(texts: Iterable[str], declared: Mapping[str, Definition]) -> dict[str, Value]:
    """Values from `NAME=VALUE` arguments.

    Raises:
      InputError: one is not of this form, names no parameter, comes twice, or does not fit; a line
        each.
    """
    found: dict[str, Value] = {}
    problems = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            problems.append(f"--parameter: got {text!r}, expected NAME=VALUE")
        elif name in found:
            problems.append(f"--parameter {name}: given twice, expected one value")
        elif name not in declared:
            problems.append(f"--parameter {name}: {_unknown(name, declared)}")
        else:
            read = _from_text(value, declared[name].type)
            if read is None:
                problems.append(f"--parameter {name}: {_mismatch(value, declared[name])}")
            elif text := _fault(read, declared[name]):
                problems.append(f"--parameter {name}: {text}")
            else:
                found[name] = read
    _raise(problems)
    return found


def check(values: Mapping[str, Any], declared: Mapping[str, Definition], where: str) -> None:
    """Check the values of a run: all that are required, none else, each of its type, and ours by name.

    Raises:
      InputError: a line for each that is not so; `where` names the pipeline.
    """
    missing = {
        each.name: f"missing, expected {_expected(each)}: it has no default"
        for each in declared.values()
        if each.is_required and each.name not in values
    }
    found = [*missing.items(), *faults(values, declared).items()]
    _raise([f"{where}: parameter {name}: {text}" for name, text in found])


def faults(values: Mapping[str, Any], declared: Mapping[str, Definition]) -> dict[str, str]:
    """What is wrong with values that are given: name -> text."""
    found = {}
    for name, value in values.items():
        text = _fault(value, declared[name]) if name in declared else _unknown(name, declared)
        if text:
            found[name] = text
    ours = {
        name: values.get(name, each.default)
        for name, each in declared.items()
        if name not in found and _is_ours(each)
    }
    return found | parameter_values.contradictions(ours)


def complete(
    values: Mapping[str, Any], declared: Mapping[str, Definition], where: str
) -> dict[str, Value]:
    """The values of a run, checked, with the defaults of those that are not given.

    Raises:
      InputError: as `check`.
    """
    check(values, declared, where)
    defaults = {each.name: each.default for each in declared.values() if each.default is not None}
    return {**defaults, **values}


def _from_text(text: str, kind: str) -> Value | None:
    """The value that an argument means; None where it is none of this type."""
    if kind == "STRING":
        return text
    if kind == "NUMBER_INTEGER":
        value: Any = int(text) if _INTEGER.fullmatch(text) else None
    elif kind == "NUMBER_DOUBLE":
        try:
            value = float(text)
        except ValueError:
            value = None
    else:
        try:
            value = json.loads(text)
        except ValueError:
            value = None
    return value if fits(value, kind) else None


def _fault(value: Any, definition: Definition) -> str:
    """What is wrong with a value, "" for nothing."""
    if not fits(value, definition.type) or not _reachable(value, definition):
        return _mismatch(value, definition)
    if _is_ours(definition):
        name, default = definition.name, definition.default
        return parameter_values.fault(name, value, default, definition.schemes)
    return ""


def _is_ours(definition: Definition) -> bool:
    name, kind, default = definition.name, definition.type, definition.default
    return fits(default, kind) and parameter_values.is_ours(name, kind, default)


def fits(value: Any, kind: str) -> bool:
    """Whether a value is of a type of the spec. A bool is no number, an integer is a double."""
    if isinstance(value, bool):
        return kind == "BOOLEAN"
    if kind == "NUMBER_INTEGER":
        # Of a job file, or of an answer of the service: 20.0 is 20.
        whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        return whole and abs(value) <= _LARGEST_INTEGER
    if kind == "NUMBER_DOUBLE":
        return isinstance(value, int | float) and math.isfinite(value)
    python = {"STRING": str, "LIST": list, "STRUCT": dict}.get(kind)
    return python is not None and isinstance(value, python)


def _reachable(value: Value, definition: Definition) -> bool:
    """Whether it is an address where the default is one: a container writes to a path, and it is lost."""
    return not _scheme(definition.default) or bool(_scheme(value))


def _scheme(value: Any) -> str:
    return value.partition("://")[0] if isinstance(value, str) and "://" in value else ""


def _mismatch(value: Any, definition: Definition) -> str:
    shown = repr(value)
    if len(shown) > _MOST_SHOWN:
        shown = shown[: _MOST_SHOWN - 1] + "…"
    return f"got {shown}, expected {_expected(definition)}"


def _expected(definition: Definition) -> str:
    if scheme := _scheme(definition.default):
        return f"an address, as its default at {scheme}://"
    return TYPES.get(definition.type, f"a value of type {definition.type or 'unknown'}")


def _unknown(name: str, declared: Mapping[str, Definition]) -> str:
    if close := difflib.get_close_matches(name, declared, n=1):
        return f"the pipeline has no such parameter, did you mean {close[0]}?"
    names = ", ".join(sorted(declared)) or "none at all"
    return f"the pipeline has no such parameter, expected one of {names}"


def _raise(problems: list[str]) -> None:
    if problems:
        raise InputError("\n".join(problems))
