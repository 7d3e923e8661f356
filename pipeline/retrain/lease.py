"""One retrain a pipeline, where its root is an object store: a lease, renewed while its holder lives.

A holder that died frees it by not renewing it. It keeps two from doing the same work; that nothing is done
twice hangs neither on it nor on clocks, but on the ledger's compare and swap and on the jobs' ids.
"""

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from components import conditional
from components.errors import InputError, Passing
from pipeline import lock

SECONDS = 180.0
_RENEWALS = 3  # in that time
_CLOCKS_APART = (
    60.0  # one that ends later than this after its time is no lease that a right clock gave
)
_FREE = json.dumps({"holder": "", "expires": 0.0}).encode()
Clock = Callable[[], float]


class Lease:
    """The lease at one address, as one process has it.

    Attributes:
      lost: whether somebody else has it by now, or may have.
    """

    def __init__(
        self,
        address: str,
        *,
        seconds: float = SECONDS,
        now: Clock = time.time,
        sleep: conditional.Sleep = time.sleep,
    ) -> None:
        """Take where it is, for how long it holds without being renewed, and the clock."""
        self._address = address
        self._seconds = seconds
        self._now = now
        self._sleep = sleep
        self._token = conditional.ABSENT
        self._since = self._until = 0.0
        self.lost = False

    def take(self, what: str) -> None:
        """Become the holder.

        Args:
          what: what another holder is doing, a phrase.

        Raises:
          lock.Held: somebody else is.
          InputError: the store refuses, or is out of reach.
        """
        found = conditional.read(self._address, sleep=self._sleep)
        self._refuse_if_held(found, what)
        self._since = self._now()
        written = self._write(found.token)
        if written is None:  # somebody was quicker
            self._refuse_if_held(conditional.read(self._address, sleep=self._sleep), what)
            raise lock.Held(f"{what} has just begun ({self._address}): wait for it")
        self._token = written

    def renew(self) -> None:
        """Go on holding it; `lost` if that cannot be."""
        try:
            written = self._write(self._token)
        except Passing:  # it holds till then
            self.lost = self.lost or self._now() >= self._until
            return
        except InputError:
            written = None
        self.lost = self.lost or written is None
        self._token = written or self._token

    def release(self) -> None:
        """Let the next one have it at once; what cannot be told now, time tells."""
        with contextlib.suppress(InputError):
            conditional.write(self._address, _FREE, self._token, sleep=lambda _: None)

    def _write(self, token: str) -> str | None:
        until = self._now() + self._seconds
        facts = {"holder": _this_process(), "since": self._since, "expires": until}
        written = conditional.write(
            self._address, json.dumps(facts).encode(), token, sleep=self._sleep
        )
        if written is not None:
            self._until = until
        return written

    def _refuse_if_held(self, found: conditional.Document, what: str) -> None:
        facts = _facts(found.content)
        left = facts["expires"] - self._now()
        if not 0 < left <= self._seconds + _CLOCKS_APART:
            return
        held = lock.duration(max(0.0, self._now() - facts["since"]))
        who = f"{facts['holder']}, for {held}; {self._address}"
        raise lock.Held(f"{what} is in progress ({who}): wait for it")


@contextlib.contextmanager
def held(
    address: str, what: str, *, lost: Callable[[], Any], seconds: float = SECONDS
) -> Iterator[Lease]:
    """Hold the lease while the block runs.

    Args:
      address: of the object.
      what: what another holder is doing, a phrase.
      lost: called from another thread if it goes to somebody else meanwhile: the block is to end.
      seconds: for how long it holds without being renewed.

    Raises:
      lock.Held: somebody else has it.
      InputError: the store refuses, or is out of reach.
    """
    lease = Lease(address, seconds=seconds)
    lease.take(what)
    done = threading.Event()

    def keep() -> None:
        while not lease.lost and not done.wait(seconds / _RENEWALS):
            try:
                lease.renew()
            except BaseException:  # it is not renewed, whatever the reason
                lease.lost = True
                raise
            finally:
                if lease.lost:
                    lost()

    keeper = threading.Thread(target=keep, name="lease", daemon=True)
    keeper.start()
    try:
        yield lease
    finally:
        done.set()
        keeper.join()
        if not lease.lost:
            lease.release()


def _facts(content: bytes | None) -> dict[str, Any]:
    """Who has it and until when; what cannot be read is held by nobody."""
    try:
        found = json.loads(content or b"{}")
        return {
            "holder": str(found.get("holder", "")),
            "since": float(found.get("since", 0.0)),
            "expires": float(found.get("expires", 0.0)),
        }
    except (ValueError, TypeError, AttributeError):
        return {"holder": "", "since": 0.0, "expires": 0.0}


def _this_process() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"
