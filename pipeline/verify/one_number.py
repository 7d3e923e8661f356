"""Invariant 4: training, Keras, the Evaluator, scoring and a float64 oracle give one number."""

import contextlib
import io
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from components import sequence_loss as loss
from components.trainer import batching
from components.trainer.request import BatchOptions
from components.trainer.training import contract_lengths
from pipeline.scoring import use_model
from pipeline.verify import batches, oracle, sample, splitting
from pipeline.verify.case import Case
from pipeline.verify.certificate import Check
from pipeline.verify.compare import (
    GRADIENT,
    VALUE,
    Pair,
    Size,
    close,
    guarded,
    loss_steps,
    not_exercised,
    rounded,
)
from transform import features
from transform.settings import ADDED_COLUMNS, ID_LIST, TOKEN_LIST

_ELEMENTS = 16_000_000  # logits held at once
_WHOLE_SPLIT = 20_000  # rows: more than these are not scored again
_EVALUATOR_BATCH = 64


@dataclass(frozen=True)
class Known:
    """What the oracle says of the whole sample.

    `mean` is the token mean, `losses` `[N, T]` those by position; `mean_nats` and `nats` say how
    float32's rounding scales in them, see `compare.Pair`.
    """

    mean: float
    losses: oracle.Array
    mean_nats: float
    nats: float


def checks(case: Case) -> Iterator[Check]:
    """Rows of invariant 4: each number against the oracle's on the same sample."""
    if not case.size.tokens:
        yield not_exercised(4, "one number", "no position has weight")
        return
    known, keras_numbers = _oracle_and_keras(case)
    scores = case.model.score(case.raw.rows)
    positions = scores["position_loss"] * (case.transformed[features.LOSS_WEIGHTS] != 0)
    yield close(
        4,
        "oracle = exported `score`, by position",
        [Pair("position_loss", positions, known.losses, known.nats)],
        relative=GRADIENT,
        size=case.size,
    )
    yield _same(case, known, "exported `score`", _ratio(scores))
    yield _same(case, known, "trainer's validation, on Transform's rows", validation(case))
    for name, number in keras_numbers.items():
        yield _same(case, known, name, number)
    steps: dict[str, Callable[[], Iterable[Check]]] = {
        "Evaluator": lambda: [
            _same(case, known, "Evaluator's masked_token_loss", _evaluator(case))
        ],
        "`tokenline score`": lambda: _command(case, known),
        "the run's record": lambda: _recorded(case),
    }
    for name, step in steps.items():
        yield from guarded(4, name, step)


def _same(case: Case, known: Known, name: str, number: float) -> Check:
    pair = Pair("token mean", number, known.mean, known.mean_nats)
    return close(4, f"oracle = {name}", [pair], relative=VALUE, size=case.size)


def _oracle_and_keras(case: Case) -> tuple[Known, dict[str, float]]:
    """One pass over the sample's logits for all that needs them."""
    metric, sequence_loss = keras.metrics.Mean(), loss.SequenceLoss(reduction="token_sum")
    total = weight = keras_sum = 0.0
    losses = np.zeros(case.transformed[features.TARGETS].shape)
    magnitudes = np.zeros_like(losses)
    for start, batch in _sample_batches(case):
        _, logits = case.model.hidden(batch)
        targets, weights = batch[features.TARGETS], batch[features.LOSS_WEIGHTS]
        found = oracle.token_losses(logits, targets, weights != 0).losses
        place = slice(start, start + len(found)), slice(0, found.shape[1])
        losses[place] = found
        magnitudes[place] = np.where(weights != 0, np.abs(logits).max(axis=-1), 0.0)
        total += float((weights.astype(np.float64) * found).sum())
        weight += float(weights.astype(np.float64).sum())
        keras_sum += float(sequence_loss(targets, logits, sample_weight=weights))
        # Flat: of [B, T] Keras takes the mean over T first, so a longer batch would count for less.
        tokens = np.ravel(loss.token_cross_entropy(logits, targets))
        metric.update_state(tokens, sample_weight=np.ravel(weights))
    numbers = {
        "Keras SequenceLoss, batches added": keras_sum / weight,
        "Keras metrics.Mean of the token losses": float(metric.result()),
    }
    steps = loss_steps(case.model.vocabulary_size)
    factors = case.transformed[features.LOSS_WEIGHTS].astype(np.float64) / weight
    mean_nats = rounded(factors, magnitudes, steps, np.sum)
    return Known(total / weight, losses, mean_nats, steps + float(magnitudes.max())), numbers


