"""What `tokenline score|predict` reads of a file: its rows, with keys. Needs no TensorFlow.

Rows are read and checked by ExampleGen's own readers, so that a row is good here exactly if it is
good there, and a bad one is told in the same words.
"""

import functools
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from components.errors import InputError
from components.example_gen.columns import (
    CellError,
    Checked,
    Column,
    Kind,
    RowError,
    check_row,
    describe,
)
from components.example_gen.faults import FileFault
from components.example_gen.readers import read_lines, read_opened, read_rows, record_frames
from components.example_gen.rows import Row
from pipeline.scoring.files import ROWS, TEXT, BatchFile, json_object, part_lines
from transform.settings import ADDED_COLUMNS, ID_LIST, TOKEN_LIST, Settings, Side

_AS_TEXT = "--input text"


@dataclass(frozen=True)
class RowRules:
    """What a row must hold.

    Attributes:
      columns: what the model reads.
      aligned: groups of their positions whose lists are equally long.
      key_column: what names a row; "": its file and line.
      delimiter: of CSV cells; "": a comma, in .tsv files a tab.
      any_text: whether a line of text may look like a row.
    """

    columns: tuple[Column, ...]
    aligned: tuple[tuple[int, ...], ...] = ()
    key_column: str = ""
    delimiter: str = ""
    any_text: bool = False

    def __post_init__(self) -> None:
        if len(self.delimiter) > 1 or self.delimiter in ('"', "\r", "\n"):
            got = repr(self.delimiter)
            raise InputError(f"--delimiter: got {got}, expected one character, no quote")


@dataclass(frozen=True, slots=True)
class KeyedRow:
    """A good row with its values, or a bad one with its problem."""

    line: int
    key: str | int
    values: Checked
    problem: str = ""


def score_rules(settings: Settings, *, key_column: str = "", delimiter: str = "") -> RowRules:
    """What `score` needs: both sides; weights, and what ExampleGen adds, where a row has them."""
    columns = [_side_column(side) for side in settings.sides.values()]
    if settings.token_weights:
        columns.append(Column(settings.token_weights, Kind.WEIGHT_LIST, optional=True))
    if settings.example_weights:
        columns.append(Column(settings.example_weights, Kind.WEIGHT, optional=True))
    columns += [Column(name, Kind.INTEGER, optional=True) for name in ADDED_COLUMNS]
    names = [column.name for column in columns]
    together = tuple(sorted(names.index(name) for name in _aligned(settings)))
    return RowRules(tuple(columns), (together,) if together else (), key_column, delimiter)


def _aligned(settings: Settings) -> list[str]:
    """The columns whose lists must be equally long, as ExampleGen has them in a run."""
    if settings.target.tokenizer not in (ID_LIST, TOKEN_LIST):
        return []
    source = settings.source if settings.task == "tagging" else None
    names = [source and source.column, settings.target.column, settings.token_weights]
    found = [name for name in names if name]
    return found if len(found) > 1 else []


def predict_rules(
    settings: Settings, *, key_column: str = "", delimiter: str = "", any_text: bool = False
) -> RowRules:
    """What `predict` needs: the source, or the text to continue."""
    columns = (_side_column(settings.source or settings.target),)
    return RowRules(columns, key_column=key_column, delimiter=delimiter, any_text=any_text)


def _side_column(side: Side) -> Column:
    kinds = {ID_LIST: Kind.ID_LIST, TOKEN_LIST: Kind.TEXT_LIST}
    return Column(side.column, kinds.get(side.tokenizer, Kind.TEXT))


