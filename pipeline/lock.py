"""A lock file: one process at a time does what it guards, and the others are told who does.

The kernel holds the lock (flock), so it ends with its process, however that ends; what is written in
the file only tells who it was.
"""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from components.errors import Passing
from pipeline import paths

_LOOKS, _BETWEEN_LOOKS_SECONDS = 5, 0.02  # `is_held` takes a free lock for an instant


@dataclass(frozen=True)
class Holder:
    """Who holds a lock: the process, and since when, in seconds since 1970."""

    pid: int
    started: float

    @property
    def told(self) -> str:
        """The process, and for how long it has been holding the lock."""
        return f"process {self.pid}, for {duration(max(0.0, time.time() - self.started))}"


class Held(Passing):
    """Somebody else holds the lock: `holder`, unless the file does not say."""

    def __init__(self, message: str, holder: Holder | None = None) -> None:
        super().__init__(message)
        self.holder = holder


@contextlib.contextmanager
def held(path: str, what: str, *, advice: str = "wait for it") -> Iterator[None]:
    """Hold the lock while the block runs; its folder is made.

    Args:
      path: of the lock file, which stays there.
      what: what another holder is doing, a phrase: `another run of this pipeline`.
      advice: what the user can do about it.

    Raises:
      Held: somebody else does.
    """
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    # Not "w": that would empty a file that somebody else holds.
    with open(path, "a+", encoding="utf-8") as file:
        if not any(_taken(file, look) for look in range(_LOOKS)):
            raise _refusal(path, what, advice)
        file.truncate(0)
        json.dump({"pid": os.getpid(), "started": time.time()}, file)
        file.flush()
        yield


def is_held(path: str) -> bool:
    """Whether a living process holds the lock; nothing is written."""
    try:
        with open(path, encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # no such file: nobody ever has
        return False
    return False


def check_free(path: str, what: str, *, advice: str = "wait for it") -> None:
    """Say who holds a lock that is to be taken later; the arguments are those of `held`.

    Raises:
      Held: somebody does.
    """
    if is_held(path):
        raise _refusal(path, what, advice)


def _taken(file: IO[str], look: int) -> bool:
    time.sleep(_BETWEEN_LOOKS_SECONDS if look else 0.0)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _refusal(path: str, what: str, advice: str) -> Held:
    other = holder(path)
    who = f"{other.told}; " if other else ""
    return Held(f"{what} is in progress ({who}{paths.shown(path)} is locked): {advice}", other)


def holder(path: str) -> Holder | None:
    """Who holds the lock, or was the last to; None where the file does not say."""
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
        return Holder(int(found["pid"]), float(found["started"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def duration(seconds: float) -> str:
    """One figure, for people: 42 s, 5 min, 3 h, 2 days."""
    for unit, length, most in (("s", 1, 120), ("min", 60, 120), ("h", 3600, 48)):
        if seconds < most * length:
            return f"{int(seconds // length)} {unit}"
    return f"{int(seconds // 86400)} days"
