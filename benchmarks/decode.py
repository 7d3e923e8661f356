"""Tokens per second that decoding generates: greedy, beam search, sampling, for GRU and Transformer.

`python -m benchmarks.decode` prints a table. No row ever ends, so that all ways make the same number of
tokens; rounds are interleaved, and the median counts, as other work on the machine comes and goes.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

_EOS = 3
_WAYS: dict[str, dict[str, Any]] = {
    "greedy": {},
    "beam 4": {"method": "beam", "beam_size": 4, "length_penalty": 0.6},
    "sample": {"method": "sample"},
    "sample, top-k 40": {"method": "sample", "top_k": 40},
}


def main() -> None:
    chosen = _arguments()
    print(
        f"{chosen.rows} rows of {chosen.length} source and {chosen.length} generated tokens, "
        f"{chosen.vocabulary:,} words, {chosen.units} units, {chosen.layers} layers\n"
    )
    print(f"{'family':12} {'way':18} {'tokens/s':>10} {'of greedy':>10}")
    for family in ("gru", "transformer"):
        seconds = measure(candidates(family, chosen), chosen.rounds)
        for way, taken in seconds.items():
            rate = chosen.rows * chosen.length / taken
            print(f"{family:12} {way:18} {rate:10,.0f} {seconds['greedy'] / taken:10.2f}")


def candidates(family: str, chosen: argparse.Namespace) -> dict[str, Callable[[], Any]]:
    """Each way of decoding one batch, by name, ready to run."""
    import numpy as np
    import tensorflow as tf

    from components.trainer.decoding import DecodeOptions, Rules, decode
    from components.trainer.models import ModelSpec, build_model

    model = build_model(
        ModelSpec(
            task="seq2seq",
            family=family,
            vocabulary_size=chosen.vocabulary,
            input_vocabulary_size=chosen.vocabulary,
            units=chosen.units,
            layers=chosen.layers,
            feed_forward=4 * chosen.units,
            max_length=chosen.length,
            max_input_length=chosen.length,
        )
    )
    for variable in model.trainable_variables:
        if variable.name == "projection_bias":
            variable.assign(tf.one_hot(_EOS, chosen.vocabulary) * -1e9)
    inputs = np.random.default_rng(0).integers(4, chosen.vocabulary, (chosen.rows, chosen.length))
    features = {
        "inputs": tf.constant(inputs),
        "input_lengths": tf.fill([chosen.rows], tf.constant(chosen.length, tf.int64)),
    }
    rules = Rules(2, _EOS, 0, chosen.length, (0, 1, 2))

    def way(options: dict[str, Any]) -> Callable[[], Any]:
        graph = tf.function(
            lambda given: decode(model, given, rules, DecodeOptions(**options)), autograph=False
        )
        return lambda: graph(features).ids.numpy()

    return {name: way(options) for name, options in _WAYS.items()}


def measure(ways: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Median seconds of each way, after one run that traces."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for each in ways.values():
        each()
    for _ in range(rounds):
        for name, run in ways.items():
            started = time.perf_counter()
            run()
            taken[name].append(time.perf_counter() - started)
    return {name: statistics.median(each) for name, each in taken.items()}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decode", description=__doc__)
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--length", type=int, default=32)
    parser.add_argument("--vocabulary", type=int, default=8000)
    parser.add_argument("--units", type=int, default=256)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    main()
