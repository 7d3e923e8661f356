"""What the next run is: which span versions are new in it, which ones it replays, what it is known by."""

import hashlib
import json
from collections.abc import Callable, Collection, Sequence
from typing import Any

from pipeline.retrain.states import Plan, RunResult, SpanVersion, State

Readable = Callable[[SpanVersion], bool]


def next_plan(
    state: State,
    *,
    window: int | None,
    refused: int | None,
    together: bool,
    code: str,
    config_digest: str,
    now: float,
    readable: Readable,
) -> Plan | None:
    """The run that is to be made next, or None if none is due or one is going on.

    Spans are new in the order of their numbers. One that is in its back-off holds those behind it, until it
    is trained or parked: none is skipped.

    Args:
      state: the ledger.
      window: how many spans a run reads at most, unless more are new; None for all.
      refused: how many spans that were refused since the last push it reads even so; None for all.
      together: all pending spans are new in one run, instead of one a run.
      code, config_digest: what else decides the result.
      now: Unix seconds.
      readable: of a version that was trained and has late files beside it, whether its own are as they were.
    """
    pending = [one for one in state.newest().values() if one.state == "pending"]
    if state.claimed() or not pending or not pending[0].is_due(now):
        return None
    new = _new(pending, now) if together else pending[:1]
    taken = {one.span for one in new}
    room = window if window is None else max(0, window - len(new))
    others = replayed(state, taken, room=room, refused=refused, readable=readable)
    spans = sorted(_content(one) for one in [*new, *others])
    numbers = tuple(one.identity for one in new)
    again = tuple(one.identity for one in new if _is_back(state, one))
    key = run_key(spans, numbers, code, config_digest, again)
    return Plan(key, tuple(spans), numbers, again, _done(state, key))


def wake_at(state: State, now: float) -> float | None:
    """When `next_plan` has a plan though nothing new has come: now, or at the end of a back-off."""
    pending = [one for one in state.newest().values() if one.state == "pending"]
    if state.claimed() or not pending:
        return None
    return now if pending[0].is_due(now) else pending[0].retry_at


def head(state: State) -> SpanVersion | None:
    """The first span of the queue, due or not."""
    return next((one for one in state.newest().values() if one.state == "pending"), None)


def replayed(
    state: State,
    taken: Collection[int],
    *,
    room: int | None,
    refused: int | None,
    readable: Readable,
) -> list[SpanVersion]:
    """What a window reads again, the highest numbers first: of each span the version that was trained last.

    Args:
      state: the ledger.
      taken: spans that are not to be among them.
      room: how many; None for all.
      refused: up to so many that were refused since the last push are among them, room or not; None: all.
      readable: see `next_plan`.
    """
    newest, again = state.newest(), state.refused_since_push()
    found: list[SpanVersion] = []
    owed = 0
    for one in reversed(state.trained().values()):
        is_owed = one.identity in again and (refused is None or owed < refused)
        if one.span in taken or not (is_owed or room is None or len(found) < room):
            continue
        if readable(one) if newest[one.span] != one else not one.gone:
            found.append(one)
            owed += is_owed
    return found


def run_key(
    spans: Sequence[tuple[int, int, str]],
    new: Sequence[tuple[int, int]],
    code: str,
    config_digest: str,
    again: Sequence[tuple[int, int]] = (),
) -> str:
    """64 hex digits: the same for the same content in, the same new spans, the same code and settings.

    Versions count where nothing else tells the run from the one that had the same content before: `again`.
    """
    contents = [[span, content] for span, _, content in spans]
    facts: list[Any] = [contents, [span for span, _ in new], code, config_digest]
    if again:
        facts.append([list(one) for one in again])
    text = json.dumps(facts)
    return hashlib.sha256(text.encode()).hexdigest()


def _new(pending: list[SpanVersion], now: float) -> list[SpanVersion]:
    """Those at the head of the queue that may be new in one run."""
    if pending[0].alone:
        return pending[:1]
    begun = pending[0].run_key  # it may have pushed before it died: the same run again
    several: list[SpanVersion] = []
    for version in pending:
        if version.alone or not version.is_due(now) or (begun and version.run_key != begun):
            break
        several.append(version)
    return several


def _is_back(state: State, new: SpanVersion) -> bool:
    """Whether an older version of the span had this content. It was trained, and another one since."""
    older = (one for one in state.spans if one.span == new.span and one.version < new.version)
    return any(one.content == new.content for one in older)


def _content(version: SpanVersion) -> tuple[int, int, str]:
    return version.span, version.version, version.content


def _done(state: State, key: str) -> RunResult | None:
    """What became of the run of this key, if it was pushed or refused.

    Its spans know that longer than the list of runs does.
    """
    for one in state.spans:
        if one.run_key == key and (one.state == "pushed" or one.state == "refused"):
            return one.state
    return None
