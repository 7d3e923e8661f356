"""Turning input files into shards of tf.Example: one unit of work, and the publishing of all.

Rows keep the order of their file, and a shard holds rows of one span and split only, so the same
input gives the same bytes whatever runs first. A unit writes into a folder beside the splits; only
when every unit is done and nothing is wrong do its shards get their final names.
"""

import collections
import dataclasses
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import tensorflow as tf

from components.errors import InputError
from components.example_gen import excess, places
from components.example_gen.checking import checked_rows
from components.example_gen.excess import SplitRow
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
from components.example_gen.shards import SHARD_BYTES, ShardWriter, encode
from components.example_gen.splits import HashSplitter

UNIT_BYTES = 64 << 20


@dataclass(frozen=True)
class Unit:
    """Files that one worker reads one after the other; all of one span.

    `first_file` is the number of the first one among the files of all units.
    """

    index: int
    first_file: int
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
    units: list[Unit] = []
    first = 0
    for group in groups:
        units.append(Unit(index=len(units), first_file=first, files=tuple(group)))
        first += len(group)
    return units


def run_unit(
    unit: Unit, *, request: IngestRequest, folder: str, shard_bytes: int = SHARD_BYTES
) -> None:
    """Read, check and write the files of a unit; the result lies beside its shards as JSON.

    Faults of the input are collected in the result, never raised: Beam would wrap the message,
    and the others would go unseen.
    """
    span = unit.files[0].span
    writer = ShardWriter(folder, unit=unit.index, span=span, shard_bytes=shard_bytes)
    try:
        results = [
            _run_file(file, number, request=request, writer=writer)
            for number, file in enumerate(unit.files, unit.first_file)
        ]
    finally:
        writer.close()
    parts = [part for split in request.split.names for part in writer.parts.get(split, [])]
    write_result(folder, unit, UnitResult(files=results, parts=parts))


def write_result(folder: str, unit: Unit, result: UnitResult) -> None:
    """Leave what came of a unit where `collect` finds it."""
    path = os.path.join(folder, f"unit.{unit.index:05d}.json")
    with tf.io.gfile.GFile(path, "w") as stream:
        stream.write(json.dumps(asdict(result)))


def _run_file(
    file: InputFile, number: int, *, request: IngestRequest, writer: ShardWriter
) -> FileResult:
    result = FileResult(path=file.path, span=file.span, bytes=file.size)
    rules = request.sequences
    columns = (*request.columns, *rules.added)
    try:
        rows = excess.kept(good_rows(file, request, result), rules, result)
        for row in excess.written(counted(rows, request, result), rules, result):
            writer.write(row.split, encode(columns, row.values), file=number, line=row.line)
    except FileFault as fault:
        result.fault = BadRow(path=file.path, line=fault.line, reason=fault.reason)
    return result


def counted(
    rows: Iterator[SplitRow], request: IngestRequest, result: FileResult
) -> Iterator[SplitRow]:
    """Pass rows on; count them by split, and the columns that have no value."""
    splits: collections.Counter[str] = collections.Counter()
    missing = [0] * len(request.columns)
    for row in rows:
        yield row
        splits[row.split] += 1
        if None in row.values:
            missing = [n + (v is None) for n, v in zip(missing, row.values, strict=True)]
    result.rows = sum(splits.values())
    result.splits = dict(splits)
    names = [column.name for column in request.columns]
    result.without_value = {n: count for n, count in zip(names, missing, strict=True) if count}


def good_rows(file: InputFile, request: IngestRequest, result: FileResult) -> Iterator[SplitRow]:
    """Yield the good rows; count the bad ones and the columns that are not configured."""
    splitter = HashSplitter(request.split, key=request.split_key) if not file.split else None
    extra: collections.Counter[str] = collections.Counter()
    for row in checked_rows(file, request):
        if row.extra:
            extra.update(row.extra)
        if not row.problem:
            split = splitter.split_of(row.values) if splitter else str(file.split)
            yield SplitRow(split, row.line, row.values)
            continue
        result.add_bad(row.line, row.problem)
    result.unconfigured = dict(extra)


def collect(folder: str) -> list[UnitResult]:
    """Read the results of all units, in order."""
    paths = sorted(tf.io.gfile.glob(os.path.join(folder, "unit.*.json")))
    results = []
    for path in paths:
        with tf.io.gfile.GFile(path) as stream:
            results.append(unit_result_from_json(stream.read()))
    return results


def publish(
    parts: Sequence[Part], *, folder: str, examples_uri: str, report_uri: str
) -> list[Part]:
    """Give all shards their final names: `Split-<split>/data_tfrecord-<i>-of-<n>.gz`.

    Their places go under the same name to the folder `lines` of the report.

    Returns:
      The parts under their new names, relative to `examples_uri`, `lines` to `report_uri`.
    """
    by_split: dict[str, list[Part]] = {}
    for part in parts:
        by_split.setdefault(part.split, []).append(part)
    published = []
    for split, members in by_split.items():
        tf.io.gfile.makedirs(os.path.join(examples_uri, f"Split-{split}"))
        tf.io.gfile.makedirs(os.path.join(report_uri, places.FOLDER, f"Split-{split}"))
        for index, part in enumerate(members):
            name = f"Split-{split}/data_tfrecord-{index:05d}-of-{len(members):05d}.gz"
            lines = f"{places.FOLDER}/{name}"
            tf.io.gfile.rename(os.path.join(folder, part.name), os.path.join(examples_uri, name))
            tf.io.gfile.rename(os.path.join(folder, part.lines), os.path.join(report_uri, lines))
            published.append(dataclasses.replace(part, name=name, lines=lines))
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
