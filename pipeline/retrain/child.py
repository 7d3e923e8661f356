"""One run of the line as retrain ordered it: `tokenline run --order FILE`, in a process of its own."""

import contextlib
import ctypes
import os
import signal
from typing import Any

from components.errors import InputError, Passing
from pipeline import lock, paths, run
from pipeline.config import Config
from pipeline.retrain import order
from pipeline.retrain.order import Order, Outcome

_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG, prctl(2)


def run_ordered(config: Config, path: str) -> int:
    """Run the line on the ordered spans; returns the exit code, and leaves an outcome beside the order.

    A run that is interrupted or killed leaves none.

    Raises:
      InputError: as `run.run` raises it, or because a span is no longer what it was.
    """
    ordered = order.read_order(path)
    folder = os.path.dirname(path)
    if ordered.parent:
        _die_with(ordered.parent)
    try:
        if ordered.config not in ("", order.config_digest(config)):
            raise Passing(
                "the configuration has changed since this run was ordered: it is planned anew"
            )
        ended = run.run_line(config, ordered)
    except InputError as error:
        passing = isinstance(error, Passing)
        _tell_failure(ordered, folder, str(error), permanent=not passing, passing=passing)
        raise
    except OSError as error:  # a full disk, a folder that may not be written
        reason = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        _tell_failure(ordered, folder, reason, passing=True)
        raise
    order.write(_outcome(ordered, ended), folder)
    _prune(config)  # only now: what the run has told stands, whatever happens here
    return ended.code


def _tell_failure(
    ordered: Order, folder: str, reason: str, *, permanent: bool = False, passing: bool = False
) -> None:
    """Leave word of a failure; on a full disk there may be no room for that either."""
    with contextlib.suppress(OSError):
        failed = Outcome(
            key=ordered.key, state="failed", reason=reason, permanent=permanent, passing=passing
        )
        order.write(failed, folder)


def _outcome(ordered: Order, ended: run.Ended) -> Outcome:
    record = ended.record
    if record is None:
        return Outcome(key=ordered.key, state="failed", reason=ended.reason, passing=ended.passing)
    pushed = record["pushed"]
    return Outcome(
        key=ordered.key,
        state="pushed" if pushed else "refused",
        reason="" if pushed else _why_not(record),
        run=record["run"],
        version=os.path.basename(pushed) if pushed else "",
        blessed=record["verdict"]["blessed"],
        metrics=record["metrics"]["slices"][0]["candidate"],
    )


def _prune(config: Config) -> None:
    """Free what the runs to be kept do not need, here, where the metadata store is loaded anyway."""
    wanted = config.retrain
    if wanted.keep_runs is None and wanted.keep_spans is None:
        return
    from pipeline import retention

    with lock.held(paths.lock(config), "another run of this pipeline"):
        freed = retention.prune(config, keep_runs=wanted.keep_runs, keep_spans=wanted.keep_spans)
    if freed.runs:
        print(f"  pruned {len(freed.runs)} old runs: {freed.size / 1e6:,.1f} MB", flush=True)


def _why_not(record: dict[str, Any]) -> str:
    """Why a model was not pushed, with the first reason of the verdict where that is why."""
    reason = record["not_pushed"] or "not pushed"
    if record["verdict"]["blessed"]:
        return str(reason)
    return f"{reason}: {record['verdict']['reasons'][0]}"


def _die_with(parent: int) -> None:
    """Have this process killed as soon as its parent ends, however that ends (Linux).

    Raises:
      SystemExit: the parent has ended already.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "prctl"):
        libc.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        raise SystemExit(1)
