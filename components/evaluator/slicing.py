"""Which slices an example belongs to.

A slice column is the name of a raw feature with one value per example, or a derived one (which
shadows a raw feature of that name): `target_length`, the candidate's token count in buckets; `span`,
the number of the span that ExampleGen read the row from. The columns of `TOKEN_COLUMNS` put tokens,
not examples, into slices: `token_slices`.
"""

import bisect
import dataclasses
import json
import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.errors import InputError
from transform import settings

TARGET_LENGTH = "target_length"
SPAN = "span"
TOKEN_POSITION, TOKEN_FREQUENCY = "token_position", "token_frequency"
TOKEN_UNKNOWN, TOKEN_REGION, TOKEN_CLASS = "token_unknown", "token_region", "token_class"
TOKEN_COLUMNS = (TOKEN_POSITION, TOKEN_FREQUENCY, TOKEN_UNKNOWN, TOKEN_REGION, TOKEN_CLASS)
DERIVED = (TARGET_LENGTH, SPAN, *TOKEN_COLUMNS)
MISSING = "(none)"
MAX_VALUES_PER_COLUMN = 1000

_LENGTH_LIMITS = (0, 4, 8, 16, 32, 64)
_LENGTH_LABELS = ("0", "1-4", "5-8", "9-16", "17-32", "33-64", "65+")
# Positions, from 1, up to each limit; then beyond the last.
POSITION_LIMITS = (4, 8, 16, 32, 64, 128, 256, 512, 1024)
POSITION_LABELS = (
    "1-4", "5-8", "9-16", "17-32", "33-64", "65-128", "129-256", "257-512", "513-1024", "1025+"
)  # fmt: skip
# Occurrences of the token in the training split, up to each limit; then beyond the last.
FREQUENCY_LIMITS = (0, 9, 99, 999, 9999)
UNKNOWN = "unknown"
FREQUENCY_LABELS = ("0", "1-9", "10-99", "100-999", "1000-9999", "10000+", UNKNOWN)
KNOWN_LABELS = ("known", UNKNOWN)
REGION_LABELS = ("padding", "target", "context")
_LABELS: Mapping[str, tuple[str, ...]] = {
    TARGET_LENGTH: _LENGTH_LABELS,
    TOKEN_POSITION: POSITION_LABELS,
    TOKEN_FREQUENCY: FREQUENCY_LABELS,
    TOKEN_UNKNOWN: KNOWN_LABELS,
    TOKEN_REGION: REGION_LABELS,
}

SliceValue = str | int | float


@dataclasses.dataclass(frozen=True)
class SliceKey:
    """One value of one slice column; no column means all examples."""

    column: str = ""
    value: SliceValue = ""

    @property
    def label(self) -> str:
        """What a reader sees: `overall`, or `column=value`."""
        return f"{self.column}={self.value}" if self.column else "overall"

    @property
    def is_of_tokens(self) -> bool:
        """Whether it holds tokens of examples rather than examples."""
        return self.column in TOKEN_COLUMNS


OVERALL = SliceKey()


def parse_slices(text: str) -> tuple[str, ...]:
    """Return the slice columns of a JSON list of names.

    Raises:
      InputError: not a JSON list of different, non-empty strings.
    """
    try:
        columns = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"slices: expected a JSON list of names, got {text!r} ({error})") from None
    if not isinstance(columns, list) or not all(isinstance(c, str) and c for c in columns):
        raise InputError(f"slices: expected a JSON list of names, got {text!r}")
    if len(set(columns)) != len(columns):
        raise InputError(f"slices: a name occurs twice, got {text!r}")
    return tuple(columns)


def slice_values(
    serialized: Sequence[bytes], columns: Sequence[str], token_counts: npt.NDArray[np.float64]
) -> dict[str, list[SliceValue]]:
    """Return the B slice values of every column that puts examples into slices.

    Args:
      serialized: B serialized raw tf.Examples.
      columns: slice columns; those of tokens are left out.
      token_counts: [B], the candidate's tokens with weight > 0.

    Raises:
      InputError: a raw column holds more than one value in an example.
    """
    values: dict[str, list[SliceValue]] = {}
    names = {c: c for c in columns if c not in DERIVED} | {
        c: settings.SPAN for c in columns if c == SPAN
    }
    if names:
        examples = [tf.train.Example.FromString(row).features.feature for row in serialized]
        values = {c: [_raw_value(raw, example) for example in examples] for c, raw in names.items()}
    if TARGET_LENGTH in columns:
        buckets = (bisect.bisect_left(_LENGTH_LIMITS, count) for count in token_counts)
        values[TARGET_LENGTH] = [_LENGTH_LABELS[bucket] for bucket in buckets]
    return values


def _raw_value(column: str, features: Mapping[str, tf.train.Feature]) -> SliceValue:
    # Indexing a proto map inserts what it does not find.
    if column not in features or not (kind := features[column].WhichOneof("kind")):
        return MISSING
    values = getattr(features[column], kind).value
    if not values:
        return MISSING
    if len(values) > 1:
        raise InputError(
            f"slices: column {column!r} has {len(values)} values in an example, expected at most 1"
        )
    if kind == "bytes_list":
        return values[0].decode("utf-8", errors="backslashreplace")
    if not math.isfinite(values[0]):
        return str(values[0])
    # tf.Example holds float32, Python reads it as float64: the shortest that reads back is what was
    # written, 0.1 rather than 0.10000000149011612.
    return float(str(np.float32(values[0]))) if kind == "float_list" else int(values[0])


def check_value_count(column: str, count: int) -> None:
    """Check that the values seen of a column so far are few enough to be slices.

    Raises:
      InputError: more than MAX_VALUES_PER_COLUMN, so the column names rows, not slices.
    """
    if count > MAX_VALUES_PER_COLUMN:
        # Whoever counts stops here, so the count is a lower bound, and the same for everyone.
        raise InputError(
            f"slices: column {column!r} has at least {MAX_VALUES_PER_COLUMN + 1} different values, "
            f"expected at most {MAX_VALUES_PER_COLUMN}"
        )


def sorted_slices(keys: Sequence[SliceKey], columns: Sequence[str]) -> list[SliceKey]:
    """Return overall first, then column by column in the order asked for, values ascending.

    Raises:
      InputError: as `check_value_count`.
    """
    ordered = [OVERALL]
    for column in columns:
        members = [key for key in keys if key.column == column]
        check_value_count(column, len(members))
        ordered += sorted(members, key=_order)
    return ordered


def _order(key: SliceKey) -> tuple[int, float, str]:
    if key.value in _LABELS.get(key.column, ()):
        return (0, _LABELS[key.column].index(str(key.value)), "")
    if isinstance(key.value, str):
        return (1, 0.0, key.value)
    return (0, key.value, "")
