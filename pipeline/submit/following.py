"""Waiting for a job, with its steps as they go: what `tokenline run` shows of a run of its own."""

import json
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol, TextIO

from components.errors import Passing
from pipeline.submit.service import Look, Step
from pipeline.terminal import Terminal

POLL_SECONDS = 5.0
# So many looks in a row may fail, with a pause that grows to a minute: about a quarter of an hour.
_MOST_FAILED_LOOKS = 20
_LONGEST_PAUSE = 60.0


class Shown(Protocol):
    """Where a job's course is told."""

    def step(self, step: Step) -> None:
        """A step has ended."""

    def now(self, steps: list[Step]) -> None:
        """These are running now, perhaps none."""

    def delayed(self, reason: str) -> None:
        """The service does not answer."""

    def clear(self) -> None:
        """Leave nothing that would be written over."""


class Lines:
    """To the terminal: lines that stay, and one line that is rewritten; in a file, what is new."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._status = ""

    def step(self, step: Step) -> None:
        self._status = ""
        ran = step.state in ("done", "failed", "cancelled")
        time_taken = f"{step.seconds:.1f} s" if ran else step.state
        ended = f"  {step.state}" if step.state in ("failed", "cancelled") else ""
        self._terminal.line(f"  {step.name:<28}{time_taken:>9}{ended}")

    def now(self, steps: list[Step]) -> None:
        names = ", ".join(step.name for step in steps) or "waiting for the service"
        self._show(f"  {names} …")

    def delayed(self, reason: str) -> None:
        self._show(f"  {reason}")

    def _show(self, status: str) -> None:
        if status != self._status and self._terminal.said(status):
            self._status = status

    def clear(self) -> None:
        self._terminal.clear()


class Events:
    """As JSON, a line each."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def tell(self, event: str, **facts: Any) -> None:
        """One line."""
        self._stream.write(json.dumps({"event": event, **facts}) + "\n")
        self._stream.flush()

    def step(self, step: Step) -> None:
        facts = {"step": step.name, "state": step.state, "seconds": round(step.seconds, 3)}
        self.tell("step", **facts, **({"reason": step.reason} if step.reason else {}))

    def now(self, steps: list[Step]) -> None:
        pass

    def delayed(self, reason: str) -> None:
        self.tell("delayed", reason=reason)

    def clear(self) -> None:
        pass


def follow(
    look: Callable[[], Look], shown: Shown, sleep: Callable[[float], None] = time.sleep
) -> Look:
    """Look at a job until it has ended; what it is then.

    Raises:
      Passing: the service has not answered for a quarter of an hour; the job goes on.
      InputError: the service refuses to say.
    """
    told: set[str] = set()
    failed = 0
    while True:
        try:
            found = look()
        except Passing as error:
            failed += 1
            if failed == _MOST_FAILED_LOOKS:
                raise
            shown.delayed(str(error))
            sleep(min(POLL_SECONDS * failed, _LONGEST_PAUSE))
            continue
        failed = 0
        for step in found.steps:
            if step.name not in told and step.state not in ("waiting", "running"):
                told.add(step.name)
                shown.step(step)
        if found.has_ended:
            return found
        shown.now([step for step in found.steps if step.state == "running"])
        sleep(POLL_SECONDS)


def shown_on(stream: TextIO | None, *, as_json: bool) -> Lines | Events:
    """What tells a job's course, to the standard output where no stream is given."""
    target = stream or sys.stdout
    return Events(target) if as_json else Lines(Terminal(target))
