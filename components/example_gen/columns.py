"""What a column may hold, and the check of one row against it. Pure Python.

| kind        | a JSON value              | a CSV cell  | the feature          |
|-------------|---------------------------|-------------|----------------------|
| text        | string, not blank         | the cell    | bytes, one value     |
| text_list   | strings, none empty       | a JSON list | bytes, n >= 1 values |
| float_list  | finite numbers            | a JSON list | float, n >= 1 values |
| weight_list | finite numbers, 0 and up  | a JSON list | float, n >= 1 values |
| id_list     | integers, 0 and up        | a JSON list | int64, n >= 1 values |
| number      | a finite number           | digits      | float, one value     |
| weight      | a finite number, 0 and up | digits      | float, one value     |
| integer     | a 64-bit integer          | digits      | int64, one value     |

`kind?` is optional: null, a missing key, an empty list or an empty cell gives a feature without a
value. true and false are not numbers; numeric-looking text stays text. Floats are stored as
float32, so a number beyond its range is an error rather than an infinity.
"""

import enum
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.errors import InputError

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
FLOAT32_MAX = (2 - 2**-23) * 2.0**127
_SHOWN_CHARACTERS = 40
_NUMBER_TYPES = {float, int}

Values = list[bytes] | list[float] | list[int]
Checked = list[Values | None]


class Kind(enum.Enum):
    """What a column holds; the value is its name in the configuration."""

    TEXT = "text"
    TEXT_LIST = "text_list"
    FLOAT_LIST = "float_list"
    WEIGHT_LIST = "weight_list"
    ID_LIST = "id_list"
    NUMBER = "number"
    WEIGHT = "weight"
    INTEGER = "integer"

    @property
    def is_list(self) -> bool:
        """Whether a row holds several values of it."""
        return self in (Kind.TEXT_LIST, Kind.FLOAT_LIST, Kind.WEIGHT_LIST, Kind.ID_LIST)


@dataclass(frozen=True, slots=True)
class Column:
    """One configured column."""

    name: str
    kind: Kind
    optional: bool = False


class CellError(ValueError):
    """A value that does not fit its column; the message names the column, got and expected."""

    def __init__(self, column: Column, got: str, *, item: int | None = None) -> None:
        where = f"column {column.name!r}" + ("" if item is None else f", item {item + 1}")
        super().__init__(f"{where}: got {got}, expected {_expected(column, item)}")


class RowError(ValueError):
    """A row whose columns do not fit each other."""


def parse_columns(declared: Mapping[str, str]) -> tuple[Column, ...]:
    """Turn `{"text": "text", "weights": "float_list?"}` into columns, in the order given.

    Raises:
      InputError: no column at all, or an unknown kind.
    """
    if not declared:
        raise InputError("data.columns: got no column, expected at least one")
    return tuple(_parse_column(name, kind) for name, kind in declared.items())


def _parse_column(name: str, declared: str) -> Column:
    optional = isinstance(declared, str) and declared.endswith("?")
    kinds = {kind.value: kind for kind in Kind}
    kind = kinds.get(declared.removesuffix("?")) if isinstance(declared, str) else None
    if not name or kind is None:
        raise InputError(
            f"data.columns: column {name!r}: got kind {declared!r}, expected one of "
            f"{', '.join(kinds)} (with ? when optional)"
        )
    return Column(name=name, kind=kind, optional=optional)


def check_row(
    row: Mapping[str, Any], *, columns: Sequence[Column], aligned: Sequence[Sequence[int]] = ()
) -> Checked:
    """Check one row; `aligned` holds groups of column positions whose lists must be equally long.

    Returns:
      Per column its values, text as UTF-8, or None where an optional column has none.

    Raises:
      CellError: a value does not fit its column.
      RowError: aligned lists differ in length.
    """
    checked: Checked = []
    for column in columns:
        value = row.get(column.name)
        if value is None:
            _require_optional(column, row)
            checked.append(None)
        else:
            checked.append(_CHECKS[column.kind](column, value))
    for group in aligned:
        _check_aligned(group, columns, checked)
    return checked


def _require_optional(column: Column, row: Mapping[str, Any]) -> None:
    if not column.optional:
        names = ", ".join(repr(name) for name in list(row)[:10])
        found = "null" if column.name in row else f"nothing (the row has {names or 'no column'})"
        raise CellError(column, found)


def _check_aligned(
    group: Sequence[int], columns: Sequence[Column], checked: Sequence[Values | None]
) -> None:
    present = [(columns[index].name, checked[index]) for index in group]
    lengths = {name: len(values) for name, values in present if values is not None}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name!r} {length}" for name, length in lengths.items())
        raise RowError(f"aligned columns: got items {found}, expected equally many in each")


def _check_not_blank(column: Column, value: Any) -> bytes:
    text = _check_text(column, value)
    if not value.strip():
        raise CellError(column, "only white space")
    return text


def _check_text(column: Column, value: Any, item: int | None = None) -> bytes:
    if type(value) is not str or not value:
        raise CellError(column, describe(value), item=item)
    try:
        return value.encode()
    except UnicodeEncodeError as error:
        raise CellError(column, _not_utf8(value, error.start), item=item) from None


