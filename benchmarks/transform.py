"""`make bench-transform`: text to padded ids, against TFX's Transform and a plain tf.data map.

Every candidate lives in a process of its own, and its imports are not counted. They take turns, so
that whatever the machine does beside this hits all of them; a ratio is that within a turn, the median
of all turns. `beyond the start` is the time on all sentences less that on a few, in the same turn.
"""

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks import loss
from benchmarks.sentences import MEAN_TOKENS

STOCK, OURS, RARE = "stock", "ours", "ours inverse_frequency"
ROWS, PLAIN = "ours rows", "plain rows"
SENTENCES, FEW, MORE = 200_000, 20, 10
THREADS = (1, 2, 4)
Times = dict[str, dict[str, float]]  # by candidate: `cpu` and `wall`, seconds
Verdict = tuple[str, str, str, bool]


class Folders:
    """Where the sentences are, and what each candidate writes."""

    def __init__(self, root: str) -> None:
        self._root = root

    def data(self, count: int) -> str:
        return os.path.join(self._root, f"sentences-{count}")

    def output(self, candidate: str) -> str:
        return os.path.join(self._root, candidate.replace(" ", "-"))


@contextlib.contextmanager
def workers(names: Sequence[str]) -> Iterator[dict[str, loss.Worker]]:
    """A process for each name, ended at the end."""
    module = "benchmarks.transform_worker"
    made = {name: loss.Worker(name, sys.executable, module=module) for name in names}
    try:
        yield made
    finally:
        for worker in made.values():
            worker.close()


def run(worker: loss.Worker, folders: Folders, count: int, **options: Any) -> dict[str, float]:
    """CPU and wall seconds of a candidate on so many sentences."""
    chosen = {"data": folders.data(count), "output": folders.output(worker.name)} | options
    found: dict[str, float] = worker.ask("run " + json.dumps(chosen))
    return found


def make_sentences(folders: Folders, counts: Sequence[int]) -> None:
    with workers(["sentences"]) as made:
        for count in counts:
            options = {"folder": folders.data(count), "count": count}
            made["sentences"].ask("write " + json.dumps(options))


def speed(folders: Folders, sentences: int, repeats: int) -> dict[str, Any]:
    """Times of all candidates on a few sentences and on all of them; size and hash of the output."""
    names = [STOCK, OURS, RARE, ROWS, PLAIN]
    first: Times = {}
    few: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    full: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    with workers(names) as made:
        prepared = {"data": folders.data(sentences), "output": folders.output(ROWS)}
        for worker in made.values():
            if worker.name in (ROWS, PLAIN):
                worker.ask("prepare " + json.dumps(prepared))
            first[worker.name] = run(worker, folders, FEW)
        for turn in range(repeats + 1):
            for worker in made.values():
                found = (run(worker, folders, FEW), run(worker, folders, sentences))
                if turn:  # the first of each is not counted
                    few[worker.name].append(found[0])
                    full[worker.name].append(found[1])
        digests = {}
        for threads in THREADS:
            run(made[OURS], folders, sentences, threads=threads)
            digests[f"{threads} threads"] = _ask(made[OURS], "digest", folders)
        stored = _ask(made[OURS], "stored", folders)
        digests["plain tf.data map"] = _ask(made[PLAIN], "digest", folders)
    return {
        "first": first,
        "few": few,
        "full": full,
        "digests": digests,
        "stored": stored,
    }


def _ask(worker: loss.Worker, command: str, folders: Folders) -> Any:
    return worker.ask(f"{command} " + json.dumps({"output": folders.output(worker.name)}))


def memory(folders: Folders, counts: Sequence[int]) -> dict[str, int]:
    """Most bytes ever resident, by number of sentences; each in a new process."""
    peaks = {}
    for count in counts:
        with workers([OURS]) as made:
            run(made[OURS], folders, count)
            peaks[str(count)] = made[OURS].ask("peak")
    return peaks


def median(runs: Sequence[dict[str, float]], what: str) -> float:
    return statistics.median(each[what] for each in runs)


def seconds(record: dict[str, Any], name: str, what: str) -> list[float]:
    """On all sentences, of each turn."""
    return [each[what] for each in record["full"][name]]


def beyond_start(record: dict[str, Any], name: str, what: str) -> list[float]:
    """Seconds on all sentences less those on a few, of each turn."""
    few = [each[what] for each in record["few"][name]]
    return [all_ - few_ for all_, few_ in zip(seconds(record, name, what), few, strict=True)]


