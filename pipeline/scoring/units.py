"""One input file through the model: what one Beam worker does, and what it leaves behind.

What is wrong with the input is collected in the unit's result, never raised: Beam would wrap the
message, and the rest would go unseen.
"""

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TextIO

from components import progress, shards
from components.example_gen.faults import FileFault
from pipeline.scoring.files import TEXT, BatchFile
from pipeline.scoring.inputs import KeyedRow, RowRules, keyed_rows
from pipeline.scoring.models import WindowResult, loaded_model, model_for
from pipeline.scoring.outputs import Output, Record, Writer, open_writer
from pipeline.scoring.windows import WINDOW_BYTES, WINDOW_ROWS, windows

BAD_ROWS_SHOWN = 20
# When there are too many bad rows already, so many more rows are read to tell of all at once.
_LOOK_ON_ROWS = 100_000
# With each token's values a row's result is far larger than the row.
_TOKENS_WINDOW_BYTES = WINDOW_BYTES // 16


@dataclass(frozen=True)
class BatchRequest:
    """What to do with each file; all of it can be sent to a worker.

    Attributes:
      model: the SavedModel's folder.
      predicts: rather than scores.
      tokens: with each token's loss.
      max_bad_rows: more of them, over all files, are an error.
      shard_rows: results in each file of a folder.
    """

    model: str
    predicts: bool
    rules: RowRules
    output: Output
    tokens: bool = False
    max_bad_rows: int = 0
    shard_rows: int = 1_000_000


@dataclass
class UnitResult:
    """What came of a file: `rows` with a result, `bad` ones without; `parts` are files of results.

    `started` and `ended` are times of day, in seconds, without loading the model.
    """

    rows: int = 0
    bad: int = 0
    truncated: int = 0
    reweighted: int = 0
    started: float = 0.0
    ended: float = 0.0
    sums: dict[str, float] = field(default_factory=dict)
    parts: list[str] = field(default_factory=list)
    first_bad: list[str] = field(default_factory=list)
    fault: str = ""
    stopped_at: str = ""


def result_path(folder: str, index: int) -> str:
    """Where a unit leaves its result, as JSON."""
    return os.path.join(folder, f"unit-{index:06d}.json")


def bad_rows_path(folder: str, index: int) -> str:
    """Where a unit lists its bad rows; not there if it has none."""
    return os.path.join(folder, f"unit-{index:06d}.bad.jsonl")


def run_unit(index: int, file: BatchFile, request: BatchRequest, folder: str) -> None:
    """Read a file, call the model on its rows, write the results in their order."""
    parts = _Parts(os.path.join(folder, f"unit-{index:06d}"), request)
    work = model_for(
        request.model,
        request.rules.columns,
        predicts=request.predicts,
        tokens=request.tokens,
        text=file.format == TEXT,
    )
    result = UnitResult(started=time.time())
    with _BadRows(bad_rows_path(folder, index), file.path) as bad_rows:
        try:
            _run(file, request, result, work, parts, bad_rows, _LookingOn(folder))
        except FileFault as fault:
            result.fault = str(fault)
        finally:
            parts.close()
    result.parts = parts.paths
    result.ended = time.time()
    with open(result_path(folder, index), "w") as stream:
        json.dump(asdict(result), stream)


def _run(
    file: BatchFile,
    request: BatchRequest,
    result: UnitResult,
    work: Callable[[Sequence[KeyedRow]], WindowResult],
    parts: "_Parts",
    bad_rows: "_BadRows",
    looking_on: "_LookingOn",
) -> None:
    most_bytes = _TOKENS_WINDOW_BYTES if request.tokens else WINDOW_BYTES
    found = windows(keyed_rows(file, request.rules), most_rows=WINDOW_ROWS, most_bytes=most_bytes)
    for done in shards.in_order(work, found):
        _count(result, done)
        bad_rows.add(done, result)
        progress.update(f"{result.rows + result.bad:,} rows of {file.path}")
        if result.bad <= request.max_bad_rows and not looking_on.rows:
            parts.write([record for record in done.records if record is not None])
            continue
        looking_on.add(len(done.rows))
        if result.bad >= BAD_ROWS_SHOWN or looking_on.rows >= _LOOK_ON_ROWS:
            result.stopped_at = f"{file.path}:{done.rows[-1].line}"
            break


class _LookingOn:
    """How many rows were looked at after there were too many bad ones, in a file that units share."""

    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, "looked-on")
        self.rows = 0
        with contextlib.suppress(FileNotFoundError, ValueError), open(self._path) as file:
            self.rows = int(file.read())

    def add(self, rows: int) -> None:
        self.rows += rows
        with open(self._path, "w") as file:
            file.write(str(self.rows))


def _count(result: UnitResult, done: WindowResult) -> None:
    bad = sum(bool(problem) for problem in done.problems)
    result.bad += bad
    result.rows += len(done.rows) - bad
    result.truncated += done.truncated
    result.reweighted += done.reweighted
    for name, value in done.sums.items():
        result.sums[name] = result.sums.get(name, 0.0) + value


class _BadRows(contextlib.AbstractContextManager["_BadRows"]):
    """The list of a file's bad rows: all of them, so on disk; made when there is one."""

    def __init__(self, path: str, file: str) -> None:
        self._path, self._file = path, file
        self._open = contextlib.ExitStack()
        self._stream: TextIO | None = None

    def add(self, done: WindowResult, result: UnitResult) -> None:
        for row, problem in zip(done.rows, done.problems, strict=True):
            if not problem:
                continue
            place = f"{self._file}:{row.line}"
            if len(result.first_bad) < BAD_ROWS_SHOWN:
                result.first_bad.append(f"{place}: {problem}")
            if self._stream is None:
                stream = open(self._path, "w", encoding="utf-8")  # noqa: SIM115
                self._stream = self._open.enter_context(stream)
            listed: dict[str, Any] = {"file": self._file, "line": row.line}
            listed |= {} if row.key == place else {"key": row.key}
            line = json.dumps(listed | {"problem": problem}, ensure_ascii=False)
            self._stream.write(line + "\n")

    def __exit__(self, *_: object) -> None:
        self._open.close()


class _Parts:
    """The files of a unit's results: one, or in a folder as many as have `shard_rows` each."""

    def __init__(self, stem: str, request: BatchRequest) -> None:
        self._stem, self._format = stem, request.output.format
        self._schema = _schema(request) if self._format == "parquet" else None
        self._most = request.shard_rows if request.output.is_folder else 0
        self._writer: Writer | None = None
        self._rows = 0
        self.paths: list[str] = []

    def write(self, records: Sequence[Record]) -> None:
        for some in self._cut(records):
            if self._writer is None:
                self._open()
            assert self._writer is not None
            self._writer.write(some)
            self._rows += len(some)
            if self._rows == self._most:
                self._finish()

    def _cut(self, records: Sequence[Record]) -> Iterator[Sequence[Record]]:
        """The records, cut where a shard is full."""
        while records:
            room = self._most - self._rows if self._most else len(records)
            yield records[:room]
            records = records[room:]

    def _open(self) -> None:
        self.paths.append(f"{self._stem}.{len(self.paths):05d}.{self._format}")
        self._writer = open_writer(self.paths[-1], self._format, self._schema)

    def _finish(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer, self._rows = None, 0

    def close(self) -> None:
        if not self.paths:
            self._open()  # a file of no row is a result, too
        self._finish()


def _schema(request: BatchRequest) -> Any:
    from pipeline.scoring import schemas

    if request.predicts:
        return schemas.predictions(loaded_model(request.model)[1]["task"])
    return schemas.scores(tokens=request.tokens)
