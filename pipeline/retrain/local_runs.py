"""Runs in processes of this machine, one at a time, which die with the retrain that began them."""

import dataclasses
import os

from components import storage
from pipeline import lock, paths
from pipeline.config import Config
from pipeline.retrain import (
    leftovers,
    order,
    proofs,
    run_folders,
    staging,
    supervise,
    turns,
    watching,
)
from pipeline.retrain.order import Outcome
from pipeline.retrain.states import Plan, Run, SpanVersion
from pipeline.retrain.telling import Teller

_A_RUN = "a run of this pipeline"
_PAUSE_SECONDS, _PAUSES = 0.2, 50  # a run that is killed is gone within moments


class LocalRuns:
    """The runs of one pipeline."""

    def __init__(
        self,
        config: Config,
        config_file: str,
        teller: Teller,
        stop: watching.Stop,
        *,
        code: str,
        shows_runs: bool,
    ) -> None:
        """Take what a run needs; `shows_runs`: the lines of a run go to the terminal."""
        self._config = config
        self._config_file = os.path.abspath(config_file)
        self._config_digest = order.config_digest(config)
        self._code = code
        self._teller = teller
        self._stop = stop
        self._shows_runs = shows_runs
        self._told_unread: set[tuple[int, int]] = set()

    def clean_up(self) -> None:
        """What killed runs left is marked in the metadata store, and removed."""
        leftovers.clear(self._config, self._config_file, self._teller)

    def check_free(self) -> None:
        """Whether no run of the user's own goes on.

        Raises:
          lock.Held: one does.
        """
        lock.check_free(paths.lock(self._config), _A_RUN)

    def can_read(self, version: SpanVersion) -> bool:
        """Whether a version that was trained can be read again, though late files lie beside its own."""
        if storage.is_remote(self._config.data.path):
            found = staging.are_here(self._config, {version.span: version.content})
        else:
            found = staging.link(self._config, version.span, version.content, version.files)
        if not found and version.identity not in self._told_unread:
            self._told_unread.add(version.identity)
            self._teller.tell("span_unread", span=version.span)
        return found

    def begin(self, plan: Plan, attempt: int) -> Outcome:
        """The run, to its end. What it has done counts for more than what it told.

        Raises:
          supervise.Stopped: somebody asked for it meanwhile.
          OSError: it cannot be ordered.
        """
        del attempt
        folder = run_folders.folder(self._config, plan.key)
        ordered = order.Order(
            key=plan.key,
            spans=tuple((span, content) for span, _, content in plan.spans),
            new=tuple(span for span, *_ in plan.new),
            again=plan.again,
            config=self._config_digest,
            parent=os.getpid(),
            push_to=os.path.abspath(self._config.serving.push_to),
        )
        order.forget_outcome(folder)
        end = self._child(order.write(ordered, folder), folder)
        if done := self.settled(plan.key):
            return done
        told = order.read_outcome(folder, plan.key)
        return told or Outcome(key=plan.key, state="failed", reason=end.told)

    def settled(self, key: str) -> Outcome | None:
        """How a run has ended that pushed or was refused, also if it did not live to tell."""
        return proofs.settled(self._config, run_folders.folder(self._config, key), key)

    def take_up(self, run: Run) -> Outcome | None:
        """The same of a run that lost its retrain, once it has really ended.

        Such a run is killed, which may take a moment: till then it may still push.

        Raises:
          lock.Held: another run, of the user's own, is going on.
          supervise.Stopped: somebody asked for it while this waited.
        """
        path = paths.lock(self._config)
        with turns.in_turn(
            lambda: lock.held(path, _A_RUN),
            None,
            self._stop,
            pause_seconds=_PAUSE_SECONDS,
            pauses=_PAUSES,
        ):
            return self.settled(run.key)

    def with_record(self, key: str, outcome: Outcome) -> Outcome:
        """The outcome of a run; of one that died before it told, from another run for the record's sake.

        Up to the evaluation all is from the cache then (a model that was blessed is held against itself),
        and nothing is pushed twice. Where code or configuration are others by now it would be another run:
        the outcome is as it was noted.

        Raises:
          supervise.Stopped: somebody asked for it meanwhile.
          OSError: it cannot be ordered.
        """
        folder = run_folders.folder(self._config, key)
        if order.read_outcome(folder, key):
            return outcome
        ordered = proofs.repeated(folder, key, code=self._code, config=self._config_digest)
        if ordered is None:
            return outcome
        self._child(order.write(dataclasses.replace(ordered, parent=os.getpid()), folder), folder)
        told = order.read_outcome(folder, key)
        return told if told and told.state == outcome.state else outcome

    def _child(self, order_file: str, folder: str) -> supervise.ChildEnd:
        """The run itself; its lines go to the terminal, or to a file where that is for JSON lines."""
        if self._shows_runs:
            return supervise.run_child(self._config_file, order_file, self._stop)
        with open(os.path.join(folder, "output.txt"), "ab") as file:
            return supervise.run_child(self._config_file, order_file, self._stop, file)
