"""Turning input files into shards of tf.Example: one unit of work, and the publishing of all.

Rows keep the order of their file, and a shard holds rows of one span and split only, so the same
input gives the same bytes whatever runs first. A unit writes into a folder beside the splits; only
when every unit is done and nothing is wrong do its shards get their final names.
"""

import collections
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import tensorflow as tf

from components.errors import InputError
from components.example_gen.checking import CheckedRow, checked_rows
from components.example_gen.columns import Checked, Column, Kind
from components.example_gen.faults import FileFault
from components.example_gen.files import InputFile
from components.example_gen.outcome import (
    BadRow,
    FileResult,
    Part,
    UnitResult,
    unit_result_from_json,
)
from components.example_gen.request import IngestRequest
from components.example_gen.splits import HashSplitter

UNIT_BYTES = 64 << 20
SHARD_BYTES = 64 << 20
BAD_ROWS_KEPT = 1000
_LISTS = {
    Kind.TEXT: "bytes_list",
    Kind.TEXT_LIST: "bytes_list",
    Kind.FLOAT_LIST: "float_list",
    Kind.WEIGHT_LIST: "float_list",
    Kind.NUMBER: "float_list",
    Kind.WEIGHT: "float_list",
    Kind.ID_LIST: "int64_list",
    Kind.INTEGER: "int64_list",
}


@dataclass(frozen=True)
class Unit:
    """Files that one worker reads one after the other; all of one span."""

    index: int
    files: tuple[InputFile, ...]


def plan_units(files: Sequence[InputFile], *, unit_bytes: int = UNIT_BYTES) -> list[Unit]:
    """Group neighbouring files of one span into units of about `unit_bytes`; splits no file."""
    groups: list[list[InputFile]] = []
    for file in files:
        last = groups[-1] if groups else []
        size = sum(member.size for member in last)
        if last and last[0].span == file.span and size + file.size <= unit_bytes:
            last.append(file)
        else:
            groups.append([file])
    return [Unit(index=index, files=tuple(group)) for index, group in enumerate(groups)]


def encode(columns: Sequence[Column], values: Checked) -> bytes:
    """Serialize checked values as a tf.Example; the same values always give the same bytes."""
    example = tf.train.Example()
    features = example.features.feature
    for column, value in zip(columns, values, strict=True):
        feature = features[column.name]  # a missing value stays a feature without a kind
        if value is not None:
            getattr(feature, _LISTS[column.kind]).value.extend(value)
    return example.SerializeToString(deterministic=True)


class _ShardWriter:
    """Writes the examples of one unit, starting a new file per split whenever one is full."""

    def __init__(self, folder: str, *, unit: Unit, shard_bytes: int) -> None:
        self._folder, self._unit, self._shard_bytes = folder, unit, shard_bytes
        self._open: dict[str, tf.io.TFRecordWriter] = {}
        self._bytes: collections.Counter[str] = collections.Counter()
        self.parts: dict[str, list[Part]] = {}

    def write(self, split: str, example: bytes) -> None:
        """Append one example to its split."""
        if split not in self._open or self._bytes[split] >= self._shard_bytes:
            self._start(split)
        self._open[split].write(example)
        self._bytes[split] += len(example)
        self.parts[split][-1].rows += 1

    def _start(self, split: str) -> None:
        if split in self._open:
            self._open[split].close()
        parts = self.parts.setdefault(split, [])
        name = f"{split}.{self._unit.index:05d}.{len(parts):05d}.gz"
        parts.append(Part(split=split, name=name, span=self._unit.files[0].span, rows=0))
        self._bytes[split] = 0
        self._open[split] = tf.io.TFRecordWriter(os.path.join(self._folder, name), "GZIP")

    def close(self) -> None:
        """Finish all files."""
        for writer in self._open.values():
            writer.close()


