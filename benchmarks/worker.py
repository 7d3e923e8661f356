"""One candidate in a process of its own, told what to do line by line on its standard input.

Commands: `case JSON` (make it ready), `run` (answers seconds), `peak` (answers the most bytes resident
above the base, which is when the case was ready), `allocated` (the same of TensorFlow's allocator:
in use, without what it keeps for later), `save FILE` (loss and gradients). Answers are JSON lines.
"""

import json
import os
import pathlib
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")


def main() -> None:
    from benchmarks import loss_candidates
    from benchmarks.cases import Case

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries that print do not break the protocol
    name = sys.argv[1]
    run: Callable[[], list[Any]] = list
    base = allocated = 0
    for line in sys.stdin:
        command, _, argument = line.strip().partition(" ")
        answer: Any = None
        if command == "case":
            options = json.loads(argument)
            chunk = options.pop("chunk_tokens", None)
            run = loss_candidates.make(name, Case(**options), chunk_tokens=chunk)
            base = _forget_peak()
            allocated = _allocated("current")
        elif command == "run":
            started = time.perf_counter()
            run()
            answer = time.perf_counter() - started
        elif command == "peak":
            answer = _status("VmHWM") - base
        elif command == "allocated":
            answer = _allocated("peak") - allocated
        elif command == "save":
            _save(argument, run())
        print(json.dumps(answer), file=answers, flush=True)


def _save(path: str, results: list[Any]) -> None:
    import numpy as np

    np.savez(path, *[np.asarray(result) for result in results])


def _status(key: str) -> int:
    """A size in bytes from Linux's account of this process; 0 elsewhere."""
    status = pathlib.Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(key)), 0)


def _allocated(which: str) -> int:
    """`current` or `peak` bytes of TensorFlow's CPU allocator; `current` forgets the peak."""
    if "tensorflow" not in sys.modules:
        return 0
    import tensorflow as tf

    found = int(tf.config.experimental.get_memory_info("CPU:0")[which])
    if which == "current":
        tf.config.experimental.reset_memory_stats("CPU:0")
    return found


def _forget_peak() -> int:
    """The resident size now, from which on the peak is counted."""
    forget = pathlib.Path("/proc/self/clear_refs")
    if forget.exists():
        forget.write_text("5")
    return _status("VmRSS")


if __name__ == "__main__":
    main()
