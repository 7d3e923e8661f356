"""What is in the span folders, taken into the ledger: new spans, changed ones, late files."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

from pipeline.retrain.arrivals import Arrival
from pipeline.retrain.states import TRAINED, SpanVersion, State

Late = Literal["retrain", "ignore", "error"]


def observe(state: State, arrivals: Iterable[Arrival], *, late: Late, now: float) -> State:
    """The ledger after a look at the folders; an equal one if nothing has changed.

    A span that was never trained and changes simply has new content, and a new count of attempts. One that
    was trained gets a new version: pending, ignored or parked, as `late` says. One whose content is again
    what was trained last loses the version that was not trained. What a run has claimed stays as it is
    until the run has ended.

    Args:
      state: the ledger, loaded before the folders were looked at.
      arrivals: every span folder that there is.
      late: what becomes of late files.
      now: Unix seconds.
    """
    seen = {arrival.span: arrival for arrival in arrivals}
    versions: dict[int, list[SpanVersion]] = {span: [] for span in sorted(seen)}
    for version in state.spans:
        versions.setdefault(version.span, []).append(version)
    found: list[SpanVersion] = []
    for span in sorted(versions):
        arrival = seen.get(span)
        found += (
            _seen(versions[span], arrival, late, now) if arrival else _gone(versions[span], now)
        )
    return replace(state, spans=tuple(found))


def _seen(
    versions: list[SpanVersion], arrival: Arrival, late: Late, now: float
) -> list[SpanVersion]:
    """The versions of one span whose folder is there."""
    here = [replace(one, gone=False) if one.gone else one for one in versions]
    if not here:
        return [_first(arrival, now)]
    newest, before = here[-1], here[:-1]
    if newest.state == "claimed" or _is_unchanged(newest, arrival):
        return here
    if newest.state in TRAINED:
        return _after_training(here, arrival, late, now)
    if arrival.ready and before and arrival.content == before[-1].content:
        return [*before[:-1], replace(before[-1], signature=arrival.signature)]
    if not arrival.ready and newest.state in ("parked", "ignored"):
        return here  # decided anew when it is known whether the content has changed
    return [*before, _changed(newest, arrival, late, now)]


def _is_unchanged(newest: SpanVersion, arrival: Arrival) -> bool:
    same = arrival.signature == newest.signature
    if newest.state == "waiting":
        return same and not arrival.ready and newest.reason == arrival.why
    return same and (newest.state != "pending" or arrival.ready)


def _first(arrival: Arrival, now: float) -> SpanVersion:
    version = SpanVersion(span=arrival.span, version=1, state="waiting", since=now, first_seen=now)
    return _filled(version, arrival, now)


def _filled(version: SpanVersion, arrival: Arrival, now: float) -> SpanVersion:
    """A version that is to be trained, with what is in the folder now."""
    if arrival.ready:
        changed = replace(
            version, state="pending", reason="", attempts=0, retry_at=0.0, alone=False
        )
    else:
        changed = replace(version, state="waiting", reason=arrival.why, attempts=0, retry_at=0.0)
    since = version.since if changed.state == version.state else now
    return replace(
        changed, content=arrival.content, files=arrival.files, signature=arrival.signature,
        since=since, run_key="",
    )  # fmt: skip


def _changed(newest: SpanVersion, arrival: Arrival, late: Late, now: float) -> SpanVersion:
    """An untrained version whose files are not what they were."""
    if arrival.ready and arrival.content == newest.content:
        return replace(newest, signature=arrival.signature)
    filled = _filled(newest, arrival, now)
    return _judged(filled, late, now) if newest.version > 1 else filled


def _after_training(
    here: list[SpanVersion], arrival: Arrival, late: Late, now: float
) -> list[SpanVersion]:
    """The versions after a look at a span that was trained, and whose files are not what they were."""
    newest = here[-1]
    if arrival.ready and arrival.content == newest.content:
        return [*here[:-1], replace(newest, signature=arrival.signature)]
    follower = SpanVersion(
        span=newest.span, version=newest.version + 1, state="waiting", since=now, first_seen=now
    )
    return [*here, _judged(_filled(follower, arrival, now), late, now)]


def _judged(version: SpanVersion, late: Late, now: float) -> SpanVersion:
    """Late files that are complete, as the policy wants them."""
    if version.state != "pending" or late == "retrain":
        return version
    if late == "ignore":
        return replace(
            version, state="ignored", since=now, reason="late files (retrain.late ignore)"
        )
    text = "late files of a span that was trained (retrain.late error)"
    return replace(version, state="parked", since=now, reason=text)


def _gone(versions: list[SpanVersion], now: float) -> list[SpanVersion]:
    """The versions of a span whose folder is not there any more."""
    newest = versions[-1]
    if newest.state == "claimed":
        return versions
    if newest.state == "pending":
        newest = replace(newest, state="waiting", content="", files=(), signature="", since=now)
    if newest.state == "waiting":
        newest = replace(newest, reason="its folder is not there")
    return [*versions[:-1], replace(newest, gone=True)]
