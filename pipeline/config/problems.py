"""Collects what is wrong with a configuration file: line, key, what was got, what was expected."""

import os
from typing import NoReturn

import yaml

from components.errors import InputError

_LONGEST_SHOWN = 60


class Unsuited(InputError):
    """A configuration that is right in itself, and does not suit what is asked of it.

    Attributes:
      problems: key and text of each; where the key stands, `pipeline.config.placed` says.
    """

    def __init__(self, *problems: tuple[str, str]) -> None:
        super().__init__("\n".join(f"{key}: {text}" for key, text in problems))
        self.problems = problems


class Problems:
    """The problems of one file, and where each key of it stands.

    Attributes:
      path: the file, as the user named it.
      lines: dotted key -> line, for every key and list item in the file.
      given: dotted keys that have a value of their own in the file.
      items: (line, key, text) of each problem, as recorded.
      data_may_come: whether the folder that is to hold the spans need not be there yet.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.lines: dict[str, int] = {}
        self.given: set[str] = set()
        self.items: list[tuple[int, str, str]] = []
        self.data_may_come = False

    def add(self, where: str, text: str, *, line: int | None = None) -> None:
        """Records a problem with the key `where`; `line` only if it is not the key's own."""
        self.items.append((line or self.line_of(where), where, text))

    def stop(self, line: int | None, text: str) -> NoReturn:
        """Raises at once, for what leaves nothing to read."""
        raise InputError(f"{self.path}:{line}: {text}" if line else f"{self.path}: {text}")

    def line_of(self, where: str) -> int:
        """The line of a key; for a key that is not in the file, that of its section, else 1."""
        while where and where not in self.lines:
            where = where[: max(where.rfind("."), where.rfind("["), 0)]
        return self.lines.get(where, 1)

    def clean(self, *keys: str) -> bool:
        """Whether none of the keys, nothing inside them and nothing around them has a problem."""
        return not any(_related(where, key) for _, where, _ in self.items for key in keys)

    def locate(self, path: str) -> str:
        """A path of the file, relative to the file's folder; absolute ones and URLs unchanged."""
        if "://" in path:
            return path
        folder = os.path.dirname(self.path)
        return os.path.normpath(os.path.join(folder, os.path.expanduser(path)))

    @property
    def shown(self) -> str:
        """A line for each problem, in the order of the file."""
        return "\n".join(
            f"{self.path}:{line}: {where + ': ' if where else ''}{text}"
            for line, where, text in sorted(set(self.items))
        )

    def raise_if_any(self) -> None:
        """Raises one InputError with a line for each problem, in the order of the file."""
        if self.items:
            raise InputError(self.shown)


def describe(node: yaml.Node) -> str:
    """What stands in the file, short and on one line."""
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    if node.tag.endswith(":null"):
        return "nothing"
    text = repr(node.value) if node.tag.endswith(":str") else str(node.value)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"


def _related(where: str, key: str) -> bool:
    if where in ("", key):
        return True
    return where.startswith((f"{key}.", f"{key}[")) or key.startswith((f"{where}.", f"{where}["))
