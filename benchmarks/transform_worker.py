"""One candidate of benchmarks.transform in a process of its own, told what to do line by line.

Commands, on standard input, each with JSON behind it; the answers are JSON lines. `run` (data,
output, threads) answers CPU and wall seconds; `prepare`, `digest` and `stored` are functions of
`transform_candidates`; `peak` answers the most bytes that were ever resident; `write` (folder,
count) makes the sentences.
"""

import gc
import json
import os
import pathlib
import resource
import shutil
import sys
import time
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries that print do not break the protocol
    import tfx.components  # noqa: F401  (before anything of TFDV's)

    from benchmarks import sentences, transform_candidates, worker

    # A full collection walks all that was imported, for 0.3 s, in whatever turn it comes.
    gc.freeze()
    for line in sys.stdin:
        command, _, argument = line.strip().partition(" ")
        options = json.loads(argument or "{}")
        answer: Any = None
        if command == "run":
            answer = _run(sys.argv[1], **options)
        elif command == "prepare":
            transform_candidates.prepare(**options)
        elif command == "digest":
            answer = transform_candidates.digest(**options)
        elif command == "stored":
            answer = transform_candidates.stored_bytes(**options)
        elif command == "peak":
            answer = worker._status("VmHWM")
        elif command == "write":
            sentences.write(**options)
        print(json.dumps(answer), file=answers, flush=True)


def _run(name: str, data: str, output: str, threads: int = 0) -> dict[str, float]:
    from benchmarks import transform_candidates
    from components import shards

    shards.THREADS = threads or shards.THREADS
    if pathlib.Path(output).exists():
        shutil.rmtree(output)
    started, used = time.perf_counter(), _cpu()
    transform_candidates.CANDIDATES[name](data, output)
    return {"cpu": _cpu() - used, "wall": time.perf_counter() - started}


def _cpu() -> float:
    found = resource.getrusage(resource.RUSAGE_SELF)
    return found.ru_utime + found.ru_stime


if __name__ == "__main__":
    main()
