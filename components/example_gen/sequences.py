"""What is done to sequences while rows are ingested: nothing, drops or windows. Pure Python.

The settings are those that Transform tokenises with, so that both count the same tokens.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from components.errors import InputError
from components.example_gen.columns import Column, Kind
from components.example_gen.splits import SplitRule
from transform.settings import (
    CONTEXT_LENGTH,
    CONTINUES,
    ID_LIST,
    SPAN,
    TOKEN_LIST,
    Settings,
    Side,
)

DROP = "drop"
WINDOW = "window"
ROW = "row"
FILE = "file"
_KEYS = {"settings", "policy", "window", "span_column", "subword_files", "vocab_size"}
_WINDOW_KEYS = {"stride", "over", "separator"}
_KINDS = {TOKEN_LIST: Kind.TEXT_LIST, ID_LIST: Kind.ID_LIST}


@dataclass(frozen=True)
class SequenceSide:
    """One side, and where its column is among the configured ones."""

    name: str
    side: Side
    position: int

    @property
    def is_list(self) -> bool:
        """Whether the column's values are the tokens themselves."""
        return self.side.tokenizer in _KINDS


@dataclass(frozen=True)
class Companion:
    """A column with a value for each token of the target, and where it is among the configured ones."""

    column: Column
    position: int


@dataclass(frozen=True)
class Learning:
    """What subwords are learned with, of the sides that no file cuts."""

    settings: Settings
    vocab_size: int


@dataclass(frozen=True)
class SequenceRules:
    """What is done to sequences; the default does nothing.

    Attributes:
      policy: `drop`, `window` or "".
      sides: those whose tokens count; one if the policy is `window`, none if it is "".
      companions: windows only: the columns that are cut as the target is.
      learning: None where each side has what cuts it.
      stride: tokens from one window's start to the next one's.
      over: what is cut into windows: each `row`, or all rows of a `file` as one text.
      separator: over file: what stands between two rows; "" is nothing.
      span_column: every row gets the number of its span.
    """

    policy: str = ""
    sides: tuple[SequenceSide, ...] = ()
    stride: int = 0
    over: str = ROW
    separator: str = ""
    span_column: bool = False
    companions: tuple[Companion, ...] = ()
    learning: Learning | None = None

    def cut_by(self, folder: str) -> "SequenceRules":
        """These rules, with the subword files of a folder: what can count tokens."""
        if not self.learning:
            return self
        found = self.learning.settings.with_subwords(folder).sides
        sides = tuple(replace(one, side=found[one.name]) for one in self.sides)
        return replace(self, sides=sides, learning=None)

    @property
    def added(self) -> tuple[Column, ...]:
        """The columns that are written besides the configured ones, in this order."""
        names = [CONTEXT_LENGTH, CONTINUES] if self.policy == WINDOW else []
        names += [SPAN] if self.span_column else []
        return tuple(Column(name=name, kind=Kind.INTEGER) for name in names)


def parse_sequences(
    text: str,
    *,
    columns: Sequence[Column],
    aligned: Sequence[Sequence[int]] = (),
    split: SplitRule | None = None,
) -> SequenceRules:
    """Read the parameter `sequences`; see `spec.py`.

    Raises:
      InputError: it is not what it should be, or does not fit the other parameters.
    """
    if not text:
        return SequenceRules()
    declared = _object(text)
    _known(declared, _KEYS, "sequences")
    policy, span_column = declared.get("policy", ""), declared.get("span_column", False)
    if policy not in ("", DROP, WINDOW):
        raise InputError(f"data.excess_length: got {policy!r}, expected {DROP}, {WINDOW} or ''")
    if not isinstance(span_column, bool):
        raise InputError(f"sequences: got span_column {span_column!r}, expected true or false")
    if not policy:
        return SequenceRules(span_column=span_column)
    settings = _settings(declared.get("settings"))
    sides = tuple(_side(name, side, columns) for name, side in settings.sides.items())
    learning = _learning(settings, declared.get("vocab_size"))
    if policy == DROP:
        return SequenceRules(policy, sides, span_column=span_column, learning=learning)
    if len(sides) > 1:
        raise InputError(
            "data.excess_length: got window, expected another policy: windows cut one side, "
            "and the other would no longer belong to it"
        )
    stride, over, separator = _window(declared.get("window"), sides[0], split)
    companions = _companions(settings, sides[0], columns, aligned)
    if over == FILE:
        _only_weights(companions)
    return SequenceRules(policy, sides, stride, over, separator, span_column, companions, learning)


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (TypeError, ValueError):
        value = None
    if not isinstance(value, dict):
        raise InputError(f"sequences: got {text!r}, expected a JSON object")
    return value


