"""`{{$…}}` in the arguments of a container, as the service fills them in."""

import json
import re
from collections.abc import Mapping
from typing import Any

_PLACEHOLDER = re.compile(r"\{\{\$(.*?)\}\}")
_STEP = re.compile(r"\.(\w+)|\['([^']*)'\]|\[\"([^\"]*)\"\]|\[(\d+)\]")
_SPELLINGS = {"parameters": "parameterValues", "output_file": "outputFile"}


class PlaceholderError(ValueError):
    """A placeholder that the service could not fill in."""


def filled(text: str, executor_input: Mapping[str, Any], job: Mapping[str, str]) -> str:
    """The text with its placeholders filled in.

    Args:
      text: an argument of a container, or a query.
      executor_input: what `{{$}}` stands for, as JSON, and what others point into.
      job: `pipeline_job_name` and so on.

    Raises:
      PlaceholderError: one names nothing.
    """

    def value(match: re.Match[str]) -> str:
        path = match[1].strip()
        if not path:
            return json.dumps(executor_input)
        if path.removeprefix(".") in job:
            return job[path.removeprefix(".")]
        return _as_text(_found(path, executor_input, match[0]))

    return _PLACEHOLDER.sub(value, text)


def filled_by_job(value: Any, job: Mapping[str, str]) -> Any:
    """A parameter's value, with what it says of the job filled in; other placeholders stay."""
    if not isinstance(value, str):
        return value
    return _PLACEHOLDER.sub(lambda match: job.get(match[1].strip(" ."), match[0]), value)


def _found(path: str, executor_input: Mapping[str, Any], written: str) -> Any:
    steps = list(_STEP.finditer(path))
    if "".join(step[0] for step in steps) != path:
        raise PlaceholderError(f"{written}: no placeholder that could be filled in")
    found: Any = executor_input
    for step in steps:
        name = next(group for group in step.groups() if group is not None)
        if isinstance(found, Mapping) and name not in found:
            name = _SPELLINGS.get(name, name)
            if set(found) == {"artifacts"}:
                found = (found["artifacts"] or [{}])[0]  # the only one of a list
        try:
            found = found[int(name)] if isinstance(found, list) else found[name]
        except (KeyError, IndexError, TypeError, ValueError):
            raise PlaceholderError(f"{written}: there is no {name!r}") from None
    return found


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value)
