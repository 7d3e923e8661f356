"""`make bench-eval`: our Evaluator against the bare forward pass, TFX's Evaluator and plain Beam.

Every candidate lives in a process of its own, and its imports are not counted. They take turns, so
that whatever the machine does beside this hits all of them; a ratio is that within a turn, the median
of all turns. The floor is the network's forward pass, its logits and their cross-entropy over batches
that are transformed, sorted by length and in memory already: no reading, no text, no Beam, no loading.
"""

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks import loss

FLOOR, OURS, BOTH, STOCK, LEAN = "floor", "ours", "ours with baseline", "stock", "lean"
NAMES = (FLOOR, OURS, BOTH, STOCK, LEAN)
SENTENCES = 20_000
START = 1.5  # seconds of CPU beside the work: Beam, loading the model, writing
MEMORY = 2 << 30
Runs = dict[str, list[dict[str, float]]]
Verdict = tuple[str, str, str, bool]


@contextlib.contextmanager
def workers(names: Sequence[str]) -> Iterator[dict[str, loss.Worker]]:
    """A process for each name, ended at the end."""
    module = "benchmarks.eval_worker"
    made = {name: loss.Worker(name, sys.executable, module=module) for name in names}
    try:
        yield made
    finally:
        for worker in made.values():
            worker.close()


def measure(root: str, sentences: int, turns: int) -> dict[str, Any]:
    """The runs of each candidate, and the most memory of each process."""
    with workers(["data"]) as made:
        made["data"].ask("prepare " + json.dumps({"root": root, "count": sentences}))
    runs: Runs = {name: [] for name in NAMES}
    with workers(NAMES) as made:
        for worker in made.values():
            worker.ask("make " + json.dumps({"root": root}))
        for turn in range(turns + 1):
            for name, worker in made.items():
                found = worker.ask("run")
                if turn:  # the first of each is not counted
                    runs[name].append(found)
        peaks = {name: worker.ask("peak") for name, worker in made.items()}
    return {"machine": loss.machine(None), "sentences": sentences, "runs": runs, "peaks": peaks}


def cpu(record: dict[str, Any], name: str) -> list[float]:
    """CPU seconds of each turn."""
    return [run["cpu"] for run in record["runs"][name]]


def ratio(one: Sequence[float], other: Sequence[float]) -> float:
    """The median of the ratios within each turn."""
    return statistics.median(a / b for a, b in zip(one, other, strict=True))


def verdicts(record: dict[str, Any]) -> list[Verdict]:
    """(what, asked, got, holds) for each line of the promise."""
    floor, ours, both = (cpu(record, name) for name in (FLOOR, OURS, BOTH))
    beyond = statistics.median(a - 1.5 * b for a, b in zip(ours, floor, strict=True))
    stock = ratio(cpu(record, STOCK), ours)
    two = ratio(both, ours)
    losses = [run["loss"] for name in NAMES for run in record["runs"][name]]
    spread = (max(losses) - min(losses)) / max(losses)
    most = max(record["peaks"][OURS], record["peaks"][BOTH])
    return [
        ("ours less 1.5 times the floor", f"at most {START} s", f"{beyond:.2f} s", beyond <= START),
        ("TFX's Evaluator with jackknife, to ours", "at least 2.5x", f"{stock:.2f}x", stock >= 2.5),
        ("candidate and baseline, to one model", "at most 1.80x", f"{two:.2f}x", two <= 1.8),
        ("the losses of all, apart", "at most 1e-6", f"{spread:.1e}", spread <= 1e-6),
        ("most memory of ours", "at most 2 GiB", f"{most / 2**30:.2f} GiB", most <= MEMORY),
    ]


def print_runs(record: dict[str, Any]) -> None:
    print(f"\n{record['sentences']:,} sentences; seconds, medians; most memory of the process")
    print(f"  {'':20} {'CPU':>6} {'wall':>6} {'MiB':>7}  loss")
    for name, runs in record["runs"].items():
        used, wall = (statistics.median(run[what] for run in runs) for what in ("cpu", "wall"))
        peak = record["peaks"][name] / 2**20
        print(f"  {name:20} {used:6.2f} {wall:6.2f} {peak:7,.0f}  {runs[-1]['loss']:.9f}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.eval", description=__doc__)
    parser.add_argument("--turns", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--sentences", type=int, default=SENTENCES, help="default: %(default)s")
    parser.add_argument("--json", default="build/bench-eval.json", help="where the record goes")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-eval-") as root:
        record = measure(root, chosen.sentences, chosen.turns)
    record["verdicts"] = verdicts(record)
    print(", ".join(f"{key} {value}" for key, value in record["machine"].items()))
    print_runs(record)
    loss.finish(record, chosen.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
