"""Queries of resolvers: comparisons joined by AND, as TFX compiles them (Vertex ML Metadata's filters)."""

import re
from collections.abc import Mapping
from typing import Any

_COMPARISON = re.compile(
    r'\s*(?P<key>[a-z_]+(?:\.[A-Za-z0-9_]+)*)\s*(?P<sign>!=|=)\s*(?P<value>"[^"]*"|[^\s"]+)\s*'
)
_AND = re.compile(r"AND\b")
_KINDS = ("number_value", "string_value", "bool_value")
_FIELDS = ("schema_title", "state", "name", "uri", "display_name")


class FilterError(ValueError):
    """A query that is not of the known form."""


def matches(query: str, artifact: Mapping[str, Any]) -> bool:
    """Whether an artifact is one that the query asks for.

    Args:
      query: for instance `schema_title="tfx.Model" AND state=LIVE`.
      artifact: schema_title, state, name, uri, metadata.

    Raises:
      FilterError: the query has another form.
    """
    return all(_holds(*comparison, artifact, query) for comparison in _comparisons(query))


def _comparisons(query: str) -> list[tuple[str, str, str]]:
    found, at = [], 0
    while True:
        comparison = _COMPARISON.match(query, at)
        if not comparison:
            raise FilterError(f"query {query}: got {query[at:].strip()!r}, expected a comparison")
        found.append((comparison["key"], comparison["sign"], comparison["value"]))
        at = comparison.end()
        if at == len(query):
            return found
        joined = _AND.match(query, at)
        if not joined:
            raise FilterError(f"query {query}: got {query[at:].strip()!r}, expected AND")
        at = joined.end()


def _holds(key: str, sign: str, value: str, artifact: Mapping[str, Any], query: str) -> bool:
    wanted: Any = value.strip('"')
    if key.startswith("metadata."):
        _, name, kind = (*key.split("."), "", "")[:3]
        if kind not in _KINDS:
            expected = " or ".join(f"metadata.{name}.{each}" for each in _KINDS)
            raise FilterError(f"query {query}: got {key}, expected {expected}")
        got = artifact["metadata"].get(name)
        wanted, comparable = _as_kind(wanted, got, kind)
        equal = comparable and got == wanted
    elif key in _FIELDS:
        equal = artifact.get(key) == wanted
    else:
        raise FilterError(
            f"query {query}: got {key}, expected one of {', '.join(_FIELDS)}, metadata"
        )
    return equal if sign == "=" else not equal


def _as_kind(wanted: str, got: Any, kind: str) -> tuple[Any, bool]:
    """The wanted value as the kind that is asked for, and whether what there is, is of that kind."""
    if kind == "number_value":
        return float(wanted), isinstance(got, (int, float)) and not isinstance(got, bool)
    if kind == "bool_value":
        return wanted == "true", isinstance(got, bool)
    return wanted, isinstance(got, str)