def _not_utf8(value: str, position: int) -> str:
    code = ord(value[position])
    # surrogateescape, which the CSV reader decodes with, maps byte 0xNN to U+DCNN.
    what = f"the byte 0x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"
    return f"invalid UTF-8 ({what} at character {position + 1})"


def _check_texts(column: Column, value: Any) -> list[bytes] | None:
    if _is_empty_list(column, value):
        return None
    return [_check_text(column, text, item) for item, text in enumerate(value)]


def _check_number(column: Column, value: Any, item: int | None = None) -> float:
    if type(value) not in _NUMBER_TYPES or not _fits_float32(value):
        raise CellError(column, describe(value), item=item)
    return float(value)


def _check_weight(column: Column, value: Any, item: int | None = None) -> float:
    number = _check_number(column, value, item)
    if number < 0:
        raise CellError(column, describe(value), item=item)
    return number


def _fits_float32(value: float) -> bool:
    return -FLOAT32_MAX <= value <= FLOAT32_MAX  # False for NaN too


def _check_numbers(column: Column, value: Any) -> list[float] | None:
    if _is_empty_list(column, value):
        return None
    return [_check_number(column, number, item) for item, number in enumerate(value)]


def _check_weights(column: Column, value: Any) -> list[float] | None:
    if _is_empty_list(column, value):
        return None
    return [_check_weight(column, number, item) for item, number in enumerate(value)]


def _check_integer(column: Column, value: Any) -> int:
    if type(value) is not int or not INT64_MIN <= value <= INT64_MAX:
        raise CellError(column, describe(value))
    return value


def _check_ids(column: Column, value: Any) -> list[int] | None:
    if _is_empty_list(column, value):
        return None
    for item, number in enumerate(value):
        if type(number) is not int or not 0 <= number <= INT64_MAX:
            raise CellError(column, describe(number), item=item)
    return list(value)


def _is_empty_list(column: Column, value: Any) -> bool:
    if type(value) is not list or (not value and not column.optional):
        raise CellError(column, describe(value))
    return not value


_CHECKS: dict[Kind, Callable[[Column, Any], Values | None]] = {
    Kind.TEXT: lambda column, value: [_check_not_blank(column, value)],
    Kind.TEXT_LIST: _check_texts,
    Kind.FLOAT_LIST: _check_numbers,
    Kind.WEIGHT_LIST: _check_weights,
    Kind.ID_LIST: _check_ids,
    Kind.NUMBER: lambda column, value: [_check_number(column, value)],
    Kind.WEIGHT: lambda column, value: [_check_weight(column, value)],
    Kind.INTEGER: lambda column, value: [_check_integer(column, value)],
}


def parse_cell(column: Column, cell: str) -> Any:
    """Turn a CSV cell into the value that JSON would hold; the check follows in `check_row`.

    Raises:
      CellError: the cell is not a number, an integer or a JSON list as its kind wants.
    """
    if not cell and column.optional:
        return None
    if column.kind is Kind.TEXT:
        return cell
    try:
        if column.kind in (Kind.NUMBER, Kind.WEIGHT) and "_" not in cell:
            return float(cell)
        if column.kind is Kind.INTEGER and "_" not in cell:
            return int(cell)
        if column.kind.is_list:
            return json.loads(cell)
    except (ValueError, RecursionError):
        pass
    raise CellError(column, describe(cell))


def describe(value: Any) -> str:
    """Name a value in an error message: its JSON type, and the value itself, shortened."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"{str(value).lower()} (a boolean)"
    if isinstance(value, str):
        return f"text {_shorten(repr(value[: _SHOWN_CHARACTERS + 1]))}" if value else _EMPTY
    if isinstance(value, list):
        return f"a list of {len(value)}" if value else "an empty list"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, int):
        # repr of an integer of more than 4300 digits raises.
        return f"the integer {value}" if value.bit_length() <= 128 else "an integer over 128 bits"
    return f"{type(value).__name__} {_shorten(repr(value))}"


_EMPTY = "an empty string"


def _shorten(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"


def _expected(column: Column, item: int | None) -> str:
    one = {
        Kind.TEXT: "text",
        Kind.TEXT_LIST: "text",
        Kind.FLOAT_LIST: "a finite number that float32 can hold",
        Kind.WEIGHT_LIST: "a finite number >= 0 that float32 can hold",
        Kind.ID_LIST: "an integer of 0 or more (64 bits)",
        Kind.NUMBER: "a finite number that float32 can hold",
        Kind.WEIGHT: "a finite number >= 0 that float32 can hold",
        Kind.INTEGER: "an integer of 64 bits",
    }[column.kind]
    if not column.kind.is_list or item is not None:
        return one
    plural = {
        Kind.TEXT_LIST: "texts",
        Kind.FLOAT_LIST: "numbers",
        Kind.WEIGHT_LIST: "numbers >= 0",
        Kind.ID_LIST: "integers",
    }
    return f"a list of {plural[column.kind]}" + ("" if column.optional else ", at least one")
