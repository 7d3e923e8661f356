"""The runs of `tokenline retrain`, one after the other, and what the ledger is told of them."""

import collections
import contextlib
import os
import time
from collections.abc import Callable

from components.errors import InputError
from pipeline import inputs, lock, paths
from pipeline.config import Config
from pipeline.retrain import (
    arrivals,
    observing,
    order,
    outcomes,
    planning,
    pushed,
    supervise,
    watching,
)
from pipeline.retrain.endings import Endings
from pipeline.retrain.ledger import Ledger, update
from pipeline.retrain.renewal import Renewal
from pipeline.retrain.runs import Runs
from pipeline.retrain.states import Plan, Run, State
from pipeline.retrain.telling import Teller, numbers, tell_changes

DONE, FAILED, BAD_INPUT, NOT_PUSHED = 0, 1, 2, 3


class Retrainer:
    """The runs of one pipeline, one after the other."""

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        runs: Runs,
        teller: Teller,
        stop: watching.Stop,
        *,
        code: str,
        renewal: Renewal | None = None,
    ) -> None:
        """Take what a run needs.

        Args:
          config: the user's.
          ledger, runs: of the pipeline.
          teller: of what happens.
          stop: what ends it.
          code: hash of the code, of which the runs' keys are made.
          renewal: for `watch`: what notices that this process is outdated.
        """
        self._config = config
        self._ledger = ledger
        self._teller = teller
        self._stop = stop
        self._scanner = arrivals.Scanner(config)
        self._code = code
        self._config_digest = order.config_digest(config)
        self._runs = runs
        self._ends = Endings(config, ledger, teller)
        self._seen = 0  # looks that found something new
        self._renewal = renewal

    def once(self) -> int:
        """Take all spans that are due; returns the exit code."""
        self._start()
        state = self._take_all()
        ended = self._ends.states
        if not ended:
            newest = state.newest().values()
            self._teller.tell(
                "nothing_new",
                known=len(newest),
                pending=sum(each.state == "pending" for each in newest),
                waiting=sum(each.state == "waiting" for each in newest),
                parked=sum(each.state == "parked" for each in newest),
            )
        self._teller.tell("ended", retry_in_seconds=self._next_attempt(state))
        if "failed" in ended:
            return FAILED
        if "bad" in ended:
            return BAD_INPUT
        return NOT_PUSHED if ended[-1:] == ["refused"] else DONE

    def watch(self) -> int:
        """Take spans as they come, until it is stopped.

        Raises:
          supervise.Stopped: somebody asked for it.
          Renewed: it is to begin again, with another code or configuration.
        """
        self._start()
        watcher = watching.watcher(self._config, self._stop)
        told, trouble = -1, ""
        while not self._stop.is_set():
            before = self._seen
            try:
                state = self._take_all()
            except (InputError, OSError) as error:  # a disk, a bucket, a lock: not for ever
                same = _what_is_the_same(error)
                if same != trouble:
                    self._teller.tell("trouble", reason=str(error))
                trouble = same
                watcher.pause(changed=False)
                continue
            trouble = ""
            due = planning.wake_at(state, time.time())
            if told != len(self._ends.states):
                self._teller.tell("waiting")
                told = len(self._ends.states)
            may_begin = not self._ends.held_up and self._may_begin(state)
            at_most = due - time.time() if may_begin and due is not None else None
            watcher.pause(changed=self._seen != before, at_most=at_most)
        raise supervise.Stopped

    def _start(self) -> None:
        config = self._config
        self._teller.tell(
            "started", pipeline=config.pipeline.name, path=paths.shown(config.data.path)
        )
        self._runs.clean_up()
        with contextlib.suppress(InputError):  # the first look says what is wrong with the ledger
            state, _ = self._ledger.load()
            if lost := pushed.lost(state, config.serving.push_to):
                self._teller.tell("version_lost", version=lost.version, reason=lost.told)
        inputs.generate_first_span(config)

    def _recover(self, run: Run) -> None:
        """Take up a run whose retrain died: it has come to its end, or it is to run again."""
        outcome = self._runs.take_up(run)
        new = numbers(span for span, *_ in run.new)
        self._teller.tell("recovered", new=new, reason=_came_to(outcome))
        if outcome:
            self._finish(run.key, outcome, seconds=0.0)
        else:
            self._ends.died(run)

    def _take_all(self) -> State:
        """Look for spans and run what is due, until nothing is, or something outside is in the way.

        Raises:
          supervise.Stopped: somebody asked for it.
          Renewed: this process is outdated.
        """
        while True:
            if self._stop.is_set():
                raise supervise.Stopped
            state, _ = self._ledger.load()
            if self._is_outdated(anew=True):
                return state
            if run := state.claimed():
                self._recover(run)
            state = self._look()
            plan = self._plan(state) if self._may_begin(state) else None
            if plan is None:
                return state
            if plan.done:
                self._adopt(plan)
                continue
            self._run(plan)
            if self._ends.held_up:
                return self._ledger.load()[0]

    def _next_attempt(self, state: State) -> float | None:
        """Seconds until a run may begin though nothing new has come; None: none will."""
        now = time.time()
        due = planning.wake_at(state, now) if self._may_begin(state) else None
        return None if due is None else max(0.0, due - now)

    def _adopt(self, plan: Plan) -> None:
        """No run: one with the same key is done."""
        self._change(lambda state: outcomes.adopt(state, plan, now=time.time()))
        facts = {"key": plan.key[:8], "new": _new(plan), "state": plan.done}
        self._teller.tell("run_known", **facts)

    def _look(self) -> State:
        """The ledger, with what is to be seen of the spans now."""
        while True:
            state, token = self._ledger.load()
            now = time.time()
            found = self._scanner.scan(state.known(), now)
            seen = observing.observe(state, found, late=self._config.retrain.late, now=now)
            if seen == state or self._ledger.save(seen, token):
                self._seen += seen != state
                counts = collections.Counter(each.state for each in seen.newest().values())
                self._teller.tell("looked", spans=dict(counts))
                tell_changes(self._teller, state, seen)
                if _parked(seen) - _parked(state):  # by `retrain.late: error`
                    self._ends.states.append("bad")
                return seen

    def _is_outdated(self, *, anew: bool = False) -> bool:
        """Whether what there is now is not what this process has, and cannot be used; that is told once.

        Raises:
          Renewed: it can be used.
        """
        if self._renewal is None:
            return False
        if self._renewal.check(anew=anew):
            self._teller.tell("not_renewed", reason=self._renewal.problem)
        return self._renewal.problem != ""

    def _may_begin(self, state: State) -> bool:
        """Whether a run may begin with the head of the queue, when that is due."""
        held = self._ends.held
        return not self._is_outdated() and (held is None or planning.head(state) != held)

    def _plan(self, state: State) -> Plan | None:
        wanted = self._config.retrain
        return planning.next_plan(
            state,
            window=wanted.most_spans,
            refused=wanted.most_refused,
            together=wanted.together,
            code=self._code,
            config_digest=self._config_digest,
            now=time.time(),
            readable=self._runs.can_read,
        )

    def _run(self, plan: Plan) -> None:
        """One run of the line, from the claim to the ledger's word on how it ended.

        Raises:
          lock.Held: a run of the user's own is going on; nothing is claimed.
        """
        self._runs.check_free()
        state = self._change(
            lambda state: outcomes.claim(state, plan, pid=os.getpid(), now=time.time())
        )
        run = state.run(plan.key)
        assert run is not None
        window = numbers(span for span, *_ in plan.spans)
        facts = {"key": plan.key[:8], "new": _new(plan), "window": window}
        self._teller.tell("run_started", **facts, attempt=run.attempts)
        started = time.monotonic()
        try:
            outcome = self._runs.begin(plan, run.attempts)
        except supervise.Stopped:
            if done := self._runs.settled(plan.key):  # all but for this process
                self._ends.finish(plan.key, done, seconds=time.monotonic() - started)
            else:
                self._change(lambda state: outcomes.release(state, plan.key, now=time.time()))
            raise
        except OSError:
            self._change(lambda state: outcomes.release(state, plan.key, now=time.time()))
            raise
        self._finish(plan.key, outcome, seconds=time.monotonic() - started)

    def _finish(self, key: str, outcome: order.Outcome, *, seconds: float) -> None:
        if outcome.state != "failed":
            self._ends.enter(key, outcome)  # first: it holds, whatever becomes of the record
            outcome = self._runs.with_record(key, outcome)
        self._ends.finish(key, outcome, seconds=seconds)

    def _change(self, change: Callable[[State], State]) -> State:
        return update(self._ledger, change)


def _what_is_the_same(error: InputError | OSError) -> str:
    """What of a trouble does not change while it lasts: how long a lock has been held does."""
    return f"held by {error.holder}" if isinstance(error, lock.Held) else str(error)


def _parked(state: State) -> set[tuple[int, int]]:
    return {one.identity for one in state.newest().values() if one.state == "parked"}


def _new(plan: Plan) -> str:
    return numbers(span for span, _ in plan.new)


def _came_to(outcome: order.Outcome | None) -> str:
    """Of a run without its retrain."""
    if outcome is None:
        return "its process is gone"
    if outcome.state == "pushed":
        return f"its process is gone, after it had pushed version {outcome.version}"
    return "its process is gone, after it had decided against a push"
