"""What happens to a run: claimed, finished, failed, given back; and what that means for its spans.

All are State -> State; they raise ValueError for what cannot happen to the run as it is, which is the
caller's mistake: another process has saved since, and the ledger was not loaded again.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from components.errors import InputError
from pipeline.retrain.states import TRAINED, Plan, Run, RunResult, SpanVersion, State, span_text

LONGEST_BACKOFF = 3600.0  # seconds
KEPT_RUNS = 1000
_Change = Callable[[SpanVersion], SpanVersion]


def claim(state: State, plan: Plan, *, pid: int, now: float) -> State:
    """The run of the plan begins, in process `pid`: nobody else may take its new spans.

    Raises:
      ValueError: another run is claimed, the plan is not of this state, or its key has been run.
    """
    if state.claimed() or plan.done:
        raise ValueError(f"run {plan.key}: got a claim, but it is done or another run is going on")
    contents = _pending_contents(state, plan)
    earlier = state.run(plan.key)
    run = Run(
        key=plan.key,
        window=span_text(tuple((span, version) for span, version, _ in plan.spans)),
        new=contents,
        state="claimed",
        started=now,
        pid=pid,
        attempts=earlier.attempts + 1 if earlier else 1,
    )

    def claimed(one: SpanVersion) -> SpanVersion:
        return replace(one, state="claimed", run_key=run.key, attempts=one.attempts + 1, since=now)

    return _with_run(_changed(state, plan.new, claimed), run)


def adopt(state: State, plan: Plan, *, now: float) -> State:
    """No run, as one with the same key is done: the new spans take what became of that.

    Raises:
      ValueError: no such run is done, or the plan is not of this state.
    """
    if not plan.done:
        raise ValueError(f"run {plan.key}: got no result to take, it was not run yet")
    _pending_contents(state, plan)
    result: RunResult = plan.done
    text = "the same content was trained before, in the same run"

    def adopted(one: SpanVersion) -> SpanVersion:
        return replace(one, state=result, run_key=plan.key, reason=text, since=now)

    return _changed(state, plan.new, adopted)


def finished(
    state: State,
    key: str,
    *,
    pushed: bool,
    now: float,
    reason: str = "",
    blessed: bool = False,
    pushed_version: int | None = None,
    metrics: Mapping[str, Any] | None = None,
) -> State:
    """The run has trained: its spans are pushed, or refused for the reason.

    The same state if that is known already, but for metrics, which may come later. What is told after
    the claim was given back holds as well, unless another run has taken the spans since.

    Raises:
      ValueError: there is no such run, or its spans are another run's.
    """
    run = _run(state, key)
    if run.state in TRAINED:
        return _measured(state, run, metrics or {})
    contents = {(span, version): content for span, version, content in run.new}
    result: RunResult = "pushed" if pushed else "refused"

    def trained(one: SpanVersion) -> SpanVersion:
        if one.state in TRAINED or (one.state == "claimed" and one.run_key != key):
            raise ValueError(f"run {key}: span {one.span} v{one.version} is run {one.run_key}'s")
        content = contents[one.identity]
        # Files that have changed since are found to be late at the next look.
        same = one.content == content
        signature, files = (one.signature, one.files) if same else ("", ())
        return replace(
            one, state=result, content=content, signature=signature, files=files, run_key=key,
            reason=reason, retry_at=0.0, alone=False, since=now,
        )  # fmt: skip

    state = _with_lost(state, run, now)
    ended = replace(
        run, state=result, ended=now, reason=reason, blessed=blessed,
        pushed_version=pushed_version, metrics=dict(metrics or {}),
    )  # fmt: skip
    return _with_run(_changed(state, contents, trained), ended)


def _measured(state: State, run: Run, metrics: Mapping[str, Any]) -> State:
    """The state with the metrics of a run that has ended, unless they are known."""
    if run.metrics or not metrics:
        return state
    told = replace(run, metrics=dict(metrics))
    return replace(state, runs=tuple(told if one is run else one for one in state.runs))


def failed(
    state: State,
    key: str,
    reason: str,
    *,
    permanent: bool,
    passing: bool = False,
    common: bool = False,
    retries: int,
    backoff_seconds: float,
    now: float,
) -> State:
    """The run has failed: its new spans wait for another attempt, or are parked after the last one.

    Spans that failed as new ones of the same run are tried one by one then, before any is parked.

    Args:
      state: the ledger.
      key: of the claimed run.
      reason: one line.
      permanent: whether another attempt would end in the same way.
      passing: whether something outside was in the way: it waits as for another attempt, but no number of
        these parks it.
      common: whether others before it were parked for the same reason: it is not, and is due at once, for
        whoever takes the queue up again.
      retries: how many attempts may follow the first one.
      backoff_seconds: until the second attempt; doubles from one to the next, up to an hour.
      now: Unix seconds.

    Raises:
      ValueError: no such run is claimed.
    """
    run = _claimed(state, key)

    def tried(one: SpanVersion) -> SpanVersion:
        wait = min(backoff_seconds * 2.0 ** min(one.attempts - 1, 64), LONGEST_BACKOFF)
        back = replace(one, state="pending", reason=reason, since=now, retry_at=now + wait)
        if common:
            return replace(back, attempts=one.attempts - 1, retry_at=0.0)
        if passing:
            return replace(back, attempts=one.attempts - 1)
        if not permanent and one.attempts <= retries:
            return back
        if len(run.new) > 1:
            return replace(back, alone=True, attempts=0, retry_at=0.0)
        return replace(back, state="parked", retry_at=0.0)

    ended = _ended(state, run, tried, reason, now)
    parked = any(one.state == "parked" and one.run_key == key for one in ended.spans)
    for_good = permanent or common or parked
    return _with_run(ended, replace(ended.runs[-1], permanent=for_good))


def release(state: State, key: str, *, now: float) -> State:
    """The run was stopped by its user: its spans are as before, and that was no attempt.

    Raises:
      ValueError: no such run is claimed.
    """

    def back(one: SpanVersion) -> SpanVersion:
        return replace(one, state="pending", attempts=one.attempts - 1, retry_at=0.0, since=now)

    return _ended(state, _claimed(state, key), back, "interrupted", now)


def recover(state: State, *, retries: int, now: float) -> State:
    """What the dead have claimed is pending again, without a back-off, as after a failed attempt.

    A span that takes its whole container down with it must not be tried for ever; but one death may be the
    machine's own, whatever `retries` says of failures. Only for who holds the pipeline's lock: the one who
    claimed is dead then.
    """
    run = state.claimed()
    if run is None:
        return state
    text = f"process {run.pid} died in it"
    return failed(
        state, run.key, text, permanent=False, retries=max(1, retries), backoff_seconds=0.0, now=now
    )


def retry(state: State, span: int, *, now: float) -> State:
    """A span that is parked, ignored or in its back-off is due at once, with all its attempts.

    Raises:
      InputError: there is no such span, or it is neither.
    """
    newest = state.newest().get(span)
    if newest is None:
        raise InputError(f"span {span}: got no such span, expected one that was seen")
    if newest.state not in ("parked", "ignored", "pending"):
        text = "expected one that is parked, ignored or pending"
        raise InputError(f"span {span}: got one that is {newest.state}, {text}")
    if newest.gone:
        raise InputError(f"span {span}: its folder is not there, expected its files")

    def due(one: SpanVersion) -> SpanVersion:
        return replace(one, state="pending", attempts=0, retry_at=0.0, since=now)

    return _changed(state, [newest.identity], due)


def retry_all(state: State, *, now: float) -> State:
    """All spans that are parked are due at once, with all their attempts; not those without a folder."""

    def due(one: SpanVersion) -> SpanVersion:
        return replace(one, state="pending", attempts=0, retry_at=0.0, since=now)

    newest = state.newest().values()
    parked = [one.identity for one in newest if one.state == "parked" and not one.gone]
    return _changed(state, parked, due)


def _ended(state: State, run: Run, change: _Change, reason: str, now: float) -> State:
    """A claimed run that ends without a model."""
    new = [(span, version) for span, version, _ in run.new]
    ended = replace(run, state="failed", ended=now, reason=reason)
    return _with_run(_changed(state, new, change), ended)


def _pending_contents(state: State, plan: Plan) -> tuple[tuple[int, int, str], ...]:
    """What the plan takes as new, if that is still pending, as planned."""
    contents = {(span, version): content for span, version, content in plan.spans}
    wanted = [(span, version, contents[span, version]) for span, version in plan.new]
    there = {(one.span, one.version, one.content) for one in state.spans if one.state == "pending"}
    if missing := [one for one in wanted if one not in there]:
        raise ValueError(f"run {plan.key}: got {missing} as new, expected what is pending")
    return tuple(wanted)


def _changed(state: State, identities: Any, change: _Change) -> State:
    """The state with some of its span versions changed."""
    chosen = set(identities)
    spans = tuple(change(one) if one.identity in chosen else one for one in state.spans)
    return replace(state, spans=spans)


def _with_run(state: State, run: Run) -> State:
    """The state with this run as its last; the oldest one goes if there are too many."""
    runs = (*(one for one in state.runs if one.key != run.key), run)
    folded = max(0, len(runs) - KEPT_RUNS)
    return replace(state, runs=runs[folded:], folded_runs=state.folded_runs + folded)


def _run(state: State, key: str) -> Run:
    run = state.run(key)
    if run is None:
        raise ValueError(f"run {key}: got a key that the ledger does not know")
    return run


def _with_lost(state: State, run: Run, now: float) -> State:
    """The state in which all versions that the run trained are there again.

    After a claim was given back, a version may have gone: its span's files were again what they had been.
    """
    there = {one.identity for one in state.spans}
    lost = tuple(
        SpanVersion(span=span, version=version, state="pending", content=content, first_seen=now)
        for span, version, content in run.new
        if (span, version) not in there
    )
    return replace(state, spans=tuple(sorted((*state.spans, *lost), key=_identity)))


def _identity(version: SpanVersion) -> tuple[int, int]:
    return version.identity


def _claimed(state: State, key: str) -> Run:
    run = _run(state, key)
    if run.state != "claimed":
        raise ValueError(f"run {key}: got one that is {run.state}, expected a claimed one")
    return run