def run_unit(
    unit: Unit, *, request: IngestRequest, folder: str, shard_bytes: int = SHARD_BYTES
) -> None:
    """Read, check and write the files of a unit; the result lies beside its shards as JSON.

    Faults of the input are collected in the result, never raised: Beam would wrap the message,
    and the others would go unseen.
    """
    writer = _ShardWriter(folder, unit=unit, shard_bytes=shard_bytes)
    try:
        results = [_run_file(file, request=request, writer=writer) for file in unit.files]
    finally:
        writer.close()
    parts = [part for split in request.split.names for part in writer.parts.get(split, [])]
    path = os.path.join(folder, f"unit.{unit.index:05d}.json")
    with tf.io.gfile.GFile(path, "w") as stream:
        stream.write(json.dumps(asdict(UnitResult(files=results, parts=parts))))


def _run_file(file: InputFile, *, request: IngestRequest, writer: _ShardWriter) -> FileResult:
    splitter = HashSplitter(request.split, key=request.split_key) if not file.split else None
    result = FileResult(path=file.path, span=file.span, bytes=file.size)
    splits: collections.Counter[str] = collections.Counter()
    extra: collections.Counter[str] = collections.Counter()
    missing = [0] * len(request.columns)
    try:
        for row in _good_rows(file, request, result, extra):
            split = splitter.split_of(row.values) if splitter else str(file.split)
            writer.write(split, encode(request.columns, row.values))
            splits[split] += 1
            if None in row.values:
                missing = [n + (v is None) for n, v in zip(missing, row.values, strict=True)]
    except FileFault as fault:
        result.fault = BadRow(path=file.path, line=fault.line, reason=fault.reason)
    result.rows = sum(splits.values())
    result.splits = dict(splits)
    result.unconfigured = dict(extra)
    names = [column.name for column in request.columns]
    result.without_value = {n: count for n, count in zip(names, missing, strict=True) if count}
    return result


def _good_rows(
    file: InputFile,
    request: IngestRequest,
    result: FileResult,
    extra: "collections.Counter[str]",
) -> Iterator[CheckedRow]:
    """Yield the good rows; count the bad ones and the columns that are not configured."""
    for row in checked_rows(file, request):
        if row.extra:
            extra.update(row.extra)
        if not row.problem:
            yield row
            continue
        result.bad += 1
        if len(result.bad_rows) < BAD_ROWS_KEPT:
            result.bad_rows.append(BadRow(path=file.path, line=row.line, reason=row.problem))


def collect(folder: str) -> list[UnitResult]:
    """Read the results of all units, in order."""
    paths = sorted(tf.io.gfile.glob(os.path.join(folder, "unit.*.json")))
    results = []
    for path in paths:
        with tf.io.gfile.GFile(path) as stream:
            results.append(unit_result_from_json(stream.read()))
    return results


def publish(parts: Sequence[Part], *, folder: str, examples_uri: str) -> list[Part]:
    """Give all shards their final names: `Split-<split>/data_tfrecord-<i>-of-<n>.gz`.

    Returns:
      The parts under their new names, relative to `examples_uri`.
    """
    by_split: dict[str, list[Part]] = {}
    for part in parts:
        by_split.setdefault(part.split, []).append(part)
    published = []
    for split, members in by_split.items():
        tf.io.gfile.makedirs(os.path.join(examples_uri, f"Split-{split}"))
        for index, part in enumerate(members):
            name = f"Split-{split}/data_tfrecord-{index:05d}-of-{len(members):05d}.gz"
            tf.io.gfile.rename(os.path.join(folder, part.name), os.path.join(examples_uri, name))
            published.append(Part(split=split, name=name, span=part.span, rows=part.rows))
    return published


def check_complete(units: Sequence[Unit], results: Sequence[UnitResult]) -> None:
    """Make sure that every file planned was read.

    Raises:
      InputError: the result of a file is not there.
    """
    planned = [file.path for unit in units for file in unit.files]
    read = [file.path for result in results for file in result.files]
    if planned != read:
        lost = sorted(set(planned) - set(read)) or planned
        raise InputError(f"{lost[0]}: got no result, expected one ({len(lost)} such files)")
