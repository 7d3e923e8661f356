"""`tokenline retrain`: look for new spans, run the line on them, keep the ledger.

Nothing heavy is imported here: a look that finds nothing new takes milliseconds.
"""

import contextlib
import dataclasses
import json
import os
import signal
import time
from collections.abc import Iterator

from components.errors import InputError
from components.example_gen import files
from pipeline import lock, paths
from pipeline.config import Config, load_config
from pipeline.retrain import (
    listeners,
    metrics,
    outcomes,
    status,
    supervise,
    watching,
)
from pipeline.retrain.ledger import Ledger, open_ledger, update
from pipeline.retrain.retrainer import DONE, Retrainer
from pipeline.retrain.telling import Listener, Teller, to_terminal

_INTERRUPTED, _TERMINATED = 130, 143


@dataclasses.dataclass(frozen=True)
class Options:
    """What was asked for on the command line."""

    config_file: str
    watch: bool = False
    retry: int | None = None
    status: bool = False
    as_json: bool = False


def retrain(options: Options) -> int:
    """Do what was asked; returns the exit code.

    Raises:
      InputError: the configuration or the ledger is not right, or another retrain is at work.
    """
    # Absolute: where it is called from must not change a run's key.
    config = load_config(os.path.abspath(options.config_file))
    if files.SPAN not in config.data.path:
        raise InputError(
            f"data.path: got {config.data.path}, expected {files.SPAN} in it to retrain"
        )
    ledger = open_ledger(paths.pipeline_folder(config))
    if options.retry is not None:
        span = options.retry
        update(ledger, lambda state: outcomes.retry(state, span, now=time.time()))
        print(f"span {span} is pending again: the next `tokenline retrain` takes it")
        return DONE
    if options.status:
        return _show(ledger, as_json=options.as_json)
    told = Teller(_listeners(config, options))
    with watching.Stop() as stop:
        try:
            with _alone(config, told, stop, waits=options.watch):
                teller = Teller([*told.listeners, *_metrics(config, options, ledger)])
                retrainer = Retrainer(
                    config,
                    options.config_file,
                    ledger,
                    teller,
                    stop,
                    shows_runs=not options.as_json,
                )
                return retrainer.watch() if options.watch else retrainer.once()
        except supervise.Stopped:
            told.tell("stopped")
            if stop.signal == signal.SIGTERM:
                return DONE if options.watch else _TERMINATED
            return _INTERRUPTED


def _show(ledger: Ledger, *, as_json: bool) -> int:
    state, _ = ledger.load()
    now = time.time()
    if as_json:
        print(json.dumps(status.as_rows(state), indent=1))
    else:
        print("\n".join(status.lines(state, now=now)))
    return DONE


def _listeners(config: Config, options: Options) -> list[Listener]:
    """All that the configuration and the command line want told."""
    name, wanted = config.pipeline.name, config.retrain
    log = os.path.join(paths.pipeline_folder(config), "retrain", "log.jsonl")
    terminal: Listener = listeners.JsonTerminal(name) if options.as_json else to_terminal
    found: list[Listener] = [terminal, listeners.JsonLog(name, log)]
    if wanted.notify:
        found.append(listeners.Notify(name, wanted.notify))
    return found


def _metrics(config: Config, options: Options, ledger: Ledger) -> list[Listener]:
    """What Prometheus reads, from where the ledger stands; only for the one that is at work."""
    wanted = config.retrain
    if not (wanted.metrics_file or wanted.metrics_port):
        return []
    state, _ = ledger.load()
    measures = metrics.Metrics(config.pipeline.name, state.runs)
    found: list[Listener] = [measures]
    if wanted.metrics_file:
        found.append(metrics.MetricsFile(measures, wanted.metrics_file))
    if wanted.metrics_port and options.watch:
        metrics.serve(measures.text, wanted.metrics_port)
    return found


@contextlib.contextmanager
def _alone(config: Config, teller: Teller, stop: watching.Stop, *, waits: bool) -> Iterator[None]:
    """Be the only retrain of the pipeline; the lock of a dead one is free.

    Raises:
      lock.Held: another one is at work, and this one is not to wait.
      supervise.Stopped: while waiting.
    """
    path = os.path.join(paths.pipeline_folder(config), "retrain", "lock")
    with contextlib.ExitStack() as held:
        while True:
            try:
                held.enter_context(lock.held(path, "another `tokenline retrain` of this pipeline"))
                break
            except lock.Held as error:
                if not waits:
                    raise
                teller.tell("locked", reason=str(error))
            if stop.wait(config.retrain.poll_seconds):
                raise supervise.Stopped
        yield
