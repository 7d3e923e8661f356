"""`tokenline run`: one run of the line, from the configuration file to the closing table."""

import contextlib
import dataclasses
import fcntl
import json
import logging
import os
import time
from collections.abc import Iterator
from typing import Any

from components import process
from components.errors import InputError
from components.progress import LOGGER as PROGRESS
from pipeline import inputs, paths, summary
from pipeline.config import Config
from pipeline.terminal import StatusHandler, Terminal, output_to

_HIDDEN = ("LastBlessedModel", "BaseModel")  # look-ups, not components
DONE, FAILED, NOT_BLESSED = 0, 1, 3


def run(config: Config) -> int:
    """Run the whole line; returns the exit code.

    Raises:
      InputError: the input is at fault; what was found before any component started, or by one.
    """
    started = time.monotonic()
    found = inputs.resolve(config)
    os.makedirs(config.serving.push_to, exist_ok=True)  # better now than after training
    run_paths = paths.new_run(config)
    with _alone(run_paths), output_to(run_paths.log) as terminal:
        try:
            return _run(config, found, run_paths, terminal, started)
        except InputError:
            terminal.line(f"  log: {_shown(run_paths.log)}")
            raise


def _run(
    config: Config,
    found: inputs.RunInputs,
    run_paths: paths.RunPaths,
    terminal: Terminal,
    started: float,
) -> int:
    name, where = config.pipeline.name, config.data.path
    numbers = ", ".join(map(str, found.spans))
    spans = f", span{'s' if len(found.spans) > 1 else ''} {numbers}" if found.spans else ""
    terminal.line(f"tokenline run: {name} ({config.task}), {where}{spans}")
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
            line = _pipeline(config, found, run_paths)
            tfx_run, nodes = local_runner.run(line, progress.node)
        except local_runner.NodeFailure as failure:
            return _failed(failure, run_paths, terminal)
    record = _record(config, found, run_paths, tfx_run, nodes, time.monotonic() - started)
    for text in summary.closing_table(record):
        terminal.line(text)
    return DONE if record["pushed"] else NOT_BLESSED


def _pipeline(config: Config, found: inputs.RunInputs, run_paths: paths.RunPaths) -> Any:
    from pipeline import base_model, rollback_command, store, vocabulary_state
    from pipeline.pipeline import create_pipeline
    from pipeline.settings import token_settings

    rollback_command.agree(run_paths.metadata, config.serving.push_to)
    key = vocabulary_state.input_key(config, found)
    made = store.vocabularies(run_paths.metadata)
    identity = token_settings(config).token_identity()
    base = vocabulary_state.base_vocabulary(made, key, identity)
    vocabulary_state.check_intact(made, key, base)
    starts = config.train.warm_start == "auto"
    models = store.models(run_paths.metadata) if starts else []
    return create_pipeline(
        config,
        found,
        run_paths,
        base_vocabulary=base,
        input_key=key,
        base_model=base_model.base_model(models, base_model.data_key(found)),
        failed_checks=store.failed_checks(run_paths.metadata),
        lost_pushes=store.lost_pushes(run_paths.metadata),
    )


def _failed(failure: Any, run_paths: paths.RunPaths, terminal: Terminal) -> int:
    if isinstance(failure.cause, InputError):
        raise InputError(str(failure.cause)) from failure
    logging.getLogger("tokenline").error("%s failed", failure.node, exc_info=failure.cause)
    reason = str(failure.cause).strip().split("\n")[0] or type(failure.cause).__name__
    reason = reason.replace(os.getcwd() + os.sep, "")
    terminal.line(f"tokenline: {failure.node} failed: {type(failure.cause).__name__}: {reason}")
    terminal.line(f"  log: {_shown(run_paths.log)}")
    return FAILED


def _record(
    config: Config,
    found: inputs.RunInputs,
    run_paths: paths.RunPaths,
    tfx_run: str,
    nodes: list[Any],
    seconds: float,
) -> dict[str, Any]:
    """Everything worth knowing about a finished run; also written to run.json."""
    age = process.age()  # before what this itself takes
    from pipeline import curves, report_command, run_details, store

    outputs = store.run_outputs(run_paths.metadata, tfx_run)
    evaluation = outputs["SequenceEvaluator"]["evaluation"]
    pushed = outputs["Pusher"]["pushed_model"]
    checked = outputs.get("ServingCheck", {}).get("blessing")
    record = {
        "pipeline": config.pipeline.name,
        "task": config.task,
        "run": run_paths.run_id,
        "tfx_run": tfx_run,
        "spans": list(found.spans),
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
        "log": _shown(run_paths.log),
        "report": _shown(run_paths.report),
    }
    record |= run_details.details(outputs, run_paths.metadata, tfx_run, run_paths.pipeline)
    with open(run_paths.record, "w") as file:
        json.dump(record, file, indent=1)
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
    return _shown(path) if path else None


def _shown(path: str) -> str:
    """A path as the user would type it: relative where it is below the current folder."""
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative


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


@contextlib.contextmanager
def _alone(run_paths: paths.RunPaths) -> Iterator[None]:
    """Hold the pipeline's lock: two runs at once could read one span twice or mix their models."""
    with open(run_paths.lock, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.rmdir(run_paths.run)
            raise InputError(
                f"another run of this pipeline is in progress ({_shown(run_paths.lock)} is locked): "
                "wait for it, or give this one another pipeline.name"
            ) from None
        yield
