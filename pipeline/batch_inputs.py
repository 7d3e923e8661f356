"""What `tokenline score|predict --output` reads: files, and their rows with keys. Needs no TensorFlow.

Rows are read and checked by ExampleGen's own readers, so that a row is good here exactly if it is
good there, and a bad one is told in the same words.
"""

import functools
import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from components.errors import InputError
from components.example_gen import files
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
from components.example_gen.readers import read_lines, read_rows, record_frames
from components.example_gen.rows import Row
from transform.settings import ADDED_COLUMNS, ID_LIST, TOKEN_LIST, Settings, Side

TEXT = "text"  # the format of a file whose lines are the texts themselves
_SUFFIXES = ".jsonl, .csv, .tsv, .tfrecord (each also with .gz) or .parquet"


@dataclass(frozen=True)
class BatchFile:
    """One file to read; `format` is one of ExampleGen's, or `TEXT`."""

    path: str
    format: str


@dataclass(frozen=True)
class RowRules:
    """What a row must hold.

    Attributes:
      columns: what the model reads.
      aligned: groups of their positions whose lists are equally long.
      key_column: what names a row; "": its file and line.
      delimiter: of CSV cells; "": a comma, in .tsv files a tab.
    """

    columns: tuple[Column, ...]
    aligned: tuple[tuple[int, ...], ...] = ()
    key_column: str = ""
    delimiter: str = ""


@dataclass(frozen=True, slots=True)
class KeyedRow:
    """A good row with its values, or a bad one with its problem."""

    line: int
    key: str | int
    values: Checked
    problem: str = ""


def expand(patterns: Sequence[str], *, text: bool) -> tuple[BatchFile, ...]:
    """The files of paths and glob patterns: in the order given, those of a pattern by name.

    Args:
      patterns: as on the command line.
      text: whether a file of no known format holds texts, one a line; otherwise it is refused.

    Raises:
      InputError: a line for each path that is no such file, or is there twice.
    """
    problems: list[str] = []
    found: dict[str, BatchFile] = {}
    for pattern in patterns:
        paths = [pattern] if os.path.exists(pattern) else sorted(glob.glob(pattern, recursive=True))
        if not paths:
            problems.append(_nothing(pattern))
        for path in paths:
            file = BatchFile(path, files.format_of(path) or (TEXT if text else ""))
            problem = _problem(file, found)
            if problem:
                problems.append(f"{path}: {problem}")
            found[os.path.realpath(path)] = file
    if problems:
        raise InputError("\n".join(problems))
    return tuple(found.values())


def _nothing(pattern: str) -> str:
    if pattern == "-":
        return "got standard input with --output, expected files"
    return f"{pattern}: {'no file fits it' if glob.has_magic(pattern) else 'no such file'}"


def _problem(file: BatchFile, found: dict[str, BatchFile]) -> str:
    if os.path.isdir(file.path):
        return f"got a folder, expected files, for instance '{os.path.join(file.path, '*.jsonl')}'"
    if os.path.realpath(file.path) in found:
        return "got this file twice, expected it once"
    if not file.format:
        return f"got a name without a known ending, expected {_SUFFIXES}"
    return ""


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


def predict_rules(settings: Settings, *, key_column: str = "", delimiter: str = "") -> RowRules:
    """What `predict` needs: the source, or the text to continue."""
    columns = (_side_column(settings.source or settings.target),)
    return RowRules(columns, key_column=key_column, delimiter=delimiter)


def _side_column(side: Side) -> Column:
    kinds = {ID_LIST: Kind.ID_LIST, TOKEN_LIST: Kind.TEXT_LIST}
    return Column(side.column, kinds.get(side.tokenizer, Kind.TEXT))


def keyed_rows(file: BatchFile, rules: RowRules) -> Iterator[KeyedRow]:
    """Yield every row of the file in order, good or bad.

    Raises:
      FileFault: the file cannot be used at all, or not from some row on.
    """
    is_text = file.format == TEXT
    for row in _raw_rows(file, rules):
        place = f"{file.path}:{row.line}"
        try:
            if row.problem:
                raise RowError(row.problem)
            key = _key(row, rules.key_column, place)
            if is_text:  # an empty line is a text, too
                values: Checked = [[row.values[rules.columns[0].name].encode()]]
            else:
                values = check_row(row.values, columns=rules.columns, aligned=rules.aligned)
        except (CellError, RowError) as error:
            yield KeyedRow(row.line, place, [], str(error))
        else:
            yield KeyedRow(row.line, key, values)


def _raw_rows(file: BatchFile, rules: RowRules) -> Iterator[Row]:
    if file.format == TEXT:
        if rules.key_column:
            reason = f"got lines of text, expected rows with the key column {rules.key_column!r}"
            raise FileFault(file.path, reason)
        return read_lines(file.path, rules.columns[0].name)
    columns = [*rules.columns]
    # JSON rows come with all their columns; of other formats only those named are decoded.
    if rules.key_column and file.format != "jsonl":
        columns += _key_column(file, rules)
    tabs = ".tsv" in os.path.basename(file.path)
    delimiter = rules.delimiter or ("\t" if tabs else ",")
    return read_rows(file.path, format=file.format, columns=columns, delimiter=delimiter)


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
