"""What came of ingesting: counts per file, the report, and the verdict. Pure Python."""

import collections
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from components.errors import InputError
from components.example_gen.request import IngestRequest

LINES_SHOWN = 20
TOO_LONG = "too_long"
BAD_ROWS_KEPT = 1000


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
    """One file's counts: good `rows` kept, `bad` rows left out, `fault` if it is unusable.

    `dropped` is by split and reason: the good rows that are not kept, and their positions (tokens,
    eos, bos) by side. `windows` is by split: what rows became where they are cut into windows.
    """

    path: str
    span: int
    bytes: int
    rows: int = 0
    bad: int = 0
    splits: dict[str, int] = field(default_factory=dict)
    unconfigured: dict[str, int] = field(default_factory=dict)
    without_value: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    windows: dict[str, dict[str, int]] = field(default_factory=dict)
    bad_rows: list[BadRow] = field(default_factory=list)
    fault: BadRow | None = None

    def add_bad(self, line: int, reason: str) -> None:
        """Count a bad row, and keep it among the first ones."""
        self.bad += 1
        if len(self.bad_rows) < BAD_ROWS_KEPT:
            self.bad_rows.append(BadRow(path=self.path, line=line, reason=reason))

    def add_dropped(self, split: str, reason: str, tokens: dict[str, int]) -> None:
        """Count a row that is not kept, with its positions by side."""
        reasons = self.dropped.setdefault(split, {})
        _add(reasons, {reason: {"sequences": 1, "tokens": tokens}})

    @property
    def dropped_rows(self) -> int:
        """How many good rows are not kept."""
        return sum(
            counts["sequences"] for reasons in self.dropped.values() for counts in reasons.values()
        )

    def add_window(self, split: str, *, context: int, continues: bool) -> None:
        """Count a window; a document ends with the one that does not continue."""
        window = {"documents": int(not continues), "windows": 1, "context_tokens": context}
        _add(self.windows, {split: window})


@dataclass
class Part:
    """One shard: rows of one split and span; `lines` is the file of their places (see `places`)."""

    split: str
    name: str
    span: int
    rows: int
    lines: str


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


def raise_bad_rows(
    files: Sequence[FileResult], request: IngestRequest, *, looked_at: str = ""
) -> None:
    """Refuse the input if a file is unusable or more rows are bad than are allowed.

    Args:
      files: what was found.
      request: says how many are allowed.
      looked_at: where, if not everywhere.

    Raises:
      InputError: up to 20 lines, by span, file and line, and how many there are in all.
    """
    faults = [file.fault for file in files if file.fault]
    bad = sum(file.bad for file in files)
    if faults or bad > request.max_bad_rows:
        listed = [
            row for file in files for row in sorted([*file.bad_rows, *filter(None, [file.fault])])
        ]
        text = _message(listed, looked_at, faults=len(faults), bad=bad, request=request)
        raise InputError(text)


def raise_empty_splits(files: Sequence[FileResult], request: IngestRequest) -> None:
    """Refuse the input if a split gets no row.

    Raises:
      InputError: names the split, and says how many rows each split got.
    """
    rows = {name: _total(files, name) for name in request.split.names}
    empty = [name for name, count in rows.items() if not count]
    if empty:
        found = ", ".join(f"{name} {count}" for name, count in rows.items())
        dropped = sum(file.dropped_rows for file in files)
        found += f"; too long {dropped}" if dropped else ""
        raise InputError(
            f"{request.input_base}: got no row for split {' and '.join(map(repr, empty))} (of "
            f"{sum(rows.values()) + dropped}: {found}), expected rows in each; see data.split"
        )


def _message(
    listed: Sequence[BadRow], looked_at: str, *, faults: int, bad: int, request: IngestRequest
) -> str:
    lines = [str(row) for row in listed[:LINES_SHOWN]]
    total = faults + bad
    if total > 1:
        shown = f"the first {len(lines)} are listed; " if total > len(lines) else ""
        lines.append(
            f"{request.input_base}: {shown}got {bad} bad rows and {faults} unusable files"
            f"{looked_at and f' {looked_at}'}, "
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
    """Return what `report.json` says; every row read is in `rows`, `bad_rows` or `dropped`.

    A row that becomes several windows is one of `rows`; `shards` count the windows.
    """
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
        "dropped": _dropped(files),
        "windows": _windows(files),
        "unread_files": list(unread),
        "first_bad_rows": [str(row) for row in bad_rows],
        "files": [_file_report(file) for file in files],
        "shards": [asdict(part) for part in parts],
    }


def _dropped(files: Sequence[FileResult]) -> dict[str, Any]:
    """{split: {span: {reason: {"sequences": n, "tokens": {side: n}}}}}; {} if no row is dropped."""
    total: dict[str, Any] = {}
    for file in files:
        for split, reasons in file.dropped.items():
            _add(total, {split: {str(file.span): reasons}})
    return total


def _windows(files: Sequence[FileResult]) -> dict[str, Any]:
    """{split: {"documents": n, "windows": n, "context_tokens": n}}; {} without windows."""
    total: dict[str, Any] = {}
    for file in files:
        _add(total, file.windows)
    return total


def _add(total: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Add numbers to those under the same keys, however deep."""
    for key, value in more.items():
        if isinstance(value, Mapping):
            _add(total.setdefault(key, {}), value)
        else:
            total[key] = total.get(key, 0) + value


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
