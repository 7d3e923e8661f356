"""Conditions of tasks: the part of CEL that TFX and kfp compile to.

Language: https://github.com/google/cel-spec/blob/master/doc/langdef.md
"""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.\d*|\.\d+|\d+)|(?P<text>'[^']*'|\"[^\"]*\")|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<sign>&&|\|\||==|!=|<=|>=|[-<>!()\[\].+]))"
)
_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
_CONSTANTS = {"true": True, "false": False, "null": None}
_CASTS: dict[str, Callable[[Any], Any]] = {"int": int, "double": float, "string": str}

KNOWN = {*_CONSTANTS, *_CASTS}  # names of the language itself

Value = Callable[[Mapping[str, Any]], Any]


class ConditionError(ValueError):
    """A condition that cannot be read, or names what is not there."""


def holds(condition: str, inputs: Mapping[str, Any]) -> bool:
    """Whether a condition is true.

    Args:
      condition: for instance `inputs.artifacts['blessing'].artifacts[0].metadata['blessed'] == 1.0`.
      inputs: `artifacts`: name -> {"artifacts": [...]}; `parameter_values`: name -> value.

    Raises:
      ConditionError: it is not of the language's part that is known, or names what is not there.
    """
    found = _Parser(condition).parsed()({"inputs": inputs})
    if not isinstance(found, bool):
        raise ConditionError(f"{condition}: got {found!r}, expected true or false")
    return found


def check(condition: str) -> None:
    """Make sure that a condition can be read; what it names is for whoever knows the task.

    Raises:
      ConditionError: it is not of the language's part that is known.
    """
    _Parser(condition).parsed()


class _Parser:
    """Recursive descent: a method a level, each returns what computes the value."""

    def __init__(self, condition: str) -> None:
        self._condition = condition
        self._tokens = self._cut()

    def parsed(self) -> Value:
        value = self._either()
        if self._tokens:
            raise self._error(f"unexpected {self._tokens[0][1]!r}")
        return value

    def _cut(self) -> list[tuple[str, str]]:
        tokens, at = [], 0
        text = self._condition.rstrip()
        while at < len(text):
            found = _TOKEN.match(text, at)
            if not found or not found.lastgroup:
                raise self._error(f"unexpected {text[at:].strip()[:10]!r}")
            tokens.append((found.lastgroup, found[found.lastgroup]))
            at = found.end()
        return tokens

    def _error(self, reason: str) -> ConditionError:
        return ConditionError(f"condition {self._condition}: {reason}")

    def _takes(self, *signs: str) -> str:
        """The next token, if it is one of these signs; else "" and nothing is taken."""
        if self._tokens and self._tokens[0][0] == "sign" and self._tokens[0][1] in signs:
            return self._tokens.pop(0)[1]
        return ""

    def _must(self, sign: str) -> None:
        if not self._takes(sign):
            raise self._error(f"expected {sign!r}")

    def _either(self) -> Value:
        left = self._both()
        while self._takes("||"):
            left = _lazy(left, self._both(), stops=True)
        return left

    def _both(self) -> Value:
        left = self._compared()
        while self._takes("&&"):
            left = _lazy(left, self._compared(), stops=False)
        return left

    def _compared(self) -> Value:
        left = self._sum()
        if sign := self._takes(*_COMPARED):
            return self._applied(_COMPARED[sign], left, self._sum())
        return left

    def _sum(self) -> Value:
        left = self._signed()
        while sign := self._takes("+", "-"):
            apply = operator.add if sign == "+" else operator.sub
            left = self._applied(apply, left, self._signed())
        return left

    def _signed(self) -> Value:
        if self._takes("!"):
            value = self._signed()
            return lambda known: not value(known)
        if self._takes("-"):
            value = self._signed()
            return lambda known: -value(known)
        return self._member()

    def _member(self) -> Value:
        value = self._primary()
        while sign := self._takes(".", "["):
            if sign == ".":
                kind, name = self._next()
                if kind != "name":
                    raise self._error(f"unexpected {name!r} after '.'")
                value = self._looked_up(value, _constant(name))
            else:
                value = self._looked_up(value, self._either())
                self._must("]")
        return value

    def _primary(self) -> Value:
        if self._takes("("):
            inner = self._either()
            self._must(")")
            return inner
        kind, token = self._next()
        if kind == "sign":
            raise self._error(f"unexpected {token!r}")
        if kind == "name" and token in _CASTS and self._takes("("):
            inner = self._either()
            self._must(")")
            cast = _CASTS[token]
            return lambda known: cast(inner(known))
        if kind == "name":
            if token in _CONSTANTS:
                return _constant(_CONSTANTS[token])
            return self._looked_up(lambda known: known, _constant(token))
        return _constant(_number(token) if kind == "number" else token[1:-1])

    def _next(self) -> tuple[str, str]:
        if not self._tokens:
            raise self._error("ends too soon")
        return self._tokens.pop(0)

    def _looked_up(self, holder: Value, key: Value) -> Value:
        def value(known: Mapping[str, Any]) -> Any:
            inside, name = holder(known), key(known)
            try:
                return inside[int(name)] if isinstance(inside, list) else inside[name]
            except (KeyError, IndexError, TypeError, ValueError):
                raise self._error(f"there is no {name!r}") from None

        return value

    def _applied(self, apply: Callable[[Any, Any], Any], left: Value, right: Value) -> Value:
        def value(known: Mapping[str, Any]) -> Any:
            a, b = left(known), right(known)
            numbers = all(isinstance(each, (int, float)) for each in (a, b))
            if type(a) is not type(b) and not numbers and None not in (a, b):
                raise self._error(f"cannot compare {a!r} with {b!r}")
            return apply(a, b)

        return value


def _lazy(left: Value, right: Value, *, stops: bool) -> Value:
    """`||` stops at a true one, `&&` at a false one."""

    def value(known: Mapping[str, Any]) -> Any:
        return stops if left(known) is stops else right(known)

    return value


def _constant(value: Any) -> Value:
    return lambda known: value


def _number(text: str) -> float:
    return float(text) if "." in text else int(text)