def keyed_rows(
    file: BatchFile, rules: RowRules, lines: Iterable[bytes] | None = None
) -> Iterator[KeyedRow]:
    """Yield every row of the file in order, good or bad.

    `lines`: of a file that is open already, and of text or JSON rows.

    Raises:
      FileFault: the file cannot be used at all, or not from some row on.
    """
    is_text = file.format == TEXT
    for row in _raw_rows(file, rules, lines):
        place = f"{file.name}:{row.line}"
        try:
            if row.problem:
                raise RowError(row.problem)
            key = _key(row, rules.key_column, place)
            if is_text:
                values = _text_values(row, rules)
            else:
                values = check_row(row.values, columns=rules.columns, aligned=rules.aligned)
        except (CellError, RowError) as error:
            yield KeyedRow(row.line, place, [], str(error))
        else:
            yield KeyedRow(row.line, key, values)


def _text_values(row: Row, rules: RowRules) -> Checked:
    """A line as it is: an empty one is a text, too, but one that is a row was hardly meant as text."""
    column = rules.columns[0].name
    text = row.values[column]
    if not rules.any_text and column in (json_object(text) or {}):
        raise RowError(f"got a JSON row among lines of text, expected text ({_AS_TEXT} allows it)")
    return [[text.encode()]]


def _raw_rows(file: BatchFile, rules: RowRules, lines: Iterable[bytes] | None) -> Iterator[Row]:
    if file.format == TEXT and rules.key_column:
        reason = f"got lines of text, expected rows with the key column {rules.key_column!r}"
        raise FileFault(file.name, reason)
    if lines is None and file.end:
        lines = part_lines(file)
    if lines is not None:
        text_column = rules.columns[0].name if file.format == TEXT else ""
        return read_opened(
            lines, name=file.name, text_column=text_column, first_line=file.first_line
        )
    if file.format == TEXT:
        return read_lines(file.path, rules.columns[0].name)
    columns = [*rules.columns]
    # JSON rows come with all their columns; of other formats only those named are decoded.
    if rules.key_column and file.format != ROWS:
        columns += _key_column(file, rules)
    tabs = ".tsv" in os.path.basename(file.path)
    return read_rows(
        file.path,
        format=file.format,
        columns=columns,
        delimiter=rules.delimiter or ("\t" if tabs else ","),
        delimiter_key="--delimiter",
    )


def _key(row: Row, key_column: str, place: str) -> str | int:
    if not key_column:
        return place
    value = row.values.get(key_column)
    if value is None and key_column not in row.values:
        found = ", ".join(repr(name) for name in list(row.values)[:10])
        raise RowError(f"column {key_column!r}: got nothing (the row has {found}), expected a key")
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        got = describe(value)
        raise RowError(f"column {key_column!r}: got {got}, expected a key: text or an integer")
    if isinstance(value, str) and any("\ud800" <= one <= "\udfff" for one in value):
        raise RowError(f"column {key_column!r}: got invalid UTF-8, expected a key")
    return value


def _key_column(file: BatchFile, rules: RowRules) -> list[Column]:
    """The key's column, of the kind that the file has it in; none if it is read anyway."""
    if rules.key_column in [column.name for column in rules.columns]:
        return []
    return [Column(rules.key_column, _key_kind(file, rules.key_column))]


@functools.lru_cache(maxsize=64)
def _key_kind(file: BatchFile, name: str) -> Kind:
    """A column's kind, TEXT where it cannot be told: then whoever reads the file says why."""
    kinds = {"parquet": _parquet_is_integer, "tfrecord": _tfrecord_is_integer}
    try:
        is_integer = kinds[file.format](file.path, name) if file.format in kinds else False
    except (OSError, ValueError, KeyError, StopIteration):
        is_integer = False
    return Kind.INTEGER if is_integer else Kind.TEXT


def _parquet_is_integer(path: str, name: str) -> bool:
    import pyarrow as pa
    import pyarrow.parquet as pq

    return bool(pa.types.is_integer(pq.read_schema(path).field(name).type))


def _tfrecord_is_integer(path: str, name: str) -> bool:
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    try:
        features = tf.train.Example.FromString(next(record_frames(path))).features.feature
    except DecodeError:
        return False
    return name in features and features[name].WhichOneof("kind") == "int64_list"
