"""`python -m benchmarks.batch_score`: rows per second of `tokenline score`, by line and through Beam.

The line loop takes 64 rows as they come; `--output` sorts windows of rows by length. Both score the
same rows, of log-normal lengths, with one model that is loaded already, and take turns; the ratio is
that within a turn, the median of all. Their sums must agree. Then memory: the most bytes resident
after a file, and after one of ten times the rows, each in a process of its own.
"""

import argparse
import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

TEXT = "text"
_MORE, _FEW = 10, 500


def main() -> None:
    chosen = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        if chosen.memory_of:
            print(_peak_after(*chosen.memory_of))
            return
        model = _model(folder, chosen)
        rows = _write(os.path.join(folder, "rows.jsonl"), chosen.rows, chosen)
        print(
            f"{chosen.rows:,} rows of {chosen.median} tokens (median, log-normal), at most "
            f"{chosen.longest}; {chosen.family} of {chosen.units} units, {chosen.vocabulary:,} words"
        )
        few = _write(os.path.join(folder, "few.jsonl"), _FEW, chosen)
        _compare(model, rows, few, folder, chosen.rounds)
        if chosen.memory:
            many = _write(os.path.join(folder, "many.jsonl"), _MORE * chosen.rows, chosen)
            peaks = [_peak(model, file, folder) for file in (rows, many)]
            print(
                f"memory: {peaks[0] / 1e6:,.0f} MB after {chosen.rows:,} rows, "
                f"{peaks[1] / 1e6:,.0f} MB after {_MORE * chosen.rows:,}"
            )


def _compare(model: str, rows: str, few: str, folder: str, rounds: int) -> None:
    """Print both rates of each turn, and the ratio."""
    from pipeline.scoring.models import loaded_model

    loaded_model(model)
    output = os.path.join(folder, "scores.jsonl")
    ratios = []
    for turn in range(rounds + 1):
        file = rows if turn else few  # the first turn traces and warms up
        by_line, lines = _seconds_by_line(model, file)
        batched = _seconds_batched(model, file, output)
        with open(output) as written:
            count = _same_sums(lines, written.read().splitlines())
        if not turn:
            continue
        ratios.append(by_line / batched)
        print(
            f"by line {count / by_line:8,.0f} rows/s   through Beam {count / batched:8,.0f} rows/s"
            f"   ratio {ratios[-1]:.2f}"
        )
    print(f"ratio {statistics.median(ratios):.2f} (median of {rounds})")


def _seconds_by_line(model: str, rows: str) -> tuple[float, list[str]]:
    from pipeline.scoring import use_model

    started = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()) as out:
        use_model.score(model, "", rows)
    return time.perf_counter() - started, out.getvalue().splitlines()


def _seconds_batched(model: str, rows: str, output: str) -> float:
    from pipeline.scoring import run

    started = time.perf_counter()
    with contextlib.redirect_stderr(io.StringIO()):
        run.run(model, [rows], run.BatchOptions(output), predicts=False)
    return time.perf_counter() - started


def _same_sums(lines: list[str], others: list[str]) -> int:
    """How many rows there are; that both ways say the same of each."""
    for one, other in zip(lines, others, strict=True):
        ours, theirs = json.loads(one), json.loads(other)
        assert ours["tokens"] == theirs["tokens"], (one, other)
        assert abs(ours["loss_sum"] - theirs["loss_sum"]) <= 1e-5 * ours["loss_sum"], (one, other)
    return len(lines)


def _model(folder: str, chosen: argparse.Namespace) -> str:
    import tensorflow as tf

    from benchmarks import served_model
    from transform.settings import Settings, Side
    from transform.vocabulary import Vocabularies, Vocabulary

    settings = Settings("lm", Side(TEXT, "whitespace", chosen.longest))
    words = tuple(b"w%d" % number for number in range(chosen.vocabulary))
    return served_model.make(
        folder,
        settings,
        Vocabularies({"target": Vocabulary(words)}, settings.token_identity()),
        {TEXT: tf.string},
        family=chosen.family,
        units=chosen.units,
    )


def _write(path: str, count: int, chosen: argparse.Namespace) -> str:
    """Rows of words as JSON lines."""
    import numpy as np

    dice = np.random.default_rng(0)
    lengths = np.exp(dice.normal(np.log(chosen.median), chosen.spread, count))
    with open(path, "w") as file:
        for length in np.clip(lengths, 1, chosen.longest - 1).astype(int):
            words = dice.integers(0, chosen.vocabulary * 11 // 10, length).tolist()
            file.write(json.dumps({TEXT: " ".join(f"w{word}" for word in words)}) + "\n")
    return path


def _peak(model: str, rows: str, folder: str) -> int:
    """The most bytes that a process which scores a file ever holds."""
    output = os.path.join(folder, "peak.jsonl")
    command = [sys.executable, "-m", "benchmarks.batch_score", "--memory-of", model, rows, output]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _peak_after(model: str, rows: str, output: str) -> int:
    from benchmarks import worker

    _seconds_batched(model, rows, output)
    return worker._status("VmHWM")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batch_score", description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--median", type=int, default=16)
    parser.add_argument("--spread", type=float, default=0.9, help="of the logarithm of lengths")
    parser.add_argument("--longest", type=int, default=256)
    parser.add_argument("--family", default="gru")
    parser.add_argument("--units", type=int, default=64)
    parser.add_argument("--vocabulary", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", action="store_true", help="measure memory, too")
    parser.add_argument("--memory-of", nargs=3, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
