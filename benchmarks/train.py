"""`make bench-train`: useful (real) tokens a second of SequenceTrainer, Keras's `fit`, and PyTorch.

All train the same model on the same sentences with as many of them a batch: ours cuts the padding
off, the others pad to the longest sentence that there may be. Every candidate lives in a process of its
own; they take turns, so that whatever the machine does beside this hits all of them. A ratio is that
within a turn, the median of all turns.
"""

import argparse
import contextlib
import dataclasses
import json
import statistics
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks import loss
from benchmarks.train_cases import LSTM, TRANSFORMER, Case

OURS, OURS_HALF = "ours float32", "ours bfloat16"
KERAS, KERAS_HALF = "keras float32", "keras bfloat16"
TORCH, TORCH_HALF = "torch float32", "torch bfloat16"
STEPS = 12
Speeds = dict[str, list[float]]
Verdict = tuple[str, str, str, bool]


@contextlib.contextmanager
def workers(names: Sequence[str], torch_python: str) -> Iterator[dict[str, loss.Worker]]:
    """A process for each name, ended at the end."""
    made = {
        name: loss.Worker(
            name,
            torch_python if name.startswith("torch") else sys.executable,
            module="benchmarks.train_worker",
        )
        for name in names
    }
    try:
        yield made
    finally:
        for worker in made.values():
            worker.close()


def measure(case: Case, names: Sequence[str], turns: int, torch_python: str) -> dict[str, Any]:
    """Useful tokens a second of each candidate and turn, and the largest share waited for data."""
    speeds: Speeds = {name: [] for name in names}
    waited = 0.0
    with workers(names, torch_python) as made:
        for worker in made.values():
            worker.ask("make " + json.dumps(dataclasses.asdict(case)))
        for _ in range(turns):
            for name, worker in made.items():
                speed, *wait = worker.ask(f"run {STEPS}")
                speeds[name].append(speed)
                waited = max([waited, *wait])
    return {"case": case.name, "speeds": speeds, "waited": waited}


def ratio(ours: Sequence[float], *theirs: Sequence[float]) -> float:
    """The median over the turns of ours to the fastest of theirs."""
    turns = zip(ours, zip(*theirs, strict=True), strict=True)
    return statistics.median(one / max(others) for one, others in turns)


def fastest(speeds: Speeds, *names: str) -> list[float]:
    """Each turn's fastest of these candidates."""
    return [max(turn) for turn in zip(*(speeds[name] for name in names), strict=True)]


def verdicts(record: dict[str, Any]) -> list[Verdict]:
    """(what, asked, got, holds) for each line of the promise."""
    transformer, lstm = record["transformer"]["speeds"], record["lstm"]["speeds"]
    ours = fastest(transformer, OURS, OURS_HALF)
    keras = [transformer[KERAS], transformer[KERAS_HALF]]
    rows = [
        _at_least("Transformer, to Keras in float32", 5, ratio(ours, keras[0])),
        _at_least("Transformer, to the faster Keras", 3, ratio(ours, *keras)),
    ]
    if TORCH in transformer:
        torch = [transformer[TORCH], transformer[TORCH_HALF]]
        rows.append(_at_least("Transformer, to the faster PyTorch", 2, ratio(ours, *torch)))
    ours = fastest(lstm, OURS, OURS_HALF)
    rows.append(_at_least("LSTM, to Keras in float32", 2, ratio(ours, lstm[KERAS])))
    waited = max(record["transformer"]["waited"], record["lstm"]["waited"])
    rows.append(("waiting for data", "at most 3.0%", f"{waited:.1%}", waited <= 0.03))
    return rows


def _at_least(what: str, least: float, got: float) -> Verdict:
    return what, f"at least {least:.1f}x", f"{got:.2f}x", got >= least


def print_speeds(part: dict[str, Any]) -> None:
    print(f"\n{part['case']}; useful tokens/s, median (slowest to fastest turn)")
    for name, found in part["speeds"].items():
        middle = statistics.median(found)
        print(f"  {name:16} {middle:8,.0f}  ({min(found):,.0f} to {max(found):,.0f})")


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.train", description=__doc__)
    parser.add_argument("--turns", type=int, default=5, help="default: 5")
    parser.add_argument("--torch-python", help="an interpreter that has PyTorch")
    parser.add_argument("--rows", type=int, help="sentences a batch (default: as each case has it)")
    parser.add_argument("--json", default="build/bench-train.json", help="where the record goes")
    chosen = parser.parse_args()
    python = loss.torch_interpreter(chosen.torch_python)
    peers = [KERAS, KERAS_HALF, *([TORCH, TORCH_HALF] if python else [])]
    sizes = {"rows": chosen.rows} if chosen.rows else {}
    record: dict[str, Any] = {"machine": loss.machine(python), "turns": chosen.turns}
    print(", ".join(f"{key} {value}" for key, value in record["machine"].items()), flush=True)
    for name, case, theirs in (("transformer", TRANSFORMER, peers), ("lstm", LSTM, [KERAS])):
        sized = dataclasses.replace(case, **sizes)
        record[name] = measure(sized, [OURS, OURS_HALF, *theirs], chosen.turns, python or "")
        print_speeds(record[name])
    record["verdicts"] = verdicts(record)
    loss.finish(record, chosen.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
