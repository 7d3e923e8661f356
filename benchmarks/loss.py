"""`make bench-loss`: projection, loss and gradients, against Keras, TF Addons' formula and PyTorch.

Every candidate lives in a process of its own. They take turns, one run each, so that whatever the
machine does beside this hits all of them; the figures are ratios of medians. The first run of each
(tracing, XLA's compilation, first touch of memory) is not counted.
"""

import argparse
import contextlib
import dataclasses
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import IO, Any

import numpy as np

from benchmarks import memory_log
from benchmarks.cases import Case

HEADLINE = Case()
GRID = [
    Case(classes=classes, features=features, padding=padding)
    for classes in (1_000, 32_000, 128_000)
    for features in (128, 512)
    for padding in (0.0, 0.45, 0.8)
]
KERAS, ADDONS, FUSED = "keras", "addons", "fused float32"
HALF, GATHERED = "fused bfloat16", "torch gathered"
PEERS = [KERAS, "keras xla", ADDONS, "addons xla"]
OURS = [FUSED, HALF, "fused float32 xla"]
ROOFS = {FUSED: "matmul float32", HALF: "matmul bfloat16"}
FLAT = [8_000, 32_000, 128_000]
CHUNKS = [32, 64, 128, 256, 384, 512, 768, 1024]
FLAT_BATCH = 170  # with which the equal chunks are nearly full at each V
FLAT_RUNS = 3
BUDGET = 16 * 2**20


class Worker:
    """A candidate's process."""

    def __init__(
        self,
        name: str,
        python: str,
        log: IO[str] | None = None,
        module: str = "benchmarks.worker",
    ) -> None:
        """log: where TensorFlow's allocations are written (`memory_log`); None: nowhere."""
        self.name = name
        quiet = subprocess.PIPE if name.startswith("torch") else subprocess.DEVNULL
        self._process = subprocess.Popen(
            [python, "-m", module, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=quiet if log is None else log,
            env=None if log is None else os.environ | memory_log.ENVIRONMENT,
            text=True,
            cwd=pathlib.Path(__file__).parent.parent,
        )

    def ask(self, command: str) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f"bench: {self.name} ended with code {self._process.wait()}")
        return json.loads(answer)

    def prepare(self, case: Case, **options: Any) -> None:
        self.ask("case " + json.dumps(dataclasses.asdict(case) | options))

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


@contextlib.contextmanager
def workers(names: Sequence[str], torch_python: str) -> Iterator[dict[str, Worker]]:
    """A process for each name, ended at the end."""
    made = {
        name: Worker(name, torch_python if name.startswith("torch") else sys.executable)
        for name in names
    }
    try:
        yield made
    finally:
        for worker in made.values():
            worker.close()


def take_turns(asked: Sequence[Worker], repeats: int) -> dict[str, list[float]]:
    """Seconds of `repeats` runs of each, alternating, after one that is not counted."""
    times: dict[str, list[float]] = {worker.name: [] for worker in asked}
    for turn in range(repeats + 1):
        for worker in asked:
            seconds = worker.ask("run")
            if turn:
                times[worker.name].append(seconds)
            time.sleep(0.05)  # the last one's threads stop spinning
    return times


def median(times: Sequence[float]) -> float:
    return statistics.median(times)


def headline(repeats: int, torch_python: str | None) -> dict[str, Any]:
    """The table of ratios, the share of the machine's matmul speed, errors and peak memory."""
    names = [*PEERS, *OURS, *ROOFS.values()]
    names += ["torch ignore_index", GATHERED] if torch_python else []
    with workers(names, torch_python or "") as made:
        for worker in made.values():
            worker.prepare(HEADLINE)
        times = take_turns(list(made.values()), repeats)
        peaks = {name: made[name].ask("peak") for name in names}
        errors = _errors(made)
    _print_times(HEADLINE, times, peaks)
    for name, error in errors.items():
        print(f"  {name}: loss {error['loss']:.1e}, gradients {error['gradient']:.1e} from float64")
    return {"case": HEADLINE.name, "seconds": times, "peak_bytes": peaks, "errors": errors}


def _errors(made: dict[str, Worker]) -> dict[str, dict[str, float]]:
    """Relative errors of loss and gradients (by norm) against float64 NumPy."""
    with tempfile.TemporaryDirectory() as folder, workers(["float64 reference"], "") as extra:
        reference = extra["float64 reference"]
        reference.prepare(HEADLINE)
        expected = _results(reference, folder)
        errors = {}
        for name in (KERAS, *OURS):
            got = _results(made[name], folder)
            gradients = zip(got[1:], expected[1:], strict=True)
            errors[name] = {
                "loss": float(abs(got[0] - expected[0]) / expected[0]),
                "gradient": max(
                    float(np.linalg.norm(a - b) / np.linalg.norm(b)) for a, b in gradients
                ),
            }
    return errors