def ratio(one: Sequence[float], other: Sequence[float]) -> float:
    """The median of the ratios within each turn."""
    return statistics.median(a / b for a, b in zip(one, other, strict=True))


def verdicts(record: dict[str, Any]) -> list[Verdict]:
    """(what, asked, got, holds) for each line of the promise."""
    cpu, wall = (
        {name: seconds(record, name, what) for name in record["full"]} for what in ("cpu", "wall")
    )
    beyond = {name: beyond_start(record, name, "cpu") for name in cpu}
    start = record["first"][OURS]
    stored = record["stored"]
    rows = [
        _at_least(
            "tokens a CPU-second beyond the start, to TFX", 2, ratio(beyond[STOCK], beyond[OURS])
        ),
        _at_least(
            "wall time of TFX's to ours, start included", 2.5, ratio(wall[STOCK], wall[OURS])
        ),
        _at_most("rows: CPU to that of a plain tf.data map", 1.5, ratio(cpu[ROWS], cpu[PLAIN])),
        _at_most("inverse_frequency: CPU to that without", 1.1, ratio(cpu[RARE], cpu[OURS])),
        _at_most("  beyond the start", 1.1, ratio(beyond[RARE], beyond[OURS])),
        _at_most("first start, imports done: CPU", 4, start["cpu"], "{:.1f} s"),
        _at_most("first start, imports done: wall", 4, start["wall"], "{:.1f} s"),
        _at_most("padded to ragged, bytes stored", 1.2, stored["padded"] / stored["ragged"]),
        _at_most("different outputs", 1, len(set(record["digests"].values())), "{:.0f}"),
    ]
    if record["peaks"]:
        least, *others = record["peaks"].values()
        rows.append(_at_most(f"peak memory, {MORE} times the rows", 1.3, max(others) / least))
    return rows


def _at_least(what: str, least: float, got: float, form: str = "{:.2f}x") -> Verdict:
    return what, "at least " + form.format(least), form.format(got), got >= least


def _at_most(what: str, most: float, got: float, form: str = "{:.2f}x") -> Verdict:
    return what, "at most " + form.format(most), form.format(got), got <= most


def print_times(record: dict[str, Any], sentences: int) -> None:
    print(f"\n{sentences:,} sentences, {sentences * MEAN_TOKENS / 1e6:.1f} M tokens; seconds")
    print(f"  {'':24} {'CPU':>6} {'beyond':>7} {'wall':>6} {'start':>6} {'first':>6}")
    for name, runs in record["full"].items():
        figures = (
            median(runs, "cpu"),
            statistics.median(beyond_start(record, name, "cpu")),
            median(runs, "wall"),
            median(record["few"][name], "cpu"),
            record["first"][name]["cpu"],
        )
        print(f"  {name:24} {figures[0]:6.2f} {figures[1]:7.2f}", end="")
        print(" {:6.2f} {:6.2f} {:6.2f}".format(*figures[2:]))
    for count, peak in record["peaks"].items():
        print(f"  {OURS}, {int(count):,} sentences: most memory {peak / 2**20:,.0f} MiB")


def measure(root: str, sentences: int, repeats: int, *, more: bool) -> dict[str, Any]:
    """The whole record."""
    folders = Folders(root)
    counts = [sentences, MORE * sentences] if more else []
    make_sentences(folders, [FEW, sentences, *counts[1:]])
    record: dict[str, Any] = {"machine": loss.machine(None), "sentences": sentences}
    record |= speed(folders, sentences, repeats)
    record["peaks"] = memory(folders, counts)
    record["verdicts"] = verdicts(record)
    return record


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.transform", description=__doc__)
    parser.add_argument("--repeats", type=int, default=7, help="turns (default: 7)")
    parser.add_argument("--sentences", type=int, default=SENTENCES, help="default: %(default)s")
    parser.add_argument(
        "--json", default="build/bench-transform.json", help="where the record goes"
    )
    parser.add_argument(
        "--no-memory", action="store_true", help=f"leave out {MORE} times the sentences"
    )
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-transform-") as root:
        record = measure(root, chosen.sentences, chosen.repeats, more=not chosen.no_memory)
    print(", ".join(f"{key} {value}" for key, value in record["machine"].items()))
    print_times(record, chosen.sentences)
    loss.finish(record, chosen.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
