"""What retrain says of what happens: lines for a person, and whatever else listens.

An event has a name and facts. `Teller` gives each to all listeners; one that fails does not end
retrain, since the data matter more than what is said of them.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Facts = dict[str, Any]
Listener = Callable[[str, Facts], None]


@dataclass(frozen=True)
class Teller:
    """Tells events to listeners, in order."""

    listeners: Sequence[Listener]

    def tell(self, event: str, **facts: Any) -> None:
        """Tell an event; its names and facts are in docs/retraining.md."""
        told = {"at": time.time(), **facts}
        for listener in self.listeners:
            try:
                listener(event, told)
            except Exception as error:
                log = logging.getLogger("tokenline")
                log.error("%s could not be told: %s", event, error)


_LINES = {
    "started": "tokenline retrain: {pipeline}, {path}",
    "span_ready": "  span {span}{version}: ready",
    "span_waiting": "  span {span}: waits: {reason}",
    "span_parked": "  span {span}: parked: {reason}",
    "span_ignored": "  span {span}: late files are ignored",
    "recovered": "  the run of span {new} did not end: {reason}",
    "run_started": "  run {key}: new span {new}, reads {window}{attempt}",
    "run_known": "  run {key}: span {new}: such a run was {state} before: nothing to do",
    "run_pushed": "  run {key}: span {new} pushed as version {version} ({seconds:.0f} s)",
    "run_refused": "  run {key}: not pushed, what is served stays: {reason}",
    "run_failed": "  run {key}: failed: {reason}{next}",
    "nothing_new": "nothing new: {spans} known, {waiting} waiting, {parked} parked",
    "waiting": "  nothing due; waiting for new spans (Ctrl-C ends it)",
    "trouble": "  {reason}; waiting",
    "locked": "  {reason}; waiting",
    "stopped": "tokenline: stopped; what was finished is kept",
}


def to_terminal(event: str, facts: Facts) -> None:
    """Print an event as a line, if a person wants to know it."""
    if event in _LINES:
        print(_LINES[event].format(**facts), flush=True)