def _results(worker: Worker, folder: str) -> list[np.ndarray]:
    path = pathlib.Path(folder, "results.npz")
    worker.ask(f"save {path}")
    with np.load(path) as arrays:
        return [arrays[key].astype(np.float64) for key in arrays.files]


def _print_times(
    case: Case, times: dict[str, list[float]], peaks: dict[str, int] | None = None
) -> None:
    keras = median(times[KERAS])
    print(f"\n{case.name}, {case.real:,} real positions; medians of {len(times[KERAS])}")
    for name, seconds in times.items():
        spread = f"{1e3 * min(seconds):.0f}-{1e3 * max(seconds):.0f}"
        peak = f"  peak {peaks[name] / 2**20:6,.0f} MiB" if peaks else ""
        ratio = f"keras / this {keras / median(seconds):5.2f}"
        print(f"  {name:20s} {1e3 * median(seconds):7.0f} ms ({spread:>11s})  {ratio}{peak}")


def grid(repeats: int) -> list[dict[str, Any]]:
    """V, padding and D varied: Keras, ours in float32 and with bfloat16 products."""
    rows = []
    print("\nkeras, fused float32, fused bfloat16: median ms; keras / fused")
    with workers([KERAS, FUSED, HALF], "") as made:
        for case in GRID:
            for worker in made.values():
                worker.prepare(case)
            times = take_turns(list(made.values()), repeats)
            keras, full, half = (median(times[name]) for name in (KERAS, FUSED, HALF))
            rows.append({"case": dataclasses.asdict(case), "seconds": times})
            print(
                f"  V={case.classes:>7,} D={case.features:3} padding {case.padding:4.0%}"
                f" {1e3 * keras:7.0f} {1e3 * full:7.0f} {1e3 * half:7.0f}"
                f"   {keras / full:5.2f} {keras / half:5.2f}",
                flush=True,
            )
    return rows


def flatness() -> list[dict[str, Any]]:
    """What the loss holds beyond the gradients, as V grows and chunks keep `BUDGET` elements."""
    rows = []
    print("\nmost bytes of tensors alive, and resident, beyond weights and gradients, MiB")
    for name in (FUSED, HALF):
        for classes in FLAT:
            case = Case(classes=classes, batch=FLAT_BATCH)
            chunk = BUDGET // classes
            beyond = _most_alive(name, case, chunk) - case.gradient_bytes
            with workers([name], "") as made:
                made[name].prepare(case, chunk_tokens=chunk)
                for _ in range(FLAT_RUNS):
                    made[name].ask("run")
                resident = made[name].ask("peak") - case.gradient_bytes
            rows.append(
                {"candidate": name, "classes": classes, "beyond": beyond, "resident": resident}
            )
            print(
                f"  {name:15s} V={classes:>7,} {beyond / 2**20:6.0f} {resident / 2**20:6.0f}",
                flush=True,
            )
    return rows


def _most_alive(name: str, case: Case, chunk_tokens: int) -> int:
    """Bytes of tensors beyond those alive before, the most of `FLAT_RUNS` runs."""
    tensors = memory_log.Tensors()
    with tempfile.NamedTemporaryFile("w") as log, open(log.name, encoding="utf-8") as lines:
        worker = Worker(name, sys.executable, log)
        try:
            worker.prepare(case, chunk_tokens=chunk_tokens)
            tensors.read(lines)
            before = tensors.now
            tensors.forget_peak()
            for _ in range(FLAT_RUNS):
                worker.ask("run")
        finally:
            worker.close()
        tensors.read(lines)
    return tensors.peak - before


def chunk_sizes(repeats: int) -> list[dict[str, Any]]:
    """Time and memory by `chunk_tokens`: what the constants of `linear_chunks` are from."""
    rows = []
    for classes in (32_000, 128_000):
        case = Case(classes=classes)
        print(
            f"\n{case.name}; chunk_tokens: float32 ms, bfloat16 ms, MiB beyond gradients (float32)"
        )
        for tokens in CHUNKS:
            with workers([FUSED, HALF], "") as made:
                for worker in made.values():
                    worker.prepare(case, chunk_tokens=tokens)
                times = take_turns(list(made.values()), repeats)
                used = made[FUSED].ask("allocated") - case.gradient_bytes
            rows.append({"classes": classes, "tokens": tokens, "seconds": times, "beyond": used})
            print(
                f"  {tokens:5} {1e3 * median(times[FUSED]):6.0f}"
                f" {1e3 * median(times[HALF]):6.0f} {used / 2**20:6.0f}",
                flush=True,
            )
    return rows


