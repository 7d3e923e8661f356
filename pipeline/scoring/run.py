"""`tokenline score|predict --output`: files of any size through Beam, results in the rows' order.

    files --Beam--> one unit each: windows of rows -> sorted batches -> model -> results in order
          --here--> the units' parts, joined or as shards, under their names when all is well

One file is one unit, which one worker reads from front to back; threads within it share its windows.
With `--beam` a large file of plain lines is several, so that workers can share it.
"""

import collections
import contextlib
import json
import logging
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from components import progress
from components.errors import InputError
from pipeline import beam_profile
from pipeline.scoring import inputs, outputs
from pipeline.scoring.files import TEXT, BatchFile, Unnamed, expand, split
from pipeline.scoring.model_rows import cut_rows
from pipeline.scoring.served import settings_of


@dataclass(frozen=True)
class BatchOptions:
    """What the command line says beside the files and the model.

    `beam`: Beam's options in one text; "": `beam_arguments`, those of the configured profile.
    """

    output: str
    format: str | None = None
    tokens: bool = False
    key_column: str = ""
    delimiter: str = ""
    input_format: str = ""
    max_bad_rows: int = 0
    shard_rows: int | None = None
    beam: str = ""
    beam_arguments: Sequence[str] = beam_profile.HERE


def run(model: str, patterns: Sequence[str], options: BatchOptions, *, predicts: bool) -> int:
    """Score, or predict for, all rows of some files; what came out is told on standard error.

    Raises:
      InputError: the arguments, a file or more rows than are allowed are not good; then nothing is
        written.
    """
    output = outputs.parse_output(options.output, format=options.format)
    rules = _rules(model, options, predicts)
    unnamed = Unnamed(rules.columns[0].name if predicts else "", options.input_format)
    files = expand(patterns, unnamed)
    _check(options, output, files)
    # In this process threads share a file as it is; its shards stay full.
    shared = options.beam or beam_profile.shares_files(options.beam_arguments)
    units = split(files) if shared else files
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _shown_progress("predict" if predicts else "score"):
        told = _run(model, units, rules, output, options, predicts)
    for line in told:
        print(f"tokenline: {line}", file=sys.stderr)
    return 0


def _rules(model: str, options: BatchOptions, predicts: bool) -> inputs.RowRules:
    settings = settings_of(model)
    keys, delimiter = options.key_column, options.delimiter
    if not predicts:
        return inputs.score_rules(settings, key_column=keys, delimiter=delimiter)
    any_text = options.input_format == TEXT
    return inputs.predict_rules(settings, key_column=keys, delimiter=delimiter, any_text=any_text)


def _check(
    options: BatchOptions,
    output: outputs.Output,
    files: Sequence[BatchFile],
) -> None:
    problems = []
    if options.max_bad_rows < 0:
        problems.append(f"--max-bad-rows: got {options.max_bad_rows}, expected 0 or more")
    if options.shard_rows is not None and options.shard_rows < 1:
        problems.append(f"--shard-rows: got {options.shard_rows}, expected 1 or more")
    if options.shard_rows is not None and not output.is_folder:
        problems.append(f"--shard-rows: --output is the file {output.path}, expected a folder")
    written = {os.path.realpath(path) for path in (output.path, output.bad_rows)}
    problems += [
        f"--output: {file.path} is read, expected another file"
        for file in files
        if os.path.realpath(file.path) in written
    ]
    if problems:
        raise InputError("\n".join(problems))


def _run(
    model: str,
    files: Sequence[BatchFile],
    rules: inputs.RowRules,
    output: outputs.Output,
    options: BatchOptions,
    predicts: bool,
) -> Iterator[str]:
    """Do it, and return what to tell."""
    from pipeline.terminal import silenced

    with silenced():
        from pipeline.scoring import units as batch_units
    request = batch_units.BatchRequest(
        model=model,
        predicts=predicts,
        rules=rules,
        output=output,
        tokens=options.tokens,
        max_bad_rows=options.max_bad_rows,
        shard_rows=options.shard_rows or batch_units.BatchRequest.shard_rows,
    )
    with _naming(output), outputs.work_folder(output) as folder:
        _through_beam(files, request, folder, options)
        results = []
        for index in range(len(files)):
            with open(batch_units.result_path(folder, index)) as stream:
                results.append(batch_units.UnitResult(**json.load(stream)))
        total = _total(results)
        _refuse(results, total, request)
        parts = [path for result in results for path in result.parts]
        lists = [batch_units.bad_rows_path(folder, index) for index in range(len(files))]
        outputs.publish_bad_rows(lists, output, folder=folder)
        name = "predictions" if predicts else "scores"
        outputs.publish(parts, output, name=name, folder=folder)
    return _told(total, request)


