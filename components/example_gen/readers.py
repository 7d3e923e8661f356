"""Reading rows from JSONL, CSV, TFRecord and Parquet, each row with its place in its file.

A `Row` that cannot be read carries its problem, so that it can be counted and left out. What makes
the rest of a file unreliable (cut off, damaged, not of this format, no such column) is a
`FileFault`: it is never left out.

Nothing here imports TensorFlow before a TFRecord is decoded, or pyarrow before a Parquet file is.
"""

import csv
import gzip
import io
import json
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, BinaryIO, TypeVar

from components import storage
from components.example_gen.columns import CellError, Column, describe, parse_cell
from components.example_gen.faults import Fault, FileFault
from components.example_gen.rows import Row

_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_GZIP_MARK = b"\x1f\x8b"
_BUFFER = 1 << 20
_T = TypeVar("_T")


def read_rows(
    path: str,
    *,
    format: str,
    columns: Sequence[Column],
    delimiter: str = ",",
    delimiter_key: str = "data.delimiter",
) -> Iterator[Row]:
    """Yield the rows of a file in order.

    Columns that are not configured appear in `values` under their name, with whatever value.
    `delimiter_key` is what a user sets the delimiter by.

    Raises:
      FileFault: the file is empty, cut off, damaged, or not what its format says.
    """
    if format == "parquet":
        from components.example_gen import parquet

        return _guarded(path, parquet.read(path, columns))
    if format == "tfrecord":
        from components.example_gen import records

        return _guarded(path, _read_stream(path, lambda stream: records.read(stream, columns)))
    if format == "csv":
        return _guarded(
            path,
            _read_stream(path, lambda stream: _read_csv(stream, columns, delimiter, delimiter_key)),
        )
    return _guarded(path, _read_stream(path, _read_jsonl))


def read_lines(path: str, column: str) -> Iterator[Row]:
    """Yield the lines of a text file, or of its gzip, in order, as rows of one text column.

    Raises:
      FileFault: as `read_rows`.
    """
    return _guarded(path, _read_stream(path, lambda stream: _read_text(stream, column)))


def read_opened(
    lines: Iterable[bytes], *, name: str, text_column: str = "", first_line: int = 1
) -> Iterator[Row]:
    """Yield the rows of lines that are read elsewhere: of standard input, or of a part of a file.

    Args:
      lines: each with its \\n.
      name: of the file, for errors.
      text_column: that of text, which each line is; "": each line is a JSON object.
      first_line: the number of the first one.

    Raises:
      FileFault: as `read_rows`.
    """
    rows = (
        _read_text(lines, text_column, first_line)
        if text_column
        else _read_jsonl(lines, first_line)
    )
    return _guarded(name, rows)


def record_frames(path: str) -> Iterator[bytes]:
    """Yield the undecoded records of a TFRecord file; needs no TensorFlow.

    Raises:
      FileFault: as `read_rows`.
    """
    from components.example_gen import records

    return _guarded(path, _read_stream(path, records.frames))


def _guarded(path: str, items: Iterator[_T]) -> Iterator[_T]:
    """Pass items on; whatever goes wrong with the file becomes a FileFault that names it."""
    number = 0
    try:
        for item in items:
            number += 1
            yield item
    except Fault as fault:
        raise FileFault(path, fault.reason, line=fault.line) from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        reason = f"got gzip data that is cut off or damaged ({number} rows read before: {error})"
        raise FileFault(path, f"{reason}, expected a whole file") from error
    except OSError as error:
        raise FileFault(path, f"cannot be read: {error.strerror or error}") from error
    if not number:
        raise FileFault(path, "got no row, expected at least one")


def _read_stream(path: str, read: Callable[[BinaryIO], Iterator[_T]]) -> Iterator[_T]:
    with storage.opened(path) as file:
        _check_compression(path, file)
        if path.endswith(".gz"):
            unzipped: Any = gzip.GzipFile(fileobj=file)
            yield from read(io.BufferedReader(unzipped, _BUFFER))
        else:
            yield from read(file)


def _check_compression(path: str, file: BinaryIO) -> None:
    start = file.read(2)
    file.seek(0)
    zipped = path.endswith(".gz")
    if not start:
        raise Fault("got an empty file (0 bytes), expected rows")
    if zipped and start != _GZIP_MARK:
        raise Fault("got a file that is not gzip, expected gzip because its name ends in .gz")
    if not zipped and start == _GZIP_MARK:
        raise Fault("got gzip data, expected plain data (or a name that ends in .gz)")


def _lines(stream: Iterable[bytes]) -> Iterator[bytes]:
    """Yield lines ended by \\n only, so that U+2028 and a lone \\r stay inside the text."""
    lines = iter(stream)
    first = next(lines, b"")
    if first.startswith(_UTF16_MARKS):
        raise Fault("got UTF-16, expected UTF-8", line=1)
    if first.startswith(_GZIP_MARK):
        raise Fault("got gzip data, expected plain data")
    first = first.removeprefix(_UTF8_MARK)
    if first:
        yield first
    yield from lines


def _numbered(stream: Iterable[bytes], first_line: int) -> Iterator[tuple[int, bytes]]:
    """The lines with their numbers; what only a file's start may hold is looked for at line 1."""
    return enumerate(_lines(stream) if first_line == 1 else stream, first_line)


