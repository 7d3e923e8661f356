"""One candidate of benchmarks.train in a process of its own, told what to do line by line.

Commands, on standard input: `make JSON` (the case), `run STEPS` (answers useful tokens a second, and
the share of the time waited for data). The answers are JSON lines.
"""

import json
import os
import sys
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries that print do not break the protocol
    name = sys.argv[1]
    run: Callable[[int], Any] = lambda steps: None  # noqa: E731
    for line in sys.stdin:
        command, _, argument = line.strip().partition(" ")
        answer: Any = None
        if command == "make":
            run = _make(name, json.loads(argument))
        elif command == "run":
            answer = run(int(argument))
        print(json.dumps(answer), file=answers, flush=True)


def _make(name: str, sizes: dict[str, Any]) -> Callable[[int], Any]:
    from benchmarks.train_cases import Case

    if name.startswith("torch"):
        from benchmarks import train_torch

        return train_torch.make(name, Case(**sizes))
    from benchmarks import train_candidates

    return train_candidates.make(name, Case(**sizes))


if __name__ == "__main__":
    main()
