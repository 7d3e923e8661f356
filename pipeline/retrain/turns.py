"""Waiting for a lock that another process holds: told once for each holder, ended by a signal."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from pipeline import lock
from pipeline.retrain import supervise, watching
from pipeline.retrain.telling import Teller


@contextlib.contextmanager
def in_turn(
    taken: Callable[[], contextlib.AbstractContextManager[Any]],
    teller: Teller | None,
    stop: watching.Stop,
    *,
    pause_seconds: float,
    pauses: int | None = None,
) -> Iterator[None]:
    """Hold a lock as soon as it is free, while the block runs; that of a dead process is free.

    Args:
      taken: the lock, held or `lock.Held`; asked at each look.
      teller: of who holds it; None: nobody is told, as the wait is short and its end says it.
      stop: what ends the waiting.
      pause_seconds: from one look to the next.
      pauses: how many there are at most; None: as many as it takes.

    Raises:
      lock.Held: it is still held after the last pause.
      supervise.Stopped: somebody asked for it meanwhile.
    """
    told: list[lock.Holder | None] = []
    with contextlib.ExitStack() as held:
        while True:
            try:
                held.enter_context(taken())
                break
            except lock.Held as error:
                if pauses == 0:
                    raise
                if teller and told[-1:] != [error.holder]:
                    teller.tell("locked", reason=str(error))
                    told.append(error.holder)
            pauses = None if pauses is None else pauses - 1
            if stop.wait(pause_seconds):
                raise supervise.Stopped
        yield
