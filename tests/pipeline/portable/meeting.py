"""A step whose elements wait for each other: it ends only if as many are worked on at the same time."""

import os
import threading

barrier = threading.Barrier(1)
seen: set[str] = set()


def begin(workers: int) -> None:
    """Expect so many; the first to wait for a minute breaks it."""
    global barrier
    barrier = threading.Barrier(workers, timeout=60)
    seen.clear()


def meet(number: int) -> int:
    """Wait for the others, and note which ports this process listens on meanwhile."""
    barrier.wait()
    seen.update(listening())
    return number


def listening() -> set[str]:
    """The ports that this process listens on."""
    handles = (f"/proc/self/fd/{handle}" for handle in os.listdir("/proc/self/fd"))
    own = {os.readlink(handle) for handle in handles if os.path.lexists(handle)}
    found = set()
    for name in ("tcp", "tcp6"):
        with open(f"/proc/net/{name}") as lines:
            for facts in [line.split() for line in lines][1:]:
                if facts[3] == "0A" and f"socket:[{facts[9]}]" in own:
                    found.add(facts[1])
    return found