def verdicts(record: dict[str, Any]) -> list[tuple[str, str, str, bool]]:
    """(what, asked, got, holds) for each line of the promise."""
    times = {name: median(t) for name, t in record["headline"]["seconds"].items()}
    peaks, errors = record["headline"]["peak_bytes"], record["headline"]["errors"]
    addons = min(times[ADDONS], times["addons xla"])
    rows: list[tuple[str, str, float, bool, str]] = []

    def at_least(what: str, least: float, got: float, form: str = "{:.2f}x") -> None:
        rows.append((what, "at least " + form.format(least), got, got >= least, form))

    def at_most(what: str, most: float, got: float, form: str) -> None:
        rows.append((what, "at most " + form.format(most), got, got <= most, form))

    at_least("float32, against Keras on logits", 2.3, times[KERAS] / times[FUSED])
    at_least("float32, against Addons, graph or XLA", 2.0, addons / times[FUSED])
    at_least("bfloat16 products, against Keras float32", 6.0, times[KERAS] / times[HALF])
    at_most("  its loss error", 1e-4, errors[HALF]["loss"], "{:.1e}")
    at_most("  its gradient error", 0.01, errors[HALF]["gradient"], "{:.2%}")
    at_most("peak memory, against Keras", 0.25, peaks[FUSED] / peaks[KERAS], "{:.2f}")
    # With bfloat16 products the kernel's 16-bit copy grows with V: shown, not promised.
    beyond = [row["beyond"] for row in record["flatness"] if row["candidate"] == FUSED]
    spread = max(beyond) / min(beyond) - 1
    at_most("tensors alive from V=8k to 128k, float32: spread", 0.2, spread, "{:.0%}")
    for name, least in ((FUSED, 0.7), (HALF, 0.5)):
        at_least(
            f"share of matmul speed, {name}", least, times[ROOFS[name]] / times[name], "{:.0%}"
        )
    for row in record["grid"]:
        case = Case(**row["case"])
        if case.padding == 0:
            ratio = median(row["seconds"][KERAS]) / median(row["seconds"][FUSED])
            at_least(f"all real, V={case.classes:,} D={case.features}", 1.0, ratio)
    if GATHERED in times:
        at_least("float32, against PyTorch on gathered rows", 1.0, times[GATHERED] / times[FUSED])
    return [(what, asked, form.format(got), holds) for what, asked, got, holds, form in rows]


def machine(torch_python: str | None) -> dict[str, Any]:
    """What the figures belong to."""
    info = pathlib.Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if "model name" in line), "")
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    packages = ("tensorflow", "keras", "numpy")
    return {
        "python": platform.python_version(),
        "processor": model or platform.machine(),
        "cores": os.cpu_count(),
        "has": [f for f in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f in flags],
        **{package: importlib.metadata.version(package) for package in packages},
        "torch": _torch_version(torch_python) if torch_python else "not installed",
    }


def torch_interpreter(named: str | None) -> str | None:
    """The interpreter that runs PyTorch: the one named, else this one if it has it."""
    has_torch = importlib.util.find_spec("torch") is not None
    return named or (sys.executable if has_torch else None)


def _torch_version(python: str) -> str:
    command = [python, "-c", "import torch; print(torch.__version__)"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode:
        raise SystemExit(f"bench: {python} cannot import torch: {found.stderr.strip()[-200:]}")
    return found.stdout.strip()


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.loss", description=__doc__)
    parser.add_argument("--repeats", type=int, default=7, help="runs of each (default: 7)")
    parser.add_argument("--json", default="build/bench-loss.json", help="where the record goes")
    parser.add_argument("--chunks", action="store_true", help="only the table of chunk sizes")
    parser.add_argument("--torch-python", help="an interpreter that has PyTorch and NumPy")
    chosen = parser.parse_args()
    torch_python = torch_interpreter(chosen.torch_python)
    record: dict[str, Any] = {"machine": machine(torch_python)}
    print(", ".join(f"{key} {value}" for key, value in record["machine"].items()))
    if chosen.chunks:
        record["chunks"] = chunk_sizes(chosen.repeats)
    else:
        record["headline"] = headline(chosen.repeats, torch_python)
        record["grid"] = grid(chosen.repeats)
        record["flatness"] = flatness()
        record["verdicts"] = verdicts(record)
    finish(record, chosen.json, "" if torch_python else "; PyTorch is left out: not installed")
    return 0


def finish(record: dict[str, Any], file: str, note: str = "") -> None:
    """Print the verdicts, if there are any, and write the record."""
    print()
    for what, asked, got, holds in record.get("verdicts", ()):
        print(f"  {'ok   ' if holds else 'BELOW'} {what}: {got} ({asked})")
    path = pathlib.Path(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n")
    print(f"\nrecord: {path}{note}")


if __name__ == "__main__":
    sys.exit(main())
