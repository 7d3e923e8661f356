"""How runs end: what the ledger is told of it, what everybody else, and what is cleared away."""

import time
from typing import Any

from pipeline.config import Config
from pipeline.retrain import faults, outcomes, planning, run_folders, staging
from pipeline.retrain.ledger import Ledger, update
from pipeline.retrain.order import Outcome
from pipeline.retrain.states import TRAINED, Run, SpanVersion, State
from pipeline.retrain.telling import Teller, numbers, tell_changes


class Endings:
    """The ends of the runs of one retrain.

    Attributes:
      states: how each has ended: pushed, refused, failed; bad, if it would fail again.
      held_up: whether the last one met something outside, which another run would meet as well.
      held: the head of the queue, if it waits because those before it met the same fault.
    """

    def __init__(self, config: Config, ledger: Ledger, teller: Teller) -> None:
        """Take what is told of an end."""
        self._config = config
        self._ledger = ledger
        self._teller = teller
        self.states: list[str] = []
        self.held_up = False
        self.held: SpanVersion | None = None

    def enter(self, key: str, outcome: Outcome) -> None:
        """Enter a run that was pushed or refused into the ledger."""
        update(
            self._ledger,
            lambda state: outcomes.finished(
                state,
                key,
                pushed=outcome.state == "pushed",
                now=time.time(),
                reason=outcome.reason,
                pushed_version=int(outcome.version) if outcome.version else None,
                blessed=outcome.blessed or outcome.state == "pushed",
                metrics=outcome.metrics,
            ),
        )

    def finish(self, key: str, outcome: Outcome, *, seconds: float) -> None:
        """Enter how a run ended into the ledger, and tell it."""
        facts: dict[str, Any] = {"key": key[:8], "reason": outcome.reason, "seconds": seconds}
        state, _ = self._ledger.load()
        run = state.run(key)
        facts["new"] = numbers(span for span, *_ in run.new) if run else ""
        version = int(outcome.version) if outcome.version else None
        facts |= {"run": outcome.run, "version": version, "metrics": outcome.metrics}
        self.states.append("bad" if outcome.permanent else outcome.state)
        self.held_up = outcome.passing
        if outcome.state == "failed":
            self._fail(key, outcome, facts)
            return
        self.enter(key, outcome)
        self._teller.tell(f"run_{outcome.state}", **facts)
        self._prune_copies()
        run_folders.prune(self._config, self._ledger, keep=self._config.retrain.keep_runs)

    def _failed(self, state: State, key: str, outcome: Outcome) -> State:
        """The ledger after a failure; a span is not parked for what has stopped others before it."""
        wanted, now = self._config.retrain, time.time()

        def failed(*, common: bool) -> State:
            return outcomes.failed(
                state,
                key,
                outcome.reason,
                permanent=outcome.permanent,
                passing=outcome.passing,
                common=common,
                retries=wanted.retries,
                backoff_seconds=wanted.backoff_seconds,
                now=now,
            )

        after = failed(common=False)
        return failed(common=True) if len(faults.in_a_row(after)) > faults.PARKED else after

    def _fail(self, key: str, outcome: Outcome, facts: dict[str, Any]) -> None:
        before, _ = self._ledger.load()
        after = update(self._ledger, lambda state: self._failed(state, key, outcome))
        # It is tried again when the head of the queue is another: retried, changed, or come before it.
        self._hold(after)
        waits = [each for each in after.spans if each.run_key == key and each.state == "pending"]
        again = max(0.0, waits[0].retry_at - time.time()) if waits and not self.held else None
        self._teller.tell("run_failed", **facts, retry_in_seconds=again)
        tell_changes(self._teller, before, after, only=("parked",))
        self._tell_held(after)

    def _hold(self, state: State) -> None:
        self.held = planning.head(state) if len(faults.in_a_row(state)) >= faults.PARKED else None

    def _tell_held(self, state: State) -> None:
        if self.held:
            failed = numbers(faults.in_a_row(state))
            pending = sum(each.state == "pending" for each in state.newest().values())
            self._teller.tell("queue_held", spans=failed, pending=pending)

    def died(self, run: Run) -> None:
        """Take up a run that is gone without an end: it is to run again, unless it has died too often."""
        retries = self._config.retrain.retries
        before, _ = self._ledger.load()
        after = update(
            self._ledger, lambda state: outcomes.recover(state, retries=retries, now=time.time())
        )
        tell_changes(self._teller, before, after, only=("parked",))
        if any(each.run_key == run.key and each.state == "parked" for each in after.spans):
            self.states.append("failed")
            self._hold(after)
            self._tell_held(after)

    def _prune_copies(self) -> None:
        """Remove the copies of spans, and the links to their files, that no run to come reads."""
        state, _ = self._ledger.load()
        wanted = self._config.retrain
        untrained = [one for one in state.newest().values() if one.state not in TRAINED]
        trained = planning.replayed(
            state,
            (),
            room=wanted.most_spans,
            refused=wanted.most_refused,
            readable=lambda version: True,
        )
        staging.prune(self._config, {(one.span, one.content) for one in [*untrained, *trained]})
