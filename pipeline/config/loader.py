"""YAML -> frozen typed dataclasses, with every error at once and a line number on each.

Knows nothing of what the settings mean: types (nested dataclasses, `Literal` choices, optional
values, `tuple[X, ...]` lists, `dict[str, X]` mappings) come from the annotations, ranges and
patterns from the metadata that `setting` and `required` attach. The YAML is only composed into
nodes, never constructed, so no tag in a file can run code and no YAML 1.1 conversion (octal,
`1:30` = 90) changes a value unseen.
"""

import dataclasses
import difflib
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar, get_args, get_type_hints

import yaml

from pipeline.config.problems import Problems, describe
from pipeline.config.values import BAD, expected, is_null, is_text, options, scalar, shape_fits

T = TypeVar("T")


def setting(default: Any, doc: str, **rules: Any) -> Any:
    """A key that may be left out.

    Args:
      default: its value then; a dict default is copied for each instance.
      doc: one line for the user.
      **rules: `ge`, `gt`, `le`, `lt` (numbers, also inside lists and mappings); `pattern` and
        `pattern_text` (text); `path=True` (text, relative to the file's folder);
        `single=True` (a list that may be given as one bare item); `derived` (what the value
        follows from when it is absent or null; the caller fills it in).
    """
    metadata = {"doc": doc, **rules}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=lambda: dict(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def required(doc: str, **rules: Any) -> Any:
    """A key that must be given; `doc` and `rules` as in `setting`."""
    return dataclasses.field(metadata={"doc": doc, **rules})


def load(cls: type[T], path: str) -> tuple[T, Problems]:
    """Reads a YAML file into `cls`.

    Returns:
      The object and the problems found. Where a value is bad the object holds the default (None
      where there is none), so that further checks can run; `Problems.clean` says what to trust.

    Raises:
      InputError: the file cannot be read or is not YAML; one line.
    """
    problems = Problems(path)
    root = _compose(path, problems)
    reader = _Reader(cls, problems)
    return reader.section(root, cls, ""), problems


def _compose(path: str, problems: Problems) -> yaml.Node:
    """The file's node tree; anything that stops it is raised at once, as one line."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read()
    except OSError as error:
        problems.stop(None, f"cannot read the configuration: {error.strerror}")
    except UnicodeDecodeError as error:
        problems.stop(None, f"got a file that is not UTF-8 (byte {error.start}), expected text")
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = "; ".join(filter(None, (error.context, error.problem)))
        if "'?'" in reason:  # `text?`, a kind of column, is plain text only outside of braces
            reason += ' (inside { } a text with a ? needs quotes: "text?")'
        problems.stop(mark.line + 1 if mark else None, f"not valid YAML: {reason}")
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, int(error.position)) + 1
        problems.stop(line, f"not valid YAML: character {int(error.character):#x} is not allowed")
    except RecursionError:
        problems.stop(None, "not valid YAML: nested too deeply")
    if root is None:
        problems.stop(None, "got an empty file, expected a configuration")
    if not isinstance(root, yaml.MappingNode):
        problems.stop(_line(root), f"got {describe(root)}, expected a mapping of sections")
    return root


class _Reader:
    """Reads nodes by type; records problems and lines on the way."""

    def __init__(self, root: type, problems: Problems) -> None:
        self._root = root
        self._problems = problems

    def section(self, node: yaml.Node, cls: type[T], where: str) -> T:
        """The dataclass `cls` from a mapping node; an empty section means all defaults."""
        hints = get_type_hints(cls)
        fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
        entries = dict(self._entries(node, where)) if isinstance(node, yaml.MappingNode) else {}
        for name in entries.keys() - fields.keys():
            self._problems.add(_join(where, name), self._unknown(name, list(fields)))
        values: dict[str, Any] = {}
        for name, field in fields.items():
            value = self._field(field, hints[name], entries.get(name), _join(where, name))
            if value is not BAD:
                values[name] = value
        return _fill(cls, values)

    def _field(
        self, field: dataclasses.Field[Any], kind: Any, node: yaml.Node | None, where: str
    ) -> Any:
        """The value of one key, or `BAD` when it is absent (the default holds) or wrong."""
        optional = type(None) in get_args(kind)
        if node is None or (is_null(node) and ("derived" in field.metadata or optional)):
            if _is_required(field):
                return self._missing(where, kind, field.metadata)
            is_path = field.metadata.get("path") and field.default
            return self._problems.locate(str(field.default)) if is_path else BAD
        self._problems.given.add(where)
        return self._value(node, kind, where, field.metadata)

    def _value(self, node: yaml.Node, kind: Any, where: str, rules: Mapping[str, Any]) -> Any:
        """A value of the annotated type, or `BAD` with the problem recorded."""
        if isinstance(node, yaml.ScalarNode) and rules.get("single"):
            node = yaml.SequenceNode("tag:yaml.org,2002:seq", [node], node.start_mark)
        fitting = [option for option in options(kind) if shape_fits(option, node)]
        if not fitting:
            return self._wrong(where, node, kind, rules)
        if dataclasses.is_dataclass(fitting[0]):
            return self.section(node, fitting[0], where)  # type: ignore[arg-type]
        if isinstance(node, yaml.SequenceNode):
            return self._list(node, get_args(fitting[0])[0], where, rules)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, get_args(fitting[0])[1], where, rules)
        readings = (scalar(node, option, rules) for option in fitting)
        value = next((value for value in readings if value is not BAD), BAD)
        if value is BAD:
            return self._wrong(where, node, kind, rules)
        return self._problems.locate(value) if rules.get("path") else value

    def _list(self, node: yaml.SequenceNode, kind: Any, where: str, rules: Any) -> Any:
        values = []
        for index, item in enumerate(node.value):
            self._problems.lines[f"{where}[{index}]"] = _line(item)
            values.append(self._value(item, kind, f"{where}[{index}]", rules | {"single": False}))
        return BAD if BAD in values else tuple(values)

    def _mapping(self, node: yaml.MappingNode, kind: Any, where: str, rules: Any) -> Any:
        values = {
            name: self._value(item, kind, _join(where, name), rules)
            for name, item in self._entries(node, where)
        }
        return BAD if BAD in values.values() else values

    def _entries(self, node: yaml.MappingNode, where: str) -> Iterator[tuple[str, yaml.Node]]:
        """The mapping's keys in order, each once; records lines, twice-given and odd keys."""
        seen: dict[str, int] = {}
        merged: list[yaml.MappingNode] = []
        for key, value in node.value:
            if key.tag.endswith(":merge"):
                merged += _merge_sources(value)
            elif not is_text(key):
                text = f"got the key {describe(key)}, expected text (put it in quotes)"
                self._problems.add(_join(where, str(key.value)), text, line=_line(key))
            elif key.value in seen:
                text = f"key given twice, first at line {seen[key.value]}"
                self._problems.add(_join(where, key.value), text, line=_line(key))
            else:
                seen[key.value] = _line(key)
                self._problems.lines[_join(where, key.value)] = _line(key)
                yield key.value, value
        for source in merged:  # YAML's `<<`: what the mapping says itself wins
            for key, value in source.value:
                if is_text(key) and key.value not in seen:
                    seen[key.value] = _line(key)
                    self._problems.lines[_join(where, key.value)] = _line(key)
                    yield key.value, value

    def _wrong(self, where: str, node: yaml.Node, kind: Any, rules: Mapping[str, Any]) -> Any:
        text = f"got {describe(node)}, expected {expected(kind, rules)}"
        if isinstance(node, yaml.ScalarNode) and str in options(kind) and not is_null(node):
            text += "" if is_text(node) else " (put it in quotes)"
        self._problems.add(where, text, line=_line(node))
        return BAD

    def _missing(self, where: str, kind: Any, rules: Mapping[str, Any]) -> Any:
        if dataclasses.is_dataclass(kind):  # say what is missing in it, key by key
            return self.section(_EMPTY, kind, where)  # type: ignore[arg-type]
        self._problems.add(where, f"missing, expected {expected(kind, rules)}")
        return BAD

    def _unknown(self, name: str, siblings: list[str]) -> str:
        close = difflib.get_close_matches(name, siblings, n=1)
        elsewhere = [path for path in _paths(self._root) if path.rpartition(".")[2] == name]
        if close or elsewhere:
            return f"unknown key, did you mean {(close or elsewhere)[0]}?"
        return f"unknown key, expected one of {', '.join(siblings)}"


_EMPTY = yaml.MappingNode("tag:yaml.org,2002:map", [])


def _fill(cls: Any, values: Mapping[str, Any]) -> Any:
    """`cls` from `values`; a required value that is not there is None, a required section empty."""
    missing = {
        field.name: _fill(field.type, {}) if dataclasses.is_dataclass(field.type) else None
        for field in dataclasses.fields(cls)
        if _is_required(field)
    }
    return cls(**(missing | dict(values)))


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _paths(cls: Any, prefix: str = "") -> Iterator[str]:
    """Every dotted key of the configuration that is not a section."""
    for name, kind in get_type_hints(cls).items():
        sections = [option for option in options(kind) if dataclasses.is_dataclass(option)]
        if sections:
            yield from _paths(sections[0], f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _merge_sources(node: yaml.Node) -> list[yaml.MappingNode]:
    nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
    return [item for item in nodes if isinstance(item, yaml.MappingNode)]


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name
