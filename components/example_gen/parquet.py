"""Reading Parquet files."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from components import storage
from components.example_gen.columns import Column, Kind
from components.example_gen.faults import Fault, FileFault
from components.example_gen.rows import Row

_ROWS_AT_ONCE = 1024


def read(path: str, columns: Sequence[Column]) -> Iterator[Row]:
    """Yield the rows of a file; only configured columns are decoded.

    Raises:
      Fault: not Parquet, cut off, a column missing or of another type.
    """
    line = 0
    try:
        with _source(path) as source, pq.ParquetFile(source) as file:
            present = _check_schema(file.schema_arrow, columns)
            others = dict.fromkeys(set(file.schema_arrow.names) - set(present))
            for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, columns=present):
                lists = [batch.column(name).to_pylist() for name in present]
                for values in zip(*lists, strict=True):
                    line += 1
                    yield Row(line, dict(zip(present, values, strict=True)) | others)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        first = str(error).splitlines()[0]
        raise Fault(f"got a file that is damaged or not Parquet ({first})") from error


def row_count(path: str) -> int:
    """How many rows a file says that it has.

    Raises:
      FileFault: not Parquet, cut off, or it cannot be read.
    """
    try:
        with _source(path) as source:
            return int(pq.read_metadata(source).num_rows)
    except (pa.ArrowException, OSError) as error:
        first = str(error).splitlines()[0]
        raise FileFault(path, f"got a file that is damaged or not Parquet ({first})") from error


def _source(path: str) -> AbstractContextManager[str | BinaryIO]:
    """What pyarrow reads: it reads a file of this machine faster itself."""
    return storage.opened(path) if storage.is_remote(path) else contextlib.nullcontext(path)


def _check_schema(schema: pa.Schema, columns: Sequence[Column]) -> list[str]:
    """Return the configured columns that the file has, in the order configured."""
    present = [column for column in columns if column.name in schema.names]
    missing = [column for column in columns if column.name not in schema.names]
    if not present or any(not column.optional for column in missing):
        found = ", ".join(map(repr, schema.names[:20])) or "no column"
        wanted = ", ".join(repr(column.name) for column in missing)
        raise Fault(f"got columns {found}, expected also {wanted}")
    for column in present:
        if schema.names.count(column.name) > 1:
            raise Fault(f"got column {column.name!r} more than once, expected it once")
        got = schema.field(column.name).type
        if not _fits(got, column.kind):
            raise Fault(f"column {column.name!r}: got type {got}, expected {_WANTED[column.kind]}")
    return [column.name for column in present]


def _is_text(got: pa.DataType) -> bool:
    plain = got.value_type if pa.types.is_dictionary(got) else got
    return pa.types.is_string(plain) or pa.types.is_large_string(plain)


def _is_number(got: pa.DataType) -> bool:
    return pa.types.is_floating(got) or pa.types.is_integer(got)


def _is_list_of(got: pa.DataType, fits: Callable[[pa.DataType], bool]) -> bool:
    is_list = (
        pa.types.is_list(got) or pa.types.is_large_list(got) or pa.types.is_fixed_size_list(got)
    )
    return is_list and fits(got.value_type)


_WANTED = {
    Kind.TEXT: "string",
    Kind.TEXT_LIST: "list of string",
    Kind.FLOAT_LIST: "list of float or integer",
    Kind.WEIGHT_LIST: "list of float or integer",
    Kind.ID_LIST: "list of integer",
    Kind.NUMBER: "float or integer",
    Kind.WEIGHT: "float or integer",
    Kind.INTEGER: "integer",
}


def _fits(got: pa.DataType, kind: Kind) -> bool:
    if pa.types.is_null(got):
        return True  # every value is null, and the rows say so
    return {
        Kind.TEXT: lambda: _is_text(got),
        Kind.TEXT_LIST: lambda: _is_list_of(got, _is_text),
        Kind.FLOAT_LIST: lambda: _is_list_of(got, _is_number),
        Kind.WEIGHT_LIST: lambda: _is_list_of(got, _is_number),
        Kind.ID_LIST: lambda: _is_list_of(got, pa.types.is_integer),
        Kind.NUMBER: lambda: _is_number(got),
        Kind.WEIGHT: lambda: _is_number(got),
        Kind.INTEGER: lambda: pa.types.is_integer(got),
    }[kind]()
