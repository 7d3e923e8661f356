"""`tokenline predict` and `score` for people and pipes: results on standard output as they come.

Rows are read, checked and answered as with `--output` (`run`), which is for files of any size.
The first bad row ends it, after the results of those before it; where a person types, only the row.
"""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from components.errors import InputError
from components.example_gen.faults import FileFault
from pipeline.scoring.files import STDIN, TEXT, BatchFile, Unnamed, expand, opened
from pipeline.scoring.inputs import KeyedRow, RowRules, keyed_rows, predict_rules, score_rules
from pipeline.scoring.model_rows import LONGER, cut_rows
from pipeline.scoring.served import folder_of, settings_of
from pipeline.scoring.windows import windows
from pipeline.terminal import silenced

_ROWS = 64  # at a time
_BAD_INPUT = 2
Record = dict[str, Any]


def predict(
    model: str | None,
    config: str,
    *files: str,
    as_json: bool = False,
    key_column: str = "",
    delimiter: str = "",
    input_format: str = "",
) -> int:
    """Print the model's output for each text or row: text, or token/tag pairs; or JSON.

    Args:
      model: its folder; None: the newest that `config` pushes to.
      config: path of the configuration.
      files: "-" is standard input.
      as_json: print all that is known of the output.
      key_column: names a row in the JSON.
      delimiter: of CSV cells; "": by the file's name.
      input_format: what files of no known name hold; "": what their first line looks like.

    Returns:
      The exit code: 2 if a person typed a bad row, otherwise 0.

    Raises:
      InputError: no model, no such file, or the first bad row.
    """
    folder = folder_of(model, config)
    any_text = input_format == TEXT
    rules = predict_rules(
        settings_of(folder), key_column=key_column, delimiter=delimiter, any_text=any_text
    )
    unnamed = Unnamed(rules.columns[0].name, input_format)

    def show(record: Record, place: str) -> None:
        if as_json or key_column:
            print(_line(record, key_column))
            return
        text = record["output"]
        print(f"{record['input']}\t{text}" if sys.stdout.isatty() else text)
        if record["truncated"]:
            _note(f"{place}: {LONGER}, the rest was cut off")

    run = _Run(folder, rules, show, predicts=True)
    try:
        return run(files or (STDIN,), unnamed)
    finally:
        if run.truncated and (as_json or key_column):
            _note(cut_rows(run.truncated, predicts=True))


def score(
    model: str | None,
    config: str,
    *files: str,
    tokens: bool = False,
    key_column: str = "",
    delimiter: str = "",
) -> int:
    """Print, for each row, its loss in nats per token and the sums it comes from, as JSON.

    Arguments, exit code and errors are those of `predict`; `tokens`: with each token's loss.
    """
    folder = folder_of(model, config)
    rules = score_rules(settings_of(folder), key_column=key_column, delimiter=delimiter)

    def show(record: Record, _: str) -> None:
        print(_line(record, key_column))

    run = _Run(folder, rules, show, predicts=False, tokens=tokens)
    try:
        return run(files or (STDIN,), Unnamed())
    finally:
        if run.truncated:
            _note(cut_rows(run.truncated, predicts=False))


class _Run:
    """Goes through the rows of some files; `truncated` counts those that were cut."""

    def __init__(
        self,
        folder: str,
        rules: RowRules,
        show: Callable[[Record, str], None],
        *,
        predicts: bool,
        tokens: bool = False,
    ) -> None:
        self._folder, self._rules, self._show = folder, rules, show
        self._predicts, self._tokens = predicts, tokens
        self.truncated = 0

    def __call__(self, patterns: Iterable[str], unnamed: Unnamed) -> int:
        """The exit code.

        Raises:
          InputError: no such file, or the first bad row.
        """
        code = 0
        files = expand(list(patterns), unnamed, once=True)
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        with silenced():
            from pipeline.scoring import models
        models.loaded_model(self._folder)  # before anyone types
        for file in files:
            with _opened(file, unnamed) as (known, lines):
                code |= self._file(known, lines)
        return code

    def _file(self, file: BatchFile, lines: Iterable[bytes] | None) -> int:
        from pipeline.scoring.models import model_for

        work = model_for(
            self._folder,
            self._rules.columns,
            predicts=self._predicts,
            tokens=self._tokens,
            text=file.format == TEXT,
        )
        typed = file.path == STDIN and sys.stdin.isatty()
        faults: list[FileFault] = []
        code = 0
        rows = _until_fault(keyed_rows(file, self._rules, lines), faults)
        for window in windows(rows, most_rows=1 if typed else _ROWS):
            done = work(window)
            self.truncated += done.truncated
            for row, record, problem in zip(window, done.records, done.problems, strict=True):
                if record is not None:
                    self._show(record, f"{file.name}:{row.line}")
                elif typed:
                    _note(f"{file.name}:{row.line}: {problem}")
                    code = _BAD_INPUT
                else:
                    sys.stdout.flush()
                    raise InputError(f"{file.name}:{row.line}: {problem}")
            sys.stdout.flush()
        if faults:
            raise faults[0]
        return code


@contextlib.contextmanager
def _opened(
    file: BatchFile, unnamed: Unnamed
) -> Iterator[tuple[BatchFile, Iterable[bytes] | None]]:
    """The file with its format; and its lines, if it can be read only once."""
    if file.format:
        yield file, None
        return
    with opened(file, unnamed) as found:
        yield found


def _until_fault(rows: Iterator[KeyedRow], faults: list[FileFault]) -> Iterator[KeyedRow]:
    """The rows before the file becomes unusable: they have their results first."""
    try:
        yield from rows
    except FileFault as fault:
        faults.append(fault)


def _line(record: Record, key_column: str) -> str:
    """As JSON; where results come in the rows' order a key that nobody asked for is left out."""
    shown = record if key_column else {name: record[name] for name in record if name != "key"}
    return json.dumps(shown, ensure_ascii=False)


def _note(text: str) -> None:
    print(f"tokenline: {text}", file=sys.stderr)
