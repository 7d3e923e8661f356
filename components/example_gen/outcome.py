"""What came of ingesting: counts per file, the report, and the verdict. Pure Python."""

import collections
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from components.errors import InputError
from components.example_gen.request import IngestRequest

LINES_SHOWN = 20


@dataclass(frozen=True, order=True)
class BadRow:
    """Where a row is bad (line 0: the whole file) and why."""

    path: str
    line: int
    reason: str

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else self.path
        return f"{place}: {self.reason}"


@dataclass
class FileResult:
    """One file's counts: `rows` written, `bad` rows left out, `fault` if it is unusable."""

    path: str
    span: int
    bytes: int
    rows: int = 0
    bad: int = 0
    splits: dict[str, int] = field(default_factory=dict)
    unconfigured: dict[str, int] = field(default_factory=dict)
    without_value: dict[str, int] = field(default_factory=dict)
    bad_rows: list[BadRow] = field(default_factory=list)
    fault: BadRow | None = None


@dataclass
class Part:
    """One shard: rows of one split and span."""

    split: str
    name: str
    span: int
    rows: int


@dataclass(frozen=True)
class UnitResult:
    """What one unit read and wrote."""

    files: list[FileResult]
    parts: list[Part]


def unit_result_from_json(text: str) -> UnitResult:
    """Read back `json.dumps(asdict(result))`."""
    raw = json.loads(text)
    return UnitResult(
        files=[_file_result(file) for file in raw["files"]],
        parts=[Part(**part) for part in raw["parts"]],
    )


def _file_result(raw: dict[str, Any]) -> FileResult:
    bad_rows = [BadRow(**row) for row in raw.pop("bad_rows")]
    fault = raw.pop("fault")
    return FileResult(**raw, bad_rows=bad_rows, fault=BadRow(**fault) if fault else None)


def raise_bad_rows(files: Sequence[FileResult], request: IngestRequest) -> None:
    """Refuse the input if a file is unusable or more rows are bad than are allowed.

    Raises:
      InputError: up to 20 lines, sorted by file and line, and how many there are in all.
    """
    faults = [file.fault for file in files if file.fault]
    bad = sum(file.bad for file in files)
    if faults or bad > request.max_bad_rows:
        listed = sorted([*faults, *(row for file in files for row in file.bad_rows)])
        raise InputError(_message(listed, faults=len(faults), bad=bad, request=request))


def raise_empty_splits(files: Sequence[FileResult], request: IngestRequest) -> None:
    """Refuse the input if a split gets no row.

    Raises:
      InputError: names the split, and says how many rows each split got.
    """
    rows = {name: _total(files, name) for name in request.split.names}
    empty = [name for name, count in rows.items() if not count]
    if empty:
        found = ", ".join(f"{name} {count}" for name, count in rows.items())
        raise InputError(
            f"{request.input_base}: got no row for split {' and '.join(map(repr, empty))} (of "
            f"{sum(rows.values())}: {found}), expected rows in each; see data.split"
        )


def _message(listed: Sequence[BadRow], *, faults: int, bad: int, request: IngestRequest) -> str:
    lines = [str(row) for row in listed[:LINES_SHOWN]]
    total = faults + bad
    if total > 1:
        shown = f"the first {len(lines)} are listed; " if total > len(lines) else ""
        lines.append(
            f"{request.input_base}: {shown}got {bad} bad rows and {faults} unusable files, "
            f"expected at most {request.max_bad_rows} bad rows (data.max_bad_rows)"
        )
    return "\n".join(lines)


def make_report(
    files: Sequence[FileResult],
    *,
    parts: Sequence[Part],
    unread: Sequence[str],
    request: IngestRequest,
) -> dict[str, Any]:
    """Return what `report.json` says; every row read is in `rows` or in `bad_rows`."""
    bad_rows = sorted(row for file in files for row in file.bad_rows)
    return {
        "input_base": request.input_base,
        "format": request.format,
        "fingerprint": request.fingerprint,
        "rows": sum(file.rows for file in files),
        "bad_rows": sum(file.bad for file in files),
        "splits": {name: _total(files, name) for name in request.split.names},
        "spans": _sum_by_key({str(file.span): file.rows} for file in files),
        "unconfigured_columns": _sum_by_key(file.unconfigured for file in files),
        "columns_without_value": _sum_by_key(file.without_value for file in files),
        "unread_files": list(unread),
        "first_bad_rows": [str(row) for row in bad_rows],
        "files": [_file_report(file) for file in files],
        "shards": [asdict(part) for part in parts],
    }


def _total(files: Sequence[FileResult], split: str) -> int:
    return sum(file.splits.get(split, 0) for file in files)


def _sum_by_key(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: collections.Counter[str] = collections.Counter()
    for count in counts:
        total.update(count)
    return dict(sorted(total.items()))


def _file_report(file: FileResult) -> dict[str, Any]:
    return {
        "path": file.path,
        "span": file.span,
        "bytes": file.bytes,
        "rows": file.rows,
        "bad": file.bad,
        "splits": file.splits,
    }
