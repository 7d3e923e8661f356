"""One candidate of benchmarks.eval in a process of its own, told what to do line by line.

Commands, on standard input, each with JSON behind it; the answers are JSON lines. `prepare` (root,
count) makes data and models; `make` (root) makes the candidate ready; `run` answers CPU and wall
seconds and the loss; `peak` the most bytes that were ever resident.
"""

import gc
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries that print do not break the protocol
    import tfx.components  # noqa: F401  (before anything of TFDV's)

    from benchmarks import eval_candidates, transform_worker, worker

    gc.freeze()  # see transform_worker
    run: Callable[[], dict[str, float]] = dict
    for line in sys.stdin:
        command, _, argument = line.strip().partition(" ")
        options = json.loads(argument or "{}")
        answer: Any = None
        if command == "prepare":
            eval_candidates.prepare(**options)
        elif command == "make":
            run = eval_candidates.CANDIDATES[sys.argv[1]](options["root"])
        elif command == "run":
            started, used = time.perf_counter(), transform_worker._cpu()
            found = run()
            answer = {"cpu": transform_worker._cpu() - used, "wall": time.perf_counter() - started}
            answer |= found
        elif command == "peak":
            answer = worker._status("VmHWM")
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
