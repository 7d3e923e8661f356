"""How good a language model is at the start of a retraining run: warm, naively warm, from scratch.

`python -m benchmarks.warm_start` trains on State of the Union addresses of span 1 and then prints the
perplexity on span 3 before any step on it. All three know the same words and read the same text:

remapped  this project's warm start: the vocabulary of span 1, extended; rows by token
naive     the same words numbered anew by their frequency in span 3; rows by place, as a plain load does
scratch   random weights
"""

import argparse
import collections
import dataclasses
import gzip
import json
import math
import os
import pathlib
import tempfile
from collections.abc import Sequence
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

_DATA = "../shared/data/lm_sotu_spans"
_LENGTH = 100
_EVAL_EVERY = 10


def main() -> None:
    chosen = _arguments()
    first, third = (sentences(chosen.data, span) for span in (1, 3))
    old = words(first, chosen.words)
    grown = old + [word for word in words(third, chosen.words) if word not in set(old)]
    counts = collections.Counter(word for row in third for word in row)
    anew = sorted(grown, key=lambda word: (-counts[word], word))
    with tempfile.TemporaryDirectory() as folder:
        base = _trained(folder, first, old, chosen)
        print(
            f"span 1: {len(first):,} sentences, {len(old):,} words, {chosen.epochs} epochs; "
            f"span 3: {len(third):,} sentences, {len(grown) - len(old):,} words more\n"
        )
        found = {
            "remapped": perplexity(folder, third, grown, base, "token", chosen),
            "naive": perplexity(folder, third, anew, base, "place", chosen),
            "scratch": perplexity(folder, third, grown, base, "", chosen),
        }
    print(f"{'start':10} {'perplexity':>10} {'of remapped':>12}")
    for name, value in found.items():
        print(f"{name:10} {value:10,.0f} {value / found['remapped']:12.2f}")


def sentences(folder: str, span: int) -> list[list[str]]:
    """The words of each row of a span."""
    paths = sorted(pathlib.Path(folder, f"span-{span}").glob("*.jsonl.gz"))
    if not paths:
        raise SystemExit(f"--data: got {folder}, expected a folder with span-{span}/*.jsonl.gz")
    found = []
    for path in paths:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            found += [json.loads(line)["text"].split()[: _LENGTH - 1] for line in lines]
    return found


def words(rows: Sequence[Sequence[str]], most: int) -> list[str]:
    """Those that occur twice or more, the most frequent first."""
    counts = collections.Counter(word for row in rows for word in row)
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    return [word for word in ranked[:most] if counts[word] > 1]


def perplexity(
    folder: str,
    rows: Sequence[Sequence[str]],
    known: Sequence[str],
    base: str,
    rows_by: str,
    chosen: argparse.Namespace,
) -> float:
    """Per token, of a model of which no weight has seen these rows.

    Args:
      folder: for files.
      rows: sentences.
      known: the words of the vocabulary, in the order of their ids.
      base: folder of the model to start from.
      rows_by: `token`, `place`, or "" to start from scratch.
      chosen: the command's options.
    """
    from components.trainer import batching, training, warm_start
    from components.trainer.models import build_model
    from components.trainer.objective import Objective

    vocabularies = _vocabularies(known)
    request = _request(folder, rows, vocabularies, chosen)
    request = dataclasses.replace(request, base_model=base)
    model = build_model(training.model_spec(request, vocabularies))
    if rows_by == "token":
        start = warm_start.begin(request, vocabularies)
        assert start is not None
        start.give_weights(model)
    elif rows_by == "place":
        _load_by_place(model, base)
    lengths = training.contract_lengths(request.settings)
    objective = Objective(model, request.settings, request.loss)
    numerator = denominator = 0.0
    for batch in batching.evaluation_batches(request.train_files, lengths, size=64, multiple=1):
        sums = objective.plain(batch)
        assert sums.denominator is not None
        numerator += float(sums.numerator)
        denominator += float(sums.denominator)
    return math.exp(numerator / denominator)