def _read_text(stream: Iterable[bytes], column: str, first_line: int = 1) -> Iterator[Row]:
    for line, raw in _numbered(stream, first_line):
        try:
            yield Row(line, {column: raw.decode().removesuffix("\n").removesuffix("\r")})
        except UnicodeDecodeError as error:
            yield Row(line, {}, _not_utf8(error))


def _read_jsonl(stream: Iterable[bytes], first_line: int = 1) -> Iterator[Row]:
    for line, raw in _numbered(stream, first_line):
        yield _json_row(line, raw)


def _not_utf8(error: UnicodeDecodeError) -> str:
    found = f"the byte 0x{error.object[error.start]:02x} at byte {error.start + 1}"
    return f"got invalid UTF-8 ({found}), expected UTF-8"


def _json_row(line: int, raw: bytes) -> Row:
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        return Row(line, {}, _not_utf8(error))
    try:
        value = _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        return Row(line, {}, _json_problem(text, error))
    if type(value) is not dict:
        return Row(line, {}, f"got {describe(value)}, expected a JSON object")
    return Row(line, value)


class _DuplicateKey(ValueError):
    pass


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _DuplicateKey(f"got the key {twice!r} more than once, expected each key once")
    return values


_DECODER = json.JSONDecoder(object_pairs_hook=_unique_keys)


def _json_problem(text: str, error: Exception) -> str:
    if isinstance(error, _DuplicateKey):
        return str(error)
    if not text.strip():
        return "got a blank line, expected a JSON object"
    if isinstance(error, json.JSONDecodeError):
        what = error.msg.removesuffix(" at")
        return (
            f"got invalid JSON ({what} at character {error.pos + 1}), "
            "expected one JSON object on one line"
        )
    reason = "nested too deeply" if isinstance(error, RecursionError) else "a number too long"
    return f"got invalid JSON ({reason}), expected one JSON object on one line"


def _read_csv(
    stream: BinaryIO, columns: Sequence[Column], delimiter: str, delimiter_key: str
) -> Iterator[Row]:
    # Python's default limit is 128 KiB a cell; the setting is global to the process.
    csv.field_size_limit(sys.maxsize)
    # An undecodable byte becomes a lone surrogate, which the column's check names.
    lines = (raw.decode("utf-8", "surrogateescape") for raw in _lines(stream))
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    header = _read_header(reader, columns, delimiter, delimiter_key)
    present = [column for column in columns if column.name in header]
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield Row(line, {}, _quoting_problem(error, line=line, end=reader.line_num))
            continue
        if cells is None:
            break
        yield _csv_row(line, cells, header=header, columns=present)
    if reader.line_num == 1:
        raise Fault("got a header line only, expected rows after it")


def _quoting_problem(error: csv.Error, *, line: int, end: int) -> str:
    reasons = {
        "unexpected end of data": "a quote that is never closed",
        "new-line character": "a lone carriage return outside quotes",
        "expected after": "a stray quote in a quoted cell",
    }
    got = next((got for text, got in reasons.items() if text in str(error)), str(error))
    reason = f"got {got}, expected cells quoted as RFC 4180 says (a quote inside is doubled)"
    if end > line:
        # Several lines were swallowed: leaving out "one row" would lose good rows silently.
        raise Fault(f"{reason}; it takes in lines {line} to {end}", line=line)
    return reason


def _read_header(
    reader: Any, columns: Sequence[Column], delimiter: str, delimiter_key: str
) -> list[str]:
    try:
        header: list[str] = next(reader, [])
    except csv.Error as error:
        raise Fault(f"got a header that is not CSV ({error})", line=1) from error
    names = [column.name for column in columns if not column.optional]
    missing = [name for name in names if name not in header]
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise Fault(f"got column {twice[0]!r} more than once in the header", line=1)
    if missing:
        found = ", ".join(describe(name).removeprefix("text ") for name in header[:20])
        raise Fault(
            f"got a header with {found or 'no column'}, expected {', '.join(map(repr, names))}; "
            f"missing: {', '.join(map(repr, missing))}"
            + _header_hint(header, names=names, delimiter=delimiter, key=delimiter_key),
            line=1,
        )
    return header


def _header_hint(header: Sequence[str], *, names: Sequence[str], delimiter: str, key: str) -> str:
    for other in "\t;|,":
        if other != delimiter and any(other in cell for cell in header):
            return f". Are cells separated by {other!r}? Then set {key}"
    if not set(names) & set(header):
        return ". The first line must name the columns"
    return ""


def _csv_row(
    line: int, cells: Sequence[str], *, header: Sequence[str], columns: Sequence[Column]
) -> Row:
    if len(cells) != len(header):
        found = f"{len(cells)} cells" if cells else "a blank line"
        return Row(line, {}, f"got {found}, expected {len(header)} cells as in the header")
    values: dict[str, Any] = dict(zip(header, cells, strict=True))
    try:
        for column in columns:
            values[column.name] = parse_cell(column, values[column.name])
    except CellError as error:
        return Row(line, {}, str(error))
    return Row(line, values)
