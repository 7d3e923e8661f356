"""`tokenline run`: one run of the line, from the configuration file to the closing table."""

import contextlib
import dataclasses
import errno
import json
import logging
import os
import time
from collections.abc import Iterator, Sequence
from typing import Any

from components import process
from components.errors import InputError, Passing, in_a_line
from components.progress import LOGGER as PROGRESS
from pipeline import beam_profile, inputs, lock, paths, summary, unfinished
from pipeline.config import Config
from pipeline.retrain.order import Order
from pipeline.store.connection import Store, store_of
from pipeline.terminal import StatusHandler, Terminal, output_to

_HIDDEN = ("LastBlessedModel", "BaseModel", "SpanBefore")  # look-ups, not components
DONE, FAILED, NOT_BLESSED = 0, 1, 3
_NO_SPACE = os.strerror(errno.ENOSPC)  # Beam and TensorFlow tell it in words


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a run ended: its exit code, its record (None where it failed), and why it failed.

    `passing`: what it failed of lies outside of it, and may be gone later.
    """

    code: int
    record: dict[str, Any] | None = None
    reason: str = ""
    passing: bool = False


def run(config: Config) -> int:
    """Run the whole line; returns the exit code.

    Raises:
      InputError: the input is at fault; what was found before any component started, or by one.
    """
    return run_line(config).code


def run_line(config: Config, ordered: Order | None = None) -> Ended:
    """Run the whole line, as retrain ordered it if it did.

    Raises:
      InputError: as `run` raises it.
    """
    started = time.monotonic()
    beam_arguments = beam_profile.here(config)
    found = inputs.resolve(config, **(ordered.inputs if ordered else {}))
    _make_push_folder(config.serving.push_to)
    # Two runs at once could read one span twice or mix their models.
    with lock.held(
        paths.lock(config),
        "another run of this pipeline",
        advice="wait for it, or give this one another pipeline.name",
    ):
        run_paths = paths.new_run(config)
        with output_to(run_paths.log) as terminal:
            try:
                with unfinished.noted(config, run_paths.run_id):
                    return _run(
                        config, found, run_paths, terminal, started, ordered, beam_arguments
                    )
            except InputError:
                terminal.line(f"  log: {paths.shown(run_paths.log)}")
                raise


def _make_push_folder(folder: str) -> None:
    """Make the folder that the model goes to, now rather than after training.

    Raises:
      InputError: it cannot be made, or not be written into.
    """
    reason = ""
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        reason = str(error.strerror)
    if not reason and not os.access(folder, os.W_OK):
        reason = "Permission denied"
    if reason:
        raise Passing(f"serving.push_to: {folder}: {reason}, expected a folder to write into")


def _run(
    config: Config,
    found: inputs.RunInputs,
    run_paths: paths.RunPaths,
    terminal: Terminal,
    started: float,
    ordered: Order | None,
    beam_arguments: Sequence[str],
) -> Ended:
    name, where = config.pipeline.name, config.data.path
    numbers = ", ".join(map(str, found.spans))
    spans = f", span{'s' if len(found.spans) > 1 else ''} {numbers}" if found.spans else ""
    terminal.line(f"tokenline run: {name} ({config.task}), {where}{spans}")
    _clean(config, terminal)  # before anything that takes long: the store may be gone
    terminal.status("  loading TensorFlow and TFX")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")  # before TensorFlow is imported
    from components.trainer import distribution
    from pipeline import local_runner  # heavy: TFX

    distribution.prepare(config.train.distribution, config.train.replicas)
    progress = _Progress(terminal)
    with progress.shown():
        process.loaded()
        terminal.line(f"  {'loaded TensorFlow and TFX':<28}{time.monotonic() - started:7.1f} s")
        try:
            line = _pipeline(config, found, run_paths, ordered.key if ordered else "")
            _tell_set_aside(config, terminal)
            tfx_run, nodes = local_runner.run(line, progress.node, beam_arguments=beam_arguments)
        except local_runner.NodeFailure as failure:
            return _failed(failure, store_of(config), run_paths, terminal)
    seconds = time.monotonic() - started
    record = _record(config, found, run_paths, tfx_run, nodes, seconds, ordered)
    for text in summary.closing_table(record):
        terminal.line(text)
    return Ended(DONE if record["pushed"] else NOT_BLESSED, record)


def _clean(config: Config, terminal: Terminal) -> None:
    """Take away what a killed run left."""
    from pipeline import cleaning

    for line in cleaning.clean(config):
        terminal.line(f"  {line}")
        logging.getLogger("tokenline").warning(line)


def _pipeline(
    config: Config, found: inputs.RunInputs, run_paths: paths.RunPaths, run_key: str
) -> Any:
    from pipeline import base_model, rollback_command, span_checks, vocabulary_state
    from pipeline.pipeline import create_pipeline
    from pipeline.settings import token_settings
    from pipeline.store import questions

    kept = store_of(config)
    rollback_command.agree(kept, config.serving.push_to)
    key = vocabulary_state.input_key(config, found)
    made = questions.vocabularies(kept)
    identity = token_settings(config).token_identity()
    base = vocabulary_state.base_vocabulary(made, key, identity)
    vocabulary_state.check_intact(made, key, base)
    starts = config.train.warm_start == "auto"
    compares = config.data.drift is not None
    return create_pipeline(
        config,
        found,
        run_paths,
        base_vocabulary=base,
        input_key=key,
        base_model=base_model.find(kept, base_model.data_key(found)) if starts else "",
        span_before=span_checks.find(kept, found) if compares else "",
        last_failed_check=questions.last_failed_check(kept),
        last_lost_push=questions.last_lost_push(kept),
        run_key=run_key,
    )


def _tell_set_aside(config: Config, terminal: Terminal) -> None:
    """A check that is off says nothing of the models that failed it, and they stay unused."""
    from pipeline.store import questions

    if config.serving.check.enabled or not (number := questions.set_aside(store_of(config))):
        return
    one = number == 1
    failed = "1 earlier model failed its" if one else f"{number} earlier models failed their"
    again = "it a baseline" if one else "them baselines"
    text = f"{failed} serving check; turning the check off does not make {again} again"
    terminal.line(f"  {text} (docs/serving.md)")


def _failed(failure: Any, kept: Store, run_paths: paths.RunPaths, terminal: Terminal) -> Ended:
    if isinstance(failure.cause, InputError):
        raise failure.cause  # Passing stays that
    if problem := kept.problem(failure.cause):
        raise Passing(problem) from failure
    logging.getLogger("tokenline").error("%s failed", failure.node, exc_info=failure.cause)
    passing = isinstance(failure.cause, OSError) or _NO_SPACE in str(failure.cause)
    reason = f"{failure.node} failed: {_told(failure.cause)}"
    terminal.line(f"tokenline: {reason}")
    terminal.line(f"  log: {paths.shown(run_paths.log)}")
    return Ended(FAILED, reason=reason, passing=passing)


def _told(error: BaseException) -> str:
    """An exception in a line, with paths as they are seen from here."""
    return in_a_line(error).replace(os.getcwd() + os.sep, "")


def _record(
    config: Config,
    found: inputs.RunInputs,
    run_paths: paths.RunPaths,
    tfx_run: str,
    nodes: list[Any],
    seconds: float,
    ordered: Order | None,
) -> dict[str, Any]:
    """Everything worth knowing about a finished run; also written to run.json."""
    age = process.age()  # before what this itself takes
    from pipeline import curves, report_command, run_details
    from pipeline.store import lineage

    kept = store_of(config)
    outputs = lineage.run_outputs(kept, tfx_run)
    evaluation = outputs["SequenceEvaluator"]["evaluation"]
    pushed = outputs["Pusher"]["pushed_model"]
    checked = outputs.get("ServingCheck", {}).get("blessing")
    record = {
        "pipeline": config.pipeline.name,
        "task": config.task,
        "run": run_paths.run_id,
        "tfx_run": tfx_run,
        "spans": list(found.spans),
        "retrain": ordered and {"key": ordered.key, "new": list(ordered.new)},
        "seconds": seconds,
        "process_seconds": age,
        "nodes": [dataclasses.asdict(node) for node in nodes if node.name not in _HIDDEN],
        "outputs": outputs,
        "verdict": _read_json(evaluation, "verdict.json"),
        "metrics": _read_json(evaluation, "metrics.json"),
        "history": _read_json(outputs["SequenceTrainer"]["history"], "history.json"),
        "updates": curves.thinned(
            os.path.join(outputs["SequenceTrainer"]["history"], "metrics.jsonl"),
            clip_norm=config.train.clip_norm,
        ),
        "ledger": _read_json(outputs["VocabularyGen"]["ledger"], "ledger.json"),
        "ingest": _read_json(outputs["ExampleGen"]["ingest_report"], "report.json"),
        "serving_check": _read_json(checked, "serving_check.json") if checked else None,
        "pushed": _shown_or_none(_read_text(os.path.join(pushed, "pushed_destination.txt"))),
        "not_pushed": _read_text(os.path.join(pushed, "not_pushed.txt")),
        "config": dataclasses.asdict(config),
        "log": paths.shown(run_paths.log),
        "report": paths.shown(run_paths.report),
    }
    record |= run_details.details(outputs, kept, tfx_run, run_paths.pipeline)
    partial = f"{run_paths.record}.{os.getpid()}"
    with open(partial, "w") as file:
        json.dump(record, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, run_paths.record)  # later runs read it: never half of it
    data = report_command.report_data(record, run_paths.pipeline, run_paths.run)
    report_command.write_report(data, run_paths.report)
    return record


def _read_json(folder: str, name: str) -> Any:
    with open(os.path.join(folder, name)) as file:
        return json.load(file)


def _read_text(path: str) -> str | None:
    if not os.path.exists(path):
        return None
    with open(path) as file:
        return file.read()


def _shown_or_none(path: str | None) -> str | None:
    return paths.shown(path) if path else None


class _Progress:
    """Node events and trainer lines to the terminal."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._handler = StatusHandler(terminal)

    def node(self, node: Any) -> None:
        if node.name in _HIDDEN:
            return
        self._handler.component = node.name
        if node.state == "running":
            self._terminal.status(f"  {node.name} …")
            return
        time_taken = "cached" if node.state == "cached" else f"{node.seconds:.1f} s"
        failed = "  failed" if node.state == "failed" else ""
        self._terminal.line(f"  {node.name:<28}{time_taken:>9}{failed}")

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Show `components.progress` while the pipeline runs."""
        PROGRESS.addHandler(self._handler)
        PROGRESS.setLevel(logging.INFO)
        PROGRESS.propagate = False
        try:
            yield
        finally:
            PROGRESS.removeHandler(self._handler)
            PROGRESS.propagate = True
