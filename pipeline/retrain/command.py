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
from typing import Any, NoReturn

from components import storage
from components.code_hash import code_hash
from components.errors import Passing
from components.example_gen import files
from pipeline import beam_profile, lock, paths
from pipeline.config import Config, load_config
from pipeline.config.problems import Unsuited
from pipeline.retrain import (
    cloud_places,
    lease,
    listeners,
    metrics,
    outcomes,
    pushed,
    starting,
    status,
    supervise,
    turns,
    watching,
)
from pipeline.retrain.ledger import Ledger, open_ledger, update
from pipeline.retrain.renewal import CODE, Renewal, Renewed
from pipeline.retrain.retrainer import DONE, Retrainer
from pipeline.retrain.runs import GoesOn, runs_of
from pipeline.retrain.states import State, span_text
from pipeline.retrain.telling import Listener, Teller, to_terminal

_INTERRUPTED, _TERMINATED = 130, 143


@dataclasses.dataclass(frozen=True)
class Options:
    """What was asked for on the command line.

    `check`: only say whether a watch could begin, for one that serves metrics at this port (0: at none).
    """

    config_file: str
    watch: bool = False
    retry: int | str | None = None  # "all": all that are parked
    status: bool = False
    check: int | None = None
    as_json: bool = False
    waits: bool = True


def retrain(options: Options) -> int:
    """Do what was asked; returns the exit code.

    A watch that is outdated does not return: the process begins again with the same arguments.

    Raises:
      InputError: the configuration or the ledger is not right, or another retrain is at work.
    """
    renewal = Renewal(options.config_file) if options.watch else None
    runs_now = not (
        options.watch or options.status or options.retry is not None or options.check is not None
    )
    # Absolute: where it is called from must not change a run's key.
    config = load_config(os.path.abspath(options.config_file), data_may_come=not runs_now)
    if files.SPAN not in config.data.path:
        text = f"got {config.data.path}, expected {files.SPAN} in it to retrain"
        raise Unsuited(("data.path", text))
    if config.retrain.runner == "local":
        beam_profile.refuse_here(config)  # else each span would be parked for it
    config = cloud_places.in_cloud(config)
    ledger = open_ledger(cloud_places.home(config))
    if options.retry is not None:
        return _retry(ledger, options.retry)
    if options.status:
        return _show(config, ledger, as_json=options.as_json)
    if options.check is not None:
        starting.rehearse(config, ledger, own_port=options.check)
        return DONE
    starting.check(config)
    if renewal:
        renewal.port = config.retrain.metrics_port or 0
    told = Teller(_listeners(config, options))
    with watching.Stop() as stop:
        try:
            # Left from the last one on: whoever waits for the lock finds the port free.
            with contextlib.ExitStack() as entered:
                entered.enter_context(_alone(config, told, stop, waits=options.watch))
                measured = _metrics(config, options, ledger, entered)
                teller = Teller([*told.listeners, *measured])
                code = code_hash(*CODE)
                runs = runs_of(
                    config,
                    options.config_file,
                    teller,
                    stop,
                    code=code,
                    shows_runs=not options.as_json,
                    waits=options.waits,
                )
                retrainer = Retrainer(
                    config, ledger, runs, teller, stop, code=code, renewal=renewal
                )
                return retrainer.watch() if options.watch else retrainer.once()
        except GoesOn as run:
            told.tell("run_goes_on", job=run.job, failing=run.failing)
            return _stopped(stop, options) if stop.is_set() else DONE
        except supervise.Stopped:
            told.tell("stopped")
            return _stopped(stop, options)
        except Renewed:
            told.tell("renewed")
    return _begin_again()  # now that the locks are free


def _stopped(stop: watching.Stop, options: Options) -> int:
    """The exit code of one that was asked to end.

    Raises:
      InputError: it was not by a signal: somebody else is at work by now.
    """
    if not stop.signal:
        raise Passing(
            "another `tokenline retrain` of this pipeline has taken over; this one has ended"
        )
    if stop.signal == signal.SIGTERM:
        return DONE if options.watch else _TERMINATED
    return _INTERRUPTED


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


def _show(config: Config, ledger: Ledger, *, as_json: bool) -> int:
    state, _ = ledger.load()
    alive = _is_alive(config, state)
    if state.claimed() and not alive:  # or it has ended since the ledger was read
        state, _ = ledger.load()
        alive = _is_alive(config, state)
    around = status.Around(alive, pushed.lost(state, config.serving.push_to))
    if as_json:
        print(json.dumps(status.as_rows(state, around), indent=1))
    else:
        print("\n".join(status.lines(state, around, now=time.time())))
    return DONE


def _is_alive(config: Config, state: State) -> bool:
    """Whether the process that claimed the run of the moment is at it.

    Its number alone says little: it may be another process's by now.
    """
    if config.retrain.runner != "local":  # the run is a job, whatever became of who submitted it
        return True
    run, path = state.claimed(), paths.retrain_lock(config)
    if run is None or not lock.is_held(path):
        return False
    holder = lock.holder(path)
    return holder is None or holder.pid == run.pid


def _listeners(config: Config, options: Options) -> list[Listener]:
    """All that the configuration and the command line want told."""
    name, wanted = config.pipeline.name, config.retrain
    log = os.path.join(paths.pipeline_folder(config), "retrain", "log.jsonl")
    terminal: Listener = listeners.JsonTerminal(name) if options.as_json else to_terminal
    found: list[Listener] = [terminal, listeners.JsonLog(name, log)]
    if wanted.notify:
        found.append(listeners.Notify(name, wanted.notify))
    return found


def _metrics(
    config: Config, options: Options, ledger: Ledger, entered: contextlib.ExitStack
) -> list[Listener]:
    """What Prometheus reads, from where the ledger stands; only for the one that is at work.

    A port is served until `entered` is left.
    """
    wanted = config.retrain
    if not (wanted.metrics_file or wanted.metrics_port):
        return []
    state, _ = ledger.load()
    measures = metrics.Metrics(config.pipeline.name, state.runs)
    found: list[Listener] = [measures]
    if wanted.metrics_file:
        found.append(metrics.MetricsFile(measures, wanted.metrics_file))
    if wanted.metrics_port and options.watch:
        entered.enter_context(metrics.served(measures.text, wanted.metrics_port))
    return found


def _alone(
    config: Config, teller: Teller, stop: watching.Stop, *, waits: bool
) -> contextlib.AbstractContextManager[None]:
    """Be the only retrain of the pipeline; the lock of a dead one is free.

    Raises:
      lock.Held: another one is at work, and this one is not to wait.
      supervise.Stopped: while waiting.
    """
    home, what = cloud_places.home(config), "another `tokenline retrain` of this pipeline"

    def taken() -> contextlib.AbstractContextManager[Any]:
        if storage.is_remote(home):
            return lease.held(f"{home}/retrain/lease.json", what, lost=stop.set)
        return lock.held(paths.retrain_lock(config), what)

    pause, pauses = config.retrain.poll_seconds, None if waits else 0
    return turns.in_turn(taken, teller, stop, pause_seconds=pause, pauses=pauses)