def _trained(
    folder: str, rows: Sequence[Sequence[str]], known: Sequence[str], chosen: argparse.Namespace
) -> str:
    """Train on rows; the folder of the model."""
    from components.trainer import starting_point, training

    base = os.path.join(folder, "model")
    vocabularies = _vocabularies(known)
    start_folder = os.path.join(base, starting_point.FOLDER)
    request = _request(folder, rows, vocabularies, chosen)
    request = dataclasses.replace(request, start_folder=start_folder)
    _, history = training.train(request, vocabularies, lambda text: None)
    print(f"trained on span 1: {history.summary()}")
    return base


def _request(
    folder: str,
    rows: Sequence[Sequence[str]],
    vocabularies: Any,
    chosen: argparse.Namespace,
) -> Any:
    from components.trainer.request import (
        BatchOptions,
        LossOptions,
        ModelOptions,
        TrainOptions,
        TrainRequest,
    )
    from transform.settings import Settings, Side

    held_out = rows[::_EVAL_EVERY]
    trained_on = [row for index, row in enumerate(rows) if index % _EVAL_EVERY]
    return TrainRequest(
        train_files=(_written(folder, "train.gz", trained_on, vocabularies),),
        eval_files=(_written(folder, "eval.gz", held_out, vocabularies),),
        transform_graph="",
        vocabulary="",
        serving_folder="",
        settings=Settings("lm", Side("text", "whitespace", _LENGTH)),
        model=ModelOptions(family=chosen.family, units=chosen.units),
        loss=LossOptions(),
        batch=BatchOptions(size=32),
        train=TrainOptions(epochs=chosen.epochs, learning_rate=0.003, schedule="cosine"),
    )


def _written(folder: str, name: str, rows: Sequence[Sequence[str]], vocabularies: Any) -> str:
    """Rows as Transform would write them."""
    import tensorflow as tf

    vocabulary = vocabularies["target"]
    ids = {word.decode(): vocabulary.first_id + at for at, word in enumerate(vocabulary.tokens)}
    special, path = vocabulary.special, os.path.join(folder, name)
    with tf.io.TFRecordWriter(path, "GZIP") as file:
        for row in rows:
            targets = [*(ids.get(word, special.unk) for word in row), special.eos]
            rest = _LENGTH - len(targets)
            example = tf.train.Example()
            feature = example.features.feature
            feature["targets"].int64_list.value.extend(targets + [special.pad] * rest)
            feature["target_lengths"].int64_list.value.append(len(targets))
            feature["loss_weights"].float_list.value.extend([1.0] * len(targets) + [0.0] * rest)
            file.write(example.SerializeToString())
    return path


def _vocabularies(known: Sequence[str]) -> Any:
    from transform.vocabulary import Vocabularies, Vocabulary

    return Vocabularies({"target": Vocabulary(tuple(word.encode() for word in known))}, "words")


def _load_by_place(model: Any, base: str) -> None:
    """What loading weights by position does: row i is row i; there are random rows behind them."""
    from components.trainer import starting_point
    from components.trainer.row_map import vocabulary_axis

    point = starting_point.read(os.path.join(base, starting_point.FOLDER))
    for variable in model.trainable_variables:
        found, value, now = vocabulary_axis(variable.path), point.weights[variable.path], variable
        if found is not None:
            value = _behind(value, now.numpy(), found[1])
        variable.assign(value)


def _behind(value: Any, longer: Any, axis: int) -> Any:
    import numpy as np

    rest = list(range(value.shape[axis], longer.shape[axis]))
    return np.concatenate([value, np.take(longer, rest, axis)], axis)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.warm_start", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--data", default=_DATA, help=f"folder of the spans; {_DATA}")
    parser.add_argument("--words", type=int, default=5_000, help="of a span's vocabulary; 5000")
    parser.add_argument("--family", default="gru", help="gru, lstm or transformer; gru")
    parser.add_argument("--units", type=int, default=128, help="width of the model; 128")
    parser.add_argument("--epochs", type=int, default=4, help="on span 1; 4")
    return parser.parse_args()


if __name__ == "__main__":
    main()
