"""The runs of `tokenline retrain`, one after the other, and what the ledger is told of them."""

import collections
import os
import time
from collections.abc import Callable, Iterable
from typing import Any

from components.code_hash import code_hash
from components.errors import InputError
from pipeline import inputs, lock, paths
from pipeline.config import Config
from pipeline.retrain import (
    arrivals,
    observing,
    order,
    outcomes,
    planning,
    staging,
    supervise,
    watching,
)
from pipeline.retrain.ledger import Ledger, update
from pipeline.retrain.states import Plan, Run, State
from pipeline.retrain.telling import Teller

DONE, FAILED, BAD_INPUT, NOT_PUSHED = 0, 1, 2, 3
_CODE = ("transform", "components", "pipeline")


class Retrainer:
    """The runs of one pipeline, one after the other."""

    def __init__(
        self,
        config: Config,
        config_file: str,
        ledger: Ledger,
        teller: Teller,
        stop: watching.Stop,
        *,
        shows_runs: bool,
    ) -> None:
        """Take what a run needs; `shows_runs`: the lines of a run go to the terminal."""
        self._config = config
        self._config_file = os.path.abspath(config_file)
        self._shows_runs = shows_runs
        self._ledger = ledger
        self._teller = teller
        self._stop = stop
        self._scanner = arrivals.Scanner(config)
        self._code = code_hash(*_CODE)
        self._config_digest = order.config_digest(config)
        self._ended: list[str] = []
        self._seen = 0  # looks that found something new
        self._held_up = False  # by something outside, which another run would meet as well

    def once(self) -> int:
        """Take all spans that are due; returns the exit code."""
        self._start()
        state = self._take_all()
        if not self._ended:
            newest = state.newest().values()
            self._teller.tell(
                "nothing_new",
                spans=_count(len(newest), "span"),
                waiting=sum(each.state in ("waiting", "pending") for each in newest),
                parked=sum(each.state == "parked" for each in newest),
            )
        if "failed" in self._ended:
            return FAILED
        if "bad" in self._ended:
            return BAD_INPUT
        return NOT_PUSHED if self._ended[-1:] == ["refused"] else DONE

    def watch(self) -> int:
        """Take spans as they come, until it is stopped."""
        self._start()
        watcher = watching.watcher(self._config, self._stop)
        told = -1
        while not self._stop.is_set():
            before = self._seen
            try:
                state = self._take_all()
            except (InputError, OSError) as error:  # a disk, a bucket, a lock: not for ever
                self._teller.tell("trouble", reason=str(error))
                watcher.pause(changed=False)
                continue
            due = planning.wake_at(state, time.time())
            if told != len(self._ended):
                self._teller.tell("waiting")
                told = len(self._ended)
            at_most = None if due is None or self._held_up else due - time.time()
            watcher.pause(changed=self._seen != before, at_most=at_most)
        raise supervise.Stopped

    def _start(self) -> None:
        config = self._config
        self._teller.tell(
            "started", pipeline=config.pipeline.name, path=paths.shown(config.data.path)
        )
        inputs.generate_first_span(config)

    def _recover(self, run: Run) -> None:
        """Take up a run whose retrain died: it has told how it ended, or it is to run again."""
        self._wait_for_the_run()
        outcome = order.read_outcome(self._run_folder(run.key), run.key)
        if outcome is not None and outcome.state != "failed":
            self._finish(run.key, outcome, seconds=0.0)
            return
        retries = self._config.retrain.retries
        before, _ = self._ledger.load()
        after = self._change(
            lambda state: outcomes.recover(state, retries=retries, now=time.time())
        )
        new = _spans(span for span, *_ in run.new)
        self._teller.tell("recovered", new=new, reason="its process is gone")
        self._tell_changes(before, after, only=("parked",))
        if any(each.run_key == run.key and each.state == "parked" for each in after.spans):
            self._ended.append("failed")

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

    def _take_all(self) -> State:
        """Look for spans and run what is due, until nothing is, or something outside is in the way.

        Raises:
          supervise.Stopped: somebody asked for it.
        """
        while True:
            if self._stop.is_set():
                raise supervise.Stopped
            state, _ = self._ledger.load()
            if run := state.claimed():
                self._recover(run)
            state = self._look()
            plan = self._plan(state)
            if plan is None:
                return state
            if plan.done:
                self._adopt(plan)
                continue
            self._run(plan)
            if self._held_up:
                return state

    def _adopt(self, plan: Plan) -> None:
        """No run: one with the same key is done."""
        self._change(lambda state: outcomes.adopt(state, plan, now=time.time()))
        facts = {"key": plan.key[:8], "new": _numbers(plan.new), "state": plan.done}
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
                self._tell_changes(state, seen)
                return seen

    def _tell_changes(
        self,
        before: State,
        after: State,
        only: tuple[str, ...] = ("pending", "waiting", "parked", "ignored"),
    ) -> None:
        known = {(each.span, each.version): each.state for each in before.spans}
        events = {"pending": "span_ready", "waiting": "span_waiting"}
        events |= {"parked": "span_parked", "ignored": "span_ignored"}
        for each in after.spans:
            if known.get((each.span, each.version)) != each.state and each.state in only:
                version = f" version {each.version}" if each.version > 1 else ""
                facts = {"span": each.span, "version": version, "reason": each.reason}
                self._teller.tell(events[each.state], **facts)

    def _plan(self, state: State) -> Plan | None:
        wanted = self._config.retrain
        return planning.next_plan(
            state,
            window=wanted.most_spans,
            together=wanted.together,
            code=self._code,
            config_digest=self._config_digest,
            now=time.time(),
        )

    def _run(self, plan: Plan) -> None:
        """One run of the line, from the claim to the ledger's word on how it ended."""
        state = self._change(
            lambda state: outcomes.claim(state, plan, pid=os.getpid(), now=time.time())
        )
        run = state.run(plan.key)
        assert run is not None
        attempt = f", attempt {run.attempts}" if run.attempts > 1 else ""
        window = _spans(span for span, *_ in plan.spans)
        facts = {"key": plan.key[:8], "new": _numbers(plan.new), "window": window}
        self._teller.tell("run_started", **facts, attempt=attempt)
        folder = self._run_folder(plan.key)
        ordered = order.Order(
            key=plan.key,
            spans=tuple((span, content) for span, _, content in plan.spans),
            new=tuple(span for span, *_ in plan.new),
            config=self._config_digest,
            parent=os.getpid(),
        )
        started = time.monotonic()
        try:
            order.forget_outcome(folder)
            path = order.write(ordered, folder)
            end = self._child(path, folder)
        except supervise.Stopped:
            told = order.read_outcome(folder, plan.key)
            if told is not None and told.state != "failed":  # it was done, all but for this process
                self._finish(plan.key, told, seconds=time.monotonic() - started)
            else:
                self._change(lambda state: outcomes.release(state, plan.key, now=time.time()))
            raise
        except OSError:
            self._change(lambda state: outcomes.release(state, plan.key, now=time.time()))
            raise
        outcome = order.read_outcome(folder, plan.key)
        if outcome is None:
            outcome = order.Outcome(key=plan.key, state="failed", reason=end.told)
        self._finish(plan.key, outcome, seconds=time.monotonic() - started)

    def _child(self, order_file: str, folder: str) -> supervise.ChildEnd:
        """The run itself; its lines go to the terminal, or to a file where that is for JSON lines."""
        if self._shows_runs:
            return supervise.run_child(self._config_file, order_file, self._stop)
        with open(os.path.join(folder, "output.txt"), "ab") as file:
            return supervise.run_child(self._config_file, order_file, self._stop, file)

    def _finish(self, key: str, outcome: order.Outcome, *, seconds: float) -> None:
        """Enter how a run ended into the ledger, and tell it."""
        facts: dict[str, Any] = {"key": key[:8], "reason": outcome.reason, "seconds": seconds}
        state, _ = self._ledger.load()
        run = state.run(key)
        facts["new"] = _spans(span for span, *_ in run.new) if run else ""
        facts |= {"run": outcome.run, "version": outcome.version, "metrics": outcome.metrics}
        self._ended.append("bad" if outcome.permanent else outcome.state)
        self._held_up = outcome.passing
        if outcome.state == "failed":
            self._fail(key, outcome, facts)
            return
        self._change(
            lambda state: outcomes.finished(
                state,
                key,
                pushed=outcome.state == "pushed",
                now=time.time(),
                reason=outcome.reason,
                pushed_version=int(outcome.version) if outcome.version else None,
                metrics=outcome.metrics,
            )
        )
        self._teller.tell(f"run_{outcome.state}", **facts)
        self._prune_copies()

    def _prune_copies(self) -> None:
        """Remove the copies of remote spans that no run to come reads."""
        if not staging.is_remote(self._config.data.path):
            return
        state, _ = self._ledger.load()
        newest = list(state.newest().values())
        trained = [each for each in reversed(newest) if each.state in ("pushed", "refused")]
        others = [each for each in newest if each.state not in ("pushed", "refused")]
        kept = [*others, *trained[: self._config.retrain.most_spans]]
        staging.prune(self._config, {(each.span, each.content) for each in kept})

    def _fail(self, key: str, outcome: order.Outcome, facts: dict[str, Any]) -> None:
        before, _ = self._ledger.load()
        wanted = self._config.retrain
        after = self._change(
            lambda state: outcomes.failed(
                state,
                key,
                outcome.reason,
                permanent=outcome.permanent,
                passing=outcome.passing,
                retries=wanted.retries,
                backoff_seconds=wanted.backoff_seconds,
                now=time.time(),
            )
        )
        waits = [each for each in after.spans if each.run_key == key and each.state == "pending"]
        again = max(0.0, waits[0].retry_at - time.time()) if waits else None
        text = "" if again is None else f"; again in {again:.0f} s"
        self._teller.tell("run_failed", **facts, next=text)
        self._tell_changes(before, after, only=("parked",))

    def _change(self, change: Callable[[State], State]) -> State:
        return update(self._ledger, change)

    def _run_folder(self, key: str) -> str:
        return os.path.join(paths.pipeline_folder(self._config), "retrain", "runs", key[:16])


def _numbers(new: tuple[tuple[int, int], ...]) -> str:
    return _spans(span for span, _ in new)


def _spans(numbers: Iterable[int]) -> str:
    """Ascending numbers, neighbours joined: 1-3, 7."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and parts[-1][-1] == number - 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(f"{each[0]}-{each[-1]}" if len(each) > 1 else f"{each[0]}" for each in parts)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