def _sample_batches(case: Case) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
    """The sample in batches, each trimmed, small enough for their logits."""
    longest = case.transformed[features.TARGETS].shape[1]
    size = max(1, _ELEMENTS // (longest * case.model.vocabulary_size))
    for start in range(0, case.size.rows, size):
        chosen = batches.rows(case.transformed, slice(start, start + size))
        yield start, batches.trimmed(chosen)


def validation(case: Case) -> float:
    """What the trainer would report as validation loss of the sample, read from Transform's rows.

    NaN where Transform wrote none of them.
    """
    options = BatchOptions(**case.subject.record["config"]["batch"])
    numerator = denominator = 0.0
    with tempfile.TemporaryDirectory() as folder:
        file = sample.write(case.materialised.found, os.path.join(folder, "rows.gz"))
        found = batching.evaluation_batches(
            [file],
            contract_lengths(case.model.settings),
            size=options.validation_rows,
            multiple=options.bucket_multiple,
        )
        for batch in found:
            sums = case.model.sums(batch)
            numerator, denominator = numerator + sums[0], denominator + sums[1]
    return numerator / denominator if denominator else float("nan")


def _evaluator(case: Case) -> float:
    return splitting.evaluator_loss(case, parts=1, batch_size=_EVALUATOR_BATCH)


def _ratio(scores: dict[str, Any]) -> float:
    sums = {name: float(np.sum(scores[name], dtype=np.float64)) for name in _SUMS}
    return sums["loss_sum"] / sums["weight_sum"]


_SUMS = ("loss_sum", "weight_sum")


def _command(case: Case, known: Known) -> Iterator[Check]:
    """`tokenline score` on the raw rows written as JSON."""
    name = "`tokenline score`"
    lines = [_json_row(row, case.model.facts["settings"]) for row in case.raw.rows]
    kept = [line for line in lines if line is not None]
    if len(kept) < len(lines):
        lost = len(lines) - len(kept)
        yield not_exercised(
            4, f"oracle = {name}", f"{lost} rows cannot be written as JSON rows of text"
        )
        return
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()) as out:
        file = os.path.join(folder, "rows.jsonl")
        with open(file, "w") as stream:
            stream.writelines(f"{line}\n" for line in kept)
        with contextlib.redirect_stderr(io.StringIO()):  # what is cut here is no news
            use_model.score(case.model.folder, "", file)
    rows = [json.loads(line) for line in out.getvalue().splitlines()]
    yield _same(case, known, name, _ratio({each: [r[each] for r in rows] for each in _SUMS}))


def _json_row(row: bytes, settings: dict[str, Any]) -> str | None:
    """A raw row as a user would write it for `tokenline score`; None if JSON cannot hold it."""
    columns = tf.train.Example.FromString(row).features.feature
    written: dict[str, Any] = {}
    try:
        for side in filter(None, (settings["source"], settings["target"])):
            if side["tokenizer"] == ID_LIST:
                written[side["column"]] = list(columns[side["column"]].int64_list.value)
                continue
            texts = [each.decode("utf-8") for each in columns[side["column"]].bytes_list.value]
            is_list = side["tokenizer"] == TOKEN_LIST
            if not texts or not all(each if is_list else each.strip() for each in texts):
                return None  # a window of nothing but spaces, for one
            written[side["column"]] = texts if is_list else texts[0]
    except (UnicodeDecodeError, IndexError):
        return None
    named = (settings["token_weights"], settings["example_weights"], *ADDED_COLUMNS)
    for column in filter(None, named):
        kind = columns[column].WhichOneof("kind") if column in columns else None
        if kind:
            values = list(getattr(columns[column], kind).value)
            written[column] = values if column == settings["token_weights"] else values[0]
    return json.dumps(written)


def _recorded(case: Case) -> Iterator[Check]:
    """What the run wrote down about the whole eval split, against what its model says now."""
    compared = "the run's record, whole split = `score` now"
    record = case.subject.record
    if not case.subject.own_model:
        yield not_exercised(4, compared, "--model: this run trained another one")
        return
    if case.raw.available > _WHOLE_SPLIT:
        yield not_exercised(4, compared, f"more than {_WHOLE_SPLIT:,} rows")
        return
    rows = sample.choose(case.subject.raw, case.raw.available, case.seed).rows
    scores = case.model.score(rows)
    now = _ratio(scores)
    overall = record["metrics"]["slices"][0]["candidate"]["masked_token_loss"]
    trained = record["history"]["validation"]["masked_token_loss"]
    pairs = [
        Pair("trainer's validation loss", trained, now, 1.0),
        Pair("Evaluator's masked_token_loss", overall, now, 1.0),
    ]
    size = Size(len(rows), int(scores["token_count"].sum()))
    yield close(4, compared, pairs, relative=VALUE, size=size)
