"""Runs in processes of this machine, one at a time, which die with the retrain that began them."""

import dataclasses
import os

from pipeline import lock, paths
from pipeline.config import Config
from pipeline.retrain import order, proofs, run_folders, supervise, watching
from pipeline.retrain.order import Outcome
from pipeline.retrain.states import Plan, Run
from pipeline.retrain.telling import Teller


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

        Raises:
          supervise.Stopped: somebody asked for it while this waited.
        """
        self._wait_for_the_run()
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

    def _wait_for_the_run(self) -> None:
        """A run that lost its retrain is killed, which may take a moment: till then it may still push."""
        while True:
            try:
                with lock.held(paths.lock(self._config), "a run of this pipeline"):
                    return
            except lock.Held as error:
                self._teller.tell("locked", reason=str(error))
            if self._stop.wait(1.0):
                raise supervise.Stopped

    def _child(self, order_file: str, folder: str) -> supervise.ChildEnd:
        """The run itself; its lines go to the terminal, or to a file where that is for JSON lines."""
        if self._shows_runs:
            return supervise.run_child(self._config_file, order_file, self._stop)
        with open(os.path.join(folder, "output.txt"), "ab") as file:
            return supervise.run_child(self._config_file, order_file, self._stop, file)
