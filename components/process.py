"""How old this process is, and when it had loaded its libraries. Imports nothing heavy."""

import os
import time

_loaded_at: float | None = None


def age() -> float:
    """Seconds since this process started."""
    return time.monotonic() - _STARTED


def loaded() -> None:
    """Take note that the libraries are loaded: what comes from now on is work."""
    global _loaded_at
    if _loaded_at is None:
        _loaded_at = age()


def before_now() -> dict[str, float]:
    """The seconds so far, as phases of `components.trainer.goodput`.

    `import`: until the libraries were loaded, or all of it where nobody said so. `components`: since
    then.
    """
    now = age()
    imported = now if _loaded_at is None else _loaded_at
    return {"import": imported, "components": now - imported}


def _age_by_kernel() -> float:
    """From Linux's own books; elsewhere from when this module was imported."""
    try:
        with open("/proc/self/stat") as file:
            ticks = int(file.read().rpartition(")")[2].split()[19])  # field 22, proc_pid_stat(5)
        since_boot = time.clock_gettime(time.CLOCK_BOOTTIME)
        return max(0.0, since_boot - ticks / os.sysconf("SC_CLK_TCK"))
    except (OSError, AttributeError, ValueError, IndexError):
        return 0.0


_STARTED = time.monotonic() - _age_by_kernel()
