"""Values of the runtime parameters: given on the command line, by the file, or its defaults."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from components.errors import InputError

_WORDS = {
    "STRING": "text",
    "NUMBER_INTEGER": "an integer",
    "NUMBER_DOUBLE": "a number",
    "BOOLEAN": "true or false",
    "LIST": "a JSON list",
    "STRUCT": "a JSON object",
}


def values(
    declared: Mapping[str, Mapping[str, Any]],
    by_file: Mapping[str, Any],
    by_user: Mapping[str, Any],
) -> dict[str, Any]:
    """A value for each declared parameter: the user's, else the file's, else the default.

    Args:
      declared: name -> parameterType, defaultValue, isOptional.
      by_file: of `runtimeConfig`.
      by_user: of their own type, or texts as typed, see `typed`.

    Raises:
      InputError: a line for each that is unknown, of the wrong type, or missing.
    """
    problems, found = [], {}
    for name in dict.fromkeys([*by_user, *by_file]):
        if name not in declared:
            known = ", ".join(declared) or "none"
            problems.append(f"parameter {name}: there is none, expected one of {known}")
    for name, declaration in declared.items():
        kind = declaration.get("parameterType", "STRING")
        given = by_user.get(name, by_file.get(name, declaration.get("defaultValue")))
        if given is None:
            if not declaration.get("isOptional"):
                wanted = _WORDS.get(kind, kind)
                problems.append(f"parameter {name}: got none, expected --parameter {name}={wanted}")
        elif not _fits(given, kind):
            problems.append(f"parameter {name}: got {given!r}, expected {_WORDS.get(kind, kind)}")
        else:
            found[name] = given
    if problems:
        raise InputError("\n".join(problems))
    return found


def typed(texts: Sequence[str], declared: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """NAME=VALUE texts as values of the declared types; what does not fit stays a text.

    Raises:
      InputError: a text has no =, or a name is given twice.
    """
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InputError(f"--parameter: got {text!r}, expected NAME=VALUE")
        if name in found:
            raise InputError(f"--parameter {name}: got two, expected one")
        kind = declared.get(name, {}).get("parameterType", "STRING")
        found[name] = value if kind == "STRING" else _of_json(value)
    return found


def _of_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _fits(value: Any, kind: str) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return {
        "STRING": isinstance(value, str),
        "NUMBER_INTEGER": number and float(value).is_integer(),
        "NUMBER_DOUBLE": number,
        "BOOLEAN": isinstance(value, bool),
        "LIST": isinstance(value, list),
        "STRUCT": isinstance(value, dict),
    }.get(kind, True)
