"""What is compared: SequenceTrainer's own loop, and Keras's `fit` of the same model on padded batches.

A candidate is made for a case and then run for a number of batches; a run answers useful tokens a
second, without tracing, compiling, and the first batches.
"""

import os
import tempfile
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from benchmarks.train_cases import FIRST_ID, Case
from components.trainer import training
from components.trainer.models import ModelSpec, build_model
from components.trainer.request import (
    BatchOptions,
    LossOptions,
    ModelOptions,
    TrainOptions,
    TrainRequest,
)
from transform import sequence
from transform.settings import Settings, Side
from transform.vocabulary import Vocabularies, Vocabulary

LEARNING_RATE = 0.001
BOS = 2


class Ran(NamedTuple):
    """One run. `waited`: share of the time in which the loop waited for data, where known."""

    tokens_per_second: float
    waited: float = 0.0


Run = Callable[[int], Ran]


def make(name: str, case: Case) -> Run:
    """The candidate of this name: `<ours|keras> <float32|bfloat16>`."""
    who, precision = name.split()
    precision = "mixed_bfloat16" if precision == "bfloat16" else "float32"
    return {"ours": _ours, "keras": _keras}[who](case, precision)


def _ours(case: Case, precision: str) -> Run:
    """The whole loop of SequenceTrainer; only its validation and its checkpoints are off."""
    folder = tempfile.mkdtemp(prefix="bench-train-")
    file = os.path.join(folder, "train.gz")
    _write(file, case)
    settings = Settings("lm", Side("text", "whitespace", case.length))
    vocabulary = Vocabulary(tuple(b"%d" % each for each in range(case.classes - FIRST_ID)))
    vocabularies = Vocabularies({"target": vocabulary}, settings.token_identity())

    def run(steps: int) -> Ran:
        request = TrainRequest(
            train_files=(file,),
            eval_files=(),
            transform_graph="",
            vocabulary="",
            serving_folder="",
            settings=settings,
            model=ModelOptions(
                family=case.family,
                units=case.units,
                layers=case.layers,
                heads=case.heads,
                feed_forward=case.feed_forward,
            ),
            loss=LossOptions(),
            batch=BatchOptions(size=case.rows),
            train=TrainOptions(
                epochs=None,
                steps=2 * steps,
                log_steps=steps,
                learning_rate=LEARNING_RATE,
                clip_norm=None,
                checkpoint_steps=0,
                precision=precision,
                deterministic=False,
            ),
        )
        _, history = training.train(request, vocabularies, lambda line: None)
        _, last = history.points  # the first half warms up
        return Ran(last.useful_tokens_per_second, history.goodput["data_wait"] / history.seconds)

    return run


def _write(path: str, case: Case) -> None:
    """The transformed examples as Transform writes them."""
    options = tf.io.TFRecordOptions("GZIP", compression_level=1)
    with tf.io.TFRecordWriter(path, options) as writer:
        for ids, length in zip(case.targets(), case.lengths(), strict=True):
            example = tf.train.Example()
            feature = example.features.feature
            feature["targets"].int64_list.value.extend(ids)
            feature["target_lengths"].int64_list.value.append(length)
            feature["loss_weights"].float_list.value.extend(np.arange(case.length) < length)
            writer.write(example.SerializeToString())


class _Clock(keras.callbacks.Callback):
    """When each epoch of `fit` began and ended."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self._started = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        del epoch, logs
        self._started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        del epoch, logs
        self.seconds.append(time.perf_counter() - self._started)


def _keras(case: Case, precision: str) -> Run:
    """The same model with logits, compiled and fitted as Keras's guides say."""
    keras.config.set_dtype_policy(precision)
    spec = ModelSpec(
        "lm",
        case.classes,
        case.family,
        units=case.units,
        layers=case.layers,
        heads=case.heads,
        feed_forward=case.feed_forward,
        max_length=case.length,
    )
    model = build_model(spec)
    model.compile(
        optimizer=keras.optimizers.Adam(LEARNING_RATE),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    targets, lengths = case.targets(), case.lengths()
    batches = _padded(case, targets, lengths)
    model.fit(batches.take(2), verbose=0)  # compiles

    def run(steps: int) -> Ran:
        clock = _Clock()
        model.fit(batches.take(steps), callbacks=[clock], verbose=0)
        return Ran(int(lengths[: steps * case.rows].sum()) / clock.seconds[0])

    return run


def _padded(case: Case, targets: np.ndarray, lengths: np.ndarray) -> tf.data.Dataset:
    """(features, targets, sample weights) in the order of the file, all padded to T."""
    inputs = sequence.shift_right(tf.constant(targets), BOS)
    weights = (np.arange(case.length) < lengths[:, None]).astype(np.float32)
    features = {"decoder_inputs": inputs, "target_lengths": lengths}
    rows = tf.data.Dataset.from_tensor_slices((features, targets, weights))
    return rows.batch(case.rows, drop_remainder=True).prefetch(tf.data.AUTOTUNE)
