"""What `tokenline score|predict --output` writes: JSON lines or Parquet, one file or a folder of shards.

A reader never sees half of it: everything is written beside its place under a hidden name, and gets
its own when all is done.
"""

import contextlib
import gzip
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from components.errors import InputError

FORMATS = ("jsonl", "jsonl.gz", "parquet")
_COMPRESSION = 4
_GROUP_ROWS = 50_000  # of Parquet's row groups, unless they are large
_GROUP_BYTES = 32 << 20
Record = dict[str, Any]


@dataclass(frozen=True)
class Output:
    """Where results go: one file, or a folder of files of one format."""

    path: str
    format: str
    is_folder: bool = False

    @property
    def bad_rows(self) -> str:
        """The file beside it that lists the rows without a result."""
        stem = self.path if self.is_folder else self.path.removesuffix(f".{self.format}")
        return f"{stem}.bad.jsonl"


def parse_output(path: str, *, format: str | None = None) -> Output:
    """Read `--output` and `--format`.

    Raises:
      InputError: neither a name of a known ending nor one of a folder; its folder is not there; it
        is a folder with something in it.
    """
    place = path.rstrip("/") or path
    named = next((each for each in FORMATS[::-1] if place.endswith(f".{each}")), "")
    is_folder = path.endswith("/") or os.path.isdir(place) or "." not in os.path.basename(place)
    parent = os.path.dirname(place) or "."
    if not os.path.isdir(parent):
        raise InputError(f"--output: {path}: no folder {parent} to write into")
    if is_folder:
        if os.path.exists(place) and (not os.path.isdir(place) or os.listdir(place)):
            raise InputError(f"--output: {path} is there already, expected no or an empty folder")
        return Output(place, format or FORMATS[0], is_folder=True)
    if not named:
        endings = ", ".join(f".{each}" for each in FORMATS)
        raise InputError(
            f"--output: got {path}, expected a name that ends in {endings}, or folder/"
        )
    if format and format != named:
        raise InputError(f"--format: got {format}, but --output is {path}; it is for folders")
    return Output(place, named)


@contextlib.contextmanager
def work_folder(output: Output) -> Iterator[str]:
    """A hidden folder beside the output, so that moving a file from it is one step; gone after it."""
    parent, name = os.path.split(output.path)
    folder = os.path.join(parent, f".{name}.{os.getpid()}.unfinished")
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(parts: Sequence[str], output: Output, *, name: str, folder: str) -> None:
    """Give the parts, which are in order, their place: joined to one file, or as shards of a folder."""
    if not output.is_folder:
        joined = os.path.join(folder, f"joined.{output.format}")
        _join(parts, joined, output.format)
        os.replace(joined, output.path)
        return
    shards = os.path.join(folder, "shards")
    os.mkdir(shards)
    for number, part in enumerate(parts):
        shard = f"{name}-{number:05d}-of-{len(parts):05d}.{output.format}"
        os.replace(part, os.path.join(shards, shard))
    os.rename(shards, output.path)  # takes the place of an empty folder


def publish_bad_rows(lists: Sequence[str], output: Output, *, folder: str) -> bool:
    """Write the list of bad rows beside the output, or remove an older one; whether there is one."""
    found = [path for path in lists if os.path.exists(path)]
    if not found:
        with contextlib.suppress(FileNotFoundError):
            os.remove(output.bad_rows)
        return False
    joined = os.path.join(folder, "bad.jsonl")
    _join(found, joined, "jsonl")
    os.replace(joined, output.bad_rows)
    return True


class Writer(Protocol):
    """Writes one file of records, in the order given."""

    def write(self, records: Sequence[Record]) -> None: ...

    def close(self) -> None: ...


def open_writer(path: str, format: str, schema: Any) -> Writer:
    """A writer of one of `FORMATS`; `schema` is pyarrow's, for Parquet."""
    return _Parquet(path, schema) if format == "parquet" else _JsonLines(path, format)


class _JsonLines:
    def __init__(self, path: str, format: str) -> None:
        self._open = contextlib.ExitStack()
        self._file: Any = self._open.enter_context(open(path, "wb"))  # noqa: SIM115
        if format == "jsonl.gz":
            # Without name and time: the same results give the same bytes.
            zipped = gzip.GzipFile("", "wb", _COMPRESSION, fileobj=self._file, mtime=0)
            self._file = self._open.enter_context(zipped)

    def write(self, records: Sequence[Record]) -> None:
        lines = [json.dumps(record, ensure_ascii=False) + "\n" for record in records]
        self._file.write("".join(lines).encode())

    def close(self) -> None:
        self._open.close()


class _Parquet:
    def __init__(self, path: str, schema: Any) -> None:
        import pyarrow.parquet as pq

        self._schema = schema
        self._file = pq.ParquetWriter(path, schema, compression="zstd")
        self._held: list[Any] = []

    def write(self, records: Sequence[Record]) -> None:
        import pyarrow as pa

        texts = [record | {"key": str(record["key"])} for record in records]
        self._held.append(pa.Table.from_pylist(texts, schema=self._schema))
        rows = sum(table.num_rows for table in self._held)
        if rows >= _GROUP_ROWS or sum(table.nbytes for table in self._held) >= _GROUP_BYTES:
            self._write_group()

    def _write_group(self) -> None:
        import pyarrow as pa

        table = pa.concat_tables(self._held).combine_chunks()
        self._file.write_table(table, row_group_size=max(1, table.num_rows))
        self._held = []

    def close(self) -> None:
        if self._held:
            self._write_group()
        self._file.close()


def _join(parts: Sequence[str], path: str, format: str) -> None:
    """One file of all parts; of several gzip files one after the other are one gzip file."""
    if len(parts) > 1 and format == "parquet":
        _join_parquet(parts, path)
        return
    os.replace(parts[0], path)
    with open(path, "ab") as joined:
        for part in parts[1:]:
            with open(part, "rb") as file:
                shutil.copyfileobj(file, joined, 1 << 20)
            os.remove(part)


def _join_parquet(parts: Sequence[str], path: str) -> None:
    import pyarrow.parquet as pq

    with pq.ParquetWriter(path, pq.read_schema(parts[0]), compression="zstd") as joined:
        for part in parts:
            with pq.ParquetFile(part) as file:
                for group in range(file.num_row_groups):
                    joined.write_table(file.read_row_group(group))
            os.remove(part)