def _through_beam(
    files: Sequence[BatchFile], request: Any, folder: str, options: BatchOptions
) -> None:
    import apache_beam as beam

    from components.beam_runner import make_ready, with_runner
    from pipeline.scoring.beam import RunUnit

    given = options.beam
    try:
        arguments = with_runner(shlex.split(given)) if given else list(options.beam_arguments)
        make_ready(arguments)
        made = beam.Pipeline(argv=arguments)
    except InputError:
        raise
    except ValueError as error:
        reason = str(error).strip().split("\n")[0]
        raise InputError(f"--beam: got {given!r}, expected Beam's options: {reason}") from None
    try:
        with made as pipeline:
            _ = (
                pipeline
                | "Files" >> beam.Create(list(enumerate(files)))
                | "Spread" >> beam.Reshuffle()
                | "ReadCallWrite" >> beam.ParDo(RunUnit(request, os.path.abspath(folder)))
            )
    except Exception as error:
        # Beam makes a RuntimeError of whatever a step raises, of an interruption too.
        for kind in (KeyboardInterrupt, InputError, OSError):
            cause = _cause(error, kind)
            if cause is not None:
                raise cause from None
        raise


def _cause(error: BaseException | None, kind: type[BaseException]) -> BaseException | None:
    """The exception of this kind because of which, or while handling which, one was raised."""
    while error is not None and not isinstance(error, kind):
        error = error.__cause__ or error.__context__
    return error


@contextlib.contextmanager
def _naming(output: outputs.Output) -> Iterator[None]:
    """Say which option it is if the output cannot be written: a full disk, no permission.

    Raises:
      InputError: so it is.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"--output: {output.path} cannot be written: {reason}; nothing was written"
        ) from None


def _total(results: Sequence[Any]) -> Any:
    from pipeline.scoring.units import UnitResult

    sums: collections.Counter[str] = collections.Counter()
    for result in results:
        for name, value in result.sums.items():
            sums[name] += value
    return UnitResult(
        rows=sum(result.rows for result in results),
        bad=sum(result.bad for result in results),
        truncated=sum(result.truncated for result in results),
        reweighted=sum(result.reweighted for result in results),
        started=min(result.started for result in results),
        ended=max(result.ended for result in results),
        sums=dict(sums),
    )


def _refuse(results: Sequence[Any], total: Any, request: Any) -> None:
    """Raise for a file that cannot be used, or too many bad rows.

    Raises:
      InputError: a line for each, up to a limit, and how many there are.
    """
    from pipeline.scoring.units import BAD_ROWS_SHOWN

    faults = [result.fault for result in results if result.fault]
    if not faults and total.bad <= request.max_bad_rows:
        return
    lines = [line for result in results for line in [*result.first_bad, result.fault] if line]
    shown = lines[:BAD_ROWS_SHOWN]
    stopped = next((result.stopped_at for result in results if result.stopped_at), "")
    if len(lines) > 1 or total.bad > 1:
        first = (
            f"the first {len(shown)} are listed; " if total.bad + len(faults) > len(shown) else ""
        )
        more = f" up to {stopped}, where reading stopped" if stopped else ""
        allowed = f"expected at most {request.max_bad_rows} bad rows (--max-bad-rows)"
        got = f"got {total.bad} bad rows and {len(faults)} unusable files{more}"
        shown.append(f"{first}{got}, {allowed}; nothing was written")
    raise InputError("\n".join(shown))


def _told(total: Any, request: Any) -> Iterator[str]:
    """The end line, and what a reader of the results must know."""
    from pipeline.scoring.models import summary_numbers

    rate = total.rows / max(total.ended - total.started, 1e-3)
    tokens = total.sums.get("token_count")
    rows = "1 row" if total.rows == 1 else f"{total.rows:,} rows"
    words = [rows, *([f"{tokens:,.0f} tokens"] if tokens is not None else [])]
    numbers = summary_numbers(total.sums, unit_weights=not total.reweighted)
    if "loss_per_token" in numbers:
        words.append(f"mean loss {numbers['loss_per_token']:.8g} nats per token")
    if "bits_per_byte" in numbers:
        words.append(f"{numbers['bits_per_byte']:.6g} bits per byte")
    yield ", ".join([*words, f"{rate:,.0f} rows/s"]) + f": {request.output.path}"
    if total.truncated:
        yield cut_rows(total.truncated, predicts=request.predicts)
    if total.bad:
        bad = "1 bad row has" if total.bad == 1 else f"{total.bad:,} bad rows have"
        yield f"{bad} no result: {request.output.bad_rows}"


@contextlib.contextmanager
def _shown_progress(name: str) -> Iterator[None]:
    """Show on a terminal how far it is."""
    from pipeline.terminal import StatusHandler, Terminal

    if not sys.stderr.isatty():
        yield
        return
    terminal = Terminal(sys.stderr)
    handler = StatusHandler(terminal)
    handler.component = name
    level = progress.LOGGER.level
    progress.LOGGER.addHandler(handler)
    progress.LOGGER.setLevel(logging.INFO)
    progress.LOGGER.propagate = False  # Beam gives the root logger a handler that prints
    try:
        yield
    finally:
        progress.LOGGER.propagate = True
        progress.LOGGER.setLevel(level)
        progress.LOGGER.removeHandler(handler)
        terminal.status("")