def _known(declared: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(declared.keys() - known)
    if unknown:
        raise InputError(f"{where}: got key {unknown[0]!r}, expected {', '.join(sorted(known))}")


def _settings(text: Any) -> Settings:
    try:
        return Settings.from_json(text)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise InputError(f"sequences: got settings {text!r}, expected Settings JSON") from error


def _side(name: str, side: Side, columns: Sequence[Column]) -> SequenceSide:
    names = [column.name for column in columns]
    if side.column not in names:
        raise InputError(f"sequences: {name}: got column {side.column!r}, expected one of {names}")
    position = names.index(side.column)
    wanted = _KINDS.get(side.tokenizer, Kind.TEXT)
    if columns[position].kind is not wanted:
        raise InputError(
            f"sequences: column {side.column!r}: got kind {columns[position].kind.value}, "
            f"expected {wanted.value} for the tokenizer {side.tokenizer}"
        )
    if side.room < 1:
        raise InputError(
            f"data.max_{name}_length: got {side.max_length}, expected room for a token besides "
            "bos and eos"
        )
    return SequenceSide(name, side, position)


def _learning(settings: Settings, vocab_size: Any) -> Learning | None:
    if not settings.unlearned:
        return None
    if type(vocab_size) is not int or vocab_size < 1:
        raise InputError(f"data.vocab_size: got {vocab_size!r}, expected an integer of 1 or more")
    return Learning(settings, vocab_size)


def _companions(
    settings: Settings,
    target: SequenceSide,
    columns: Sequence[Column],
    aligned: Sequence[Sequence[int]],
) -> tuple[Companion, ...]:
    groups = [set(group) for group in aligned if target.position in group]
    found = set[int]().union(*groups) - {target.position}
    if settings.token_weights:
        names = [column.name for column in columns]
        if settings.token_weights not in names:
            name = settings.token_weights
            raise InputError(f"sequences: got token weights {name!r}, expected one of {names}")
        found.add(names.index(settings.token_weights))
    return tuple(Companion(columns[position], position) for position in sorted(found))


def _only_weights(companions: Sequence[Companion]) -> None:
    """Over: file, some rows may have no value, and a separator has none: 1 for a weight."""
    for one in companions:
        if one.column.kind is not Kind.WEIGHT_LIST:
            raise InputError(
                f"data.window.over: got file, expected row: the column {one.column.name!r} has a "
                "value for each token, and none for what stands between two rows"
            )


def _window(declared: Any, target: SequenceSide, split: SplitRule | None) -> tuple[int, str, str]:
    if not isinstance(declared, dict):
        raise InputError(f"data.window: got {declared!r}, expected a JSON object")
    _known(declared, _WINDOW_KEYS, "data.window")
    stride, room = declared.get("stride"), target.side.room
    if type(stride) is not int or not 1 <= stride <= room:
        raise InputError(
            f"data.window.stride: got {stride!r}, expected 1 to {room}: past that the tokens "
            "between two windows would be lost"
        )
    over, separator = declared.get("over", ROW), declared.get("separator", "")
    if over not in (ROW, FILE):
        raise InputError(f"data.window.over: got {over!r}, expected {ROW} or {FILE}")
    if not isinstance(separator, str) or (separator and over == ROW):
        raise InputError(f"data.window.separator: got {separator!r}, expected text, over: file")
    if over == FILE and split and split.by_hash:
        raise InputError("data.split: got shares, expected a file pattern for each (over: file)")
    if separator and target.side.tokenizer == ID_LIST and not separator.isdecimal():
        raise InputError(f"data.window.separator: got {separator!r}, expected an id (digits)")
    return stride, over, separator
