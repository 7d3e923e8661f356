"""What retrain says of what happens: lines for a person, and whatever else listens.

An event has a name and facts. `Teller` gives each to all listeners; one that fails does not end
retrain, since the data matter more than what is said of them.
"""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.retrain.states import State

Facts = dict[str, Any]
Listener = Callable[[str, Facts], None]


@dataclass(frozen=True)
class Teller:
    """Tells events to listeners, in order."""

    listeners: Sequence[Listener]

    def tell(self, event: str, **facts: Any) -> None:
        """Tell an event; the names, and the facts of each, are in docs/operations.md."""
        told = {"at": time.time(), **facts}
        for listener in self.listeners:
            try:
                listener(event, told)
            except Exception as error:
                log = logging.getLogger("tokenline")
                log.error("%s could not be told: %s", event, error)


_LINES = {
    "started": "tokenline retrain: {pipeline}, {path}",
    "version_lost": "  {reason}",
    "cleaned": "  {reason}",
    "not_cleaned": "  what a killed run left is not cleaned up: {reason}; the next run tries it again",
    "span_ready": "  span {span}{of_version}: ready",
    "span_waiting": "  span {span}: waits: {reason}",
    "span_parked": "  span {span}: parked: {reason}",
    "span_ignored": "  span {span}: late files are ignored",
    "span_unread": "  span {span}: its trained files are not as they were: not read again",
    "recovered": "  the run of span {new} did not end: {reason}",
    "run_started": "  run {key}: new span {new}, reads {window}{attempted}",
    "run_submitted": "  run {key}: job {job}: {address}",
    "run_goes_on": "  job {job} goes on; the next `tokenline retrain` takes it up",
    "run_known": "  run {key}: span {new}: such a run was {state} before: nothing to do",
    "run_pushed": "  run {key}: span {new} pushed as version {version} ({seconds:.0f} s)",
    "run_refused": "  run {key}: not pushed, what is served stays: {reason}",
    "run_failed": "  run {key}: failed: {reason}{again}",
    "queue_held": "  spans {spans} failed for the same reason, which is hardly theirs: the queue stops with "
    "{pending_spans} pending; mend the cause, then `tokenline retrain --retry all`",
    "renewed": "  the code or the configuration has changed: going on with the new one",
    "not_renewed": "  the code or the configuration has changed, and cannot be used: {reason}; waiting",
    "nothing_new": "nothing new: {known_spans} known, {pending} pending, {waiting} waiting, {parked} parked",
    "waiting": "  nothing due; waiting for new spans (Ctrl-C ends it)",
    "trouble": "  {reason}; waiting",
    "locked": "  {reason}; waiting",
    "stopped": "tokenline: stopped; what was finished is kept",
}


def to_terminal(event: str, facts: Facts) -> None:
    """Print an event as a line, if a person wants to know it."""
    if event in _LINES:
        print(_LINES[event].format(**(facts | _in_words(facts))), flush=True)


def _in_words(facts: Facts) -> Facts:
    """Numbers as lines have them, and the first line of the reason: the run itself has told it all."""
    first, *more = str(facts.get("reason", "")).splitlines() or [""]
    found = {"reason": f"{first} …" if more else first}
    if (version := facts.get("version")) is not None:
        found["of_version"] = f" version {version}" if version > 1 else ""
    if attempt := facts.get("attempt"):
        found["attempted"] = f", attempt {attempt}" if attempt > 1 else ""
    if "retry_in_seconds" in facts:
        seconds = facts["retry_in_seconds"]
        found["again"] = "" if seconds is None else f"; again in {seconds:.0f} s"
    for name in ("pending", "known"):
        if name in facts:
            found[f"{name}_spans"] = count(facts[name], "span")
    return found


def tell_changes(
    teller: Teller,
    before: State,
    after: State,
    only: tuple[str, ...] = ("pending", "waiting", "parked", "ignored"),
) -> None:
    """Tell of the span versions that came into one of these states."""
    known = {(each.span, each.version): each.state for each in before.spans}
    events = {"pending": "span_ready", "waiting": "span_waiting"}
    events |= {"parked": "span_parked", "ignored": "span_ignored"}
    for each in after.spans:
        if known.get((each.span, each.version)) != each.state and each.state in only:
            facts = {"span": each.span, "version": each.version, "reason": each.reason}
            teller.tell(events[each.state], **facts)


def numbers(spans: Iterable[int]) -> str:
    """Spans as people write them, neighbours joined: 1-3, 7."""
    parts: list[list[int]] = []
    for number in sorted(spans):
        if parts and parts[-1][-1] == number - 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(f"{each[0]}-{each[-1]}" if len(each) > 1 else f"{each[0]}" for each in parts)


def count(number: int, what: str) -> str:
    """A number of things: 1 span, 2 spans."""
    return f"{number} {what}{'' if number == 1 else 's'}"
