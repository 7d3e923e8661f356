"""`tokenline retrain`: look for new spans, run the line on them, keep the ledger.

Nothing heavy is imported here: a look that finds nothing new takes milliseconds.
"""

import contextlib
import dataclasses
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from typing import NoReturn

from components.errors import InputError
from components.example_gen import files
from pipeline import beam_profile, lock, paths
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
from pipeline.retrain.renewal import Renewal, Renewed
from pipeline.retrain.retrainer import DONE, Retrainer
from pipeline.retrain.states import span_text
from pipeline.retrain.telling import Listener, Teller, to_terminal

_INTERRUPTED, _TERMINATED = 130, 143


@dataclasses.dataclass(frozen=True)
class Options:
    """What was asked for on the command line."""

    config_file: str
    watch: bool = False
    retry: int | str | None = None  # "all": all that are parked
    status: bool = False
    as_json: bool = False


def retrain(options: Options) -> int:
    """Do what was asked; returns the exit code.

    A watch that is outdated does not return: the process begins again with the same arguments.

    Raises:
      InputError: the configuration or the ledger is not right, or another retrain is at work.
    """
    renewal = Renewal(options.config_file) if options.watch else None
    # Absolute: where it is called from must not change a run's key.
    config = load_config(os.path.abspath(options.config_file))
    if files.SPAN not in config.data.path:
        raise InputError(
            f"data.path: got {config.data.path}, expected {files.SPAN} in it to retrain"
        )
    beam_profile.refuse_here(config)  # else each span would be parked for it
    ledger = open_ledger(paths.pipeline_folder(config))
    if options.retry is not None:
        return _retry(ledger, options.retry)
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
                    renewal=renewal,
                )
                return retrainer.watch() if options.watch else retrainer.once()
        except supervise.Stopped:
            told.tell("stopped")
            if stop.signal == signal.SIGTERM:
                return DONE if options.watch else _TERMINATED
            return _INTERRUPTED
        except Renewed:
            told.tell("renewed")
    return _begin_again()  # now that the locks are free


def _begin_again() -> NoReturn:
    """The same process with the code that there is now; what is open the kernel closes."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _retry(ledger: Ledger, what: int | str) -> int:
    now = time.time()
    if isinstance(what, int):
        update(ledger, lambda state: outcomes.retry(state, what, now=now))
        print(f"span {what} is pending again: the next `tokenline retrain` takes it")
        return DONE
    before, _ = ledger.load()
    after = update(ledger, lambda state: outcomes.retry_all(state, now=now))
    parked = {one.identity for one in before.spans if one.state == "parked"}
    again = [
        one.identity for one in after.spans if one.identity in parked and one.state == "pending"
    ]
    if not again:
        print("no span is parked")
        return DONE
    text = f"span{'s' if len(again) > 1 else ''} {span_text(tuple(again))}"
    print(f"pending again: {text}; the next `tokenline retrain` takes them in order")
    return DONE


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
