"""The training loop: the gradient of sum(w l) / sum(w), and nothing averaged twice.

Every reported loss is a pair of sums (w l, w) that is divided once, over as many batches as it
covers: it does not depend on how the data were batched.
"""

import functools
import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from components.sequence_loss import (
    LossParts,
    LossSum,
    linear_sequence_loss_parts,
    sequence_loss_sum,
)
from components.trainer import batching
from components.trainer.models import ModelSpec, SequenceModel, build_model
from components.trainer.request import LossOptions, TrainOptions, TrainRequest
from transform import features, sequence
from transform.settings import Settings
from transform.vocabulary import Vocabularies

Report = Callable[[str], None]


@dataclass(frozen=True)
class Point:
    """One point of the training curve; losses are masked per-token losses in nats.

    `objective` is what was minimised, `z_loss` the z-term in it: means over the steps since the last
    point. With label smoothing or z-loss it is not the loss that is reported.
    """

    step: int
    train_loss: float
    validation_loss: float | None
    useful_tokens_per_second: float
    objective: float
    z_loss: float


@dataclass
class History:
    """What training did."""

    points: list[Point] = field(default_factory=list)
    steps: int = 0
    examples: int = 0
    seconds: float = 0.0
    useful_tokens: int = 0
    positions: int = 0
    parameters: int = 0
    validation: dict[str, float | None] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"padding_share": self.padding_share}

    def summary(self) -> str:
        """One line: how long, how good, how fast, how much of it was padding."""
        last = self.points[-1]
        validation = self.validation["masked_token_loss"]
        validated = "" if validation is None else f"  validation {validation:.4f}"
        return (
            f"{self.steps:,} steps  loss {last.train_loss:.4f}{validated}  "
            f"{self.useful_tokens / max(1e-9, self.seconds):,.0f} useful tokens/s  "
            f"{self.padding_share:.0%} padding"
        )

    @property
    def padding_share(self) -> float:
        """Share of the target positions computed that were padding."""
        return 1 - self.useful_tokens / self.positions if self.positions else 0.0


def contract_lengths(settings: Settings) -> features.Lengths:
    """T, S and C of the contract for these settings."""
    source = settings.source.max_length if settings.source else 0
    return features.Lengths(settings.target.max_length, source, settings.input_chars)


def model_spec(request: TrainRequest, vocabularies: Vocabularies) -> ModelSpec:
    """The model that the options and the vocabulary describe."""
    settings, sides = request.settings, vocabularies.sides
    source = settings.source
    return ModelSpec(
        task=settings.task,
        vocabulary_size=sides["target"].size,
        input_vocabulary_size=sides["source"].size if source else 0,
        character_vocabulary_size=sides["characters"].size if settings.input_chars else 0,
        max_length=max(settings.target.max_length, request.train.decode_length),
        max_input_length=source.max_length if source else settings.target.max_length,
        seed=request.train.seed,
        **asdict(request.model),
    )


def train(
    request: TrainRequest, vocabularies: Vocabularies, report: Report
) -> tuple[SequenceModel, History]:
    """Train a model from scratch.

    Args:
      request: data and options.
      vocabularies: what Transform used.
      report: is told where training is, in one line each time.

    Raises:
      FloatingPointError: the training loss is not finite.
    """
    keras.utils.set_random_seed(request.train.seed)
    lengths = contract_lengths(request.settings)
    model = build_model(model_spec(request, vocabularies))
    examples = batching.count(request.train_files)
    per_epoch = batching.steps_per_epoch(examples, request.batch.size)
    steps = request.train.steps or per_epoch * (request.train.epochs or 1)
    epochs = batching.training_batches(
        request.train_files,
        lengths,
        size=request.batch.size,
        shuffle_buffer=max(1, min(request.batch.shuffle_buffer, examples)),
        multiple=request.batch.bucket_multiple,
        seed=request.train.seed,
    ).repeat()
    validation = batching.evaluation_batches(
        request.eval_files, lengths, size=request.batch.size, multiple=request.batch.bucket_multiple
    )
    loop = _Loop(model, request, steps, per_epoch * request.train.eval_every_epochs, report)
    history = loop.run(epochs.take(steps), validation)
    history.examples = examples
    return model, history


class Minimised(NamedTuple):
    """Of one training batch: the loss to differentiate; (sum w l, sum w) of the plain loss; the
    z-loss, which is part of the first."""

    loss: tf.Tensor
    plain: LossSum
    z_loss: tf.Tensor


class Objective:
    """Batch to sums: what is minimised, and what is reported. Training never holds logits [B, T, V]."""

    def __init__(self, model: SequenceModel, settings: Settings, loss: LossOptions) -> None:
        self._model = model
        self._bos_id = settings.special.bos
        self._loss = loss

    def inputs(self, batch: batching.Batch) -> batching.Batch:
        """The model's features: the batch, and the targets shifted right."""
        shifted = sequence.shift_right(batch[features.TARGETS], self._bos_id)
        return batch | {features.DECODER_INPUTS: shifted}

    def minimised(self, batch: batching.Batch) -> Minimised:
        """What a training step differentiates, and the sums that are reported of it."""
        hidden = self._model.hidden(self.inputs(batch), training=True)
        parts = self._parts(hidden, batch, self._loss)
        if self._loss.reduction == "example_mean":
            # The one reduction whose numerator is not sum w l.
            again = self._parts(tf.stop_gradient(hidden), batch, LossOptions(), forward_only=True)
            return Minimised(parts.total.mean, again.total, parts.z_loss.mean)
        weight = tf.reduce_sum(tf.reduce_sum(batch[features.LOSS_WEIGHTS], axis=1))
        plain = LossSum(parts.plain.numerator, weight)
        return Minimised(parts.total.mean, plain, parts.z_loss.mean)

    def plain(self, batch: batching.Batch) -> LossSum:
        """(sum w l, sum w) without dropout, smoothing or z-loss: the number that is reported.

        On the logits, as the exported `score`: float32 knows a loss of 1e-4 to 1e-4 of itself only,
        and the two must agree to 1e-6 there too, which the same arithmetic does.
        """
        logits = self._model.logits(self._model.hidden(self.inputs(batch), training=False))
        return sequence_loss_sum(logits, batch[features.TARGETS], batch[features.LOSS_WEIGHTS])

    def _parts(
        self,
        hidden: tf.Tensor,
        batch: batching.Batch,
        loss: LossOptions,
        *,
        forward_only: bool = False,
    ) -> LossParts:
        kernel, bias, transposed = self._model.stored_projection()
        return linear_sequence_loss_parts(
            hidden,
            kernel,
            bias,
            batch[features.TARGETS],
            batch[features.LOSS_WEIGHTS],
            reduction=loss.reduction,
            target_lengths=batch[features.TARGET_LENGTHS],
            label_smoothing=loss.label_smoothing,
            z_loss=loss.z_loss,
            transpose_kernel=transposed,
            compute_dtype=tf.float32,  # as `SequenceModel.logits`
            forward_only=forward_only,
        )


class _Loop:
    """Steps, the clock and the curve."""

    def __init__(
        self, model: SequenceModel, request: TrainRequest, steps: int, every: int, report: Report
    ) -> None:
        self._model = model
        self._objective = Objective(model, request.settings, request.loss)
        self._options = request.train
        self._optimizer = make_optimizer(request.train, steps)
        self._optimizer.build(model.trainable_variables)
        self._steps = steps
        self._evaluate_every = every
        self._report = report
        spec = _batch_spec(contract_lengths(request.settings))
        traced = functools.partial(tf.function, input_signature=[spec], autograph=False)
        self._train_step = traced(self._train_step_eagerly)
        self._evaluation_step = traced(self._objective.plain)

    def run(self, batches: tf.data.Dataset, validation: tf.data.Dataset) -> History:
        history = History(parameters=self._model.count_params())
        started = time.monotonic()
        window = _Window()
        for step, batch in enumerate(batches, start=1):
            window.add(*self._step(batch, step))
            last = step == self._steps
            if last or step % self._options.log_steps == 0 or step % self._evaluate_every == 0:
                loss = self._close(window, history, step)
                evaluate = last or step % self._evaluate_every == 0
                validation_loss = self.evaluate(validation) if evaluate else None
                point = Point(
                    step, loss, validation_loss, window.rate, window.objective, window.z_loss
                )
                history.points.append(point)
                self._report(self._line(history, step, started))
                window = _Window()
        history.steps = self._steps
        history.seconds = time.monotonic() - started
        history.validation = {"masked_token_loss": history.points[-1].validation_loss}
        return history

    def _step(self, batch: batching.Batch, step: int) -> tuple[tf.Tensor, ...]:
        try:
            return self._train_step(batch)
        except tf.errors.InvalidArgumentError as error:
            found = re.search(r"\[non-finite loss.*", error.message)
            if not found:
                raise
            # TensorFlow adds where in the graph, and brackets; the loss's own words are enough.
            reason = found[0].replace("[", "").replace("]", "")
            raise FloatingPointError(f"step {step}: {reason}; {self._advice()}") from error

    def _advice(self) -> str:
        return f"lower train.learning_rate (now {self._options.learning_rate:g}) or set train.clip_norm"

    def evaluate(self, batches: tf.data.Dataset) -> float | None:
        """The masked per-token loss over all batches: sums first, one division.

        None where no position has weight: there is no loss then.
        """
        numerator = denominator = 0.0
        for batch in batches:
            sums = self._evaluation_step(batch)
            numerator += float(sums.numerator)
            denominator += float(sums.denominator)
        return numerator / denominator if denominator else None

    def _train_step_eagerly(self, batch: batching.Batch) -> tuple[tf.Tensor, ...]:
        with tf.GradientTape() as tape:
            found = self._objective.minimised(batch)
        variables = self._model.trainable_variables
        gradients = tape.gradient(found.loss, variables)
        if self._options.clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, self._options.clip_norm)
        self._optimizer.apply(gradients, variables)
        useful = tf.reduce_sum(batch[features.TARGET_LENGTHS])
        positions = tf.size(batch[features.TARGETS])
        return *found.plain, useful, positions, found.loss, found.z_loss

    def _close(self, window: "_Window", history: History, step: int) -> float:
        loss = window.close()
        history.useful_tokens += window.useful
        history.positions += window.positions
        if not math.isfinite(loss):
            raise FloatingPointError(f"step {step}: the training loss is {loss}; {self._advice()}")
        return loss

    def _line(self, history: History, step: int, started: float) -> str:
        point = history.points[-1]
        left = (time.monotonic() - started) / step * (self._steps - step)
        validated = [p.validation_loss for p in history.points if p.validation_loss is not None]
        validation = f"  validation {validated[-1]:.4f}" if validated else ""
        z_loss = f"  z-loss {point.z_loss:.4f}" if point.z_loss else ""
        return (
            f"step {step}/{self._steps}  loss {point.train_loss:.4f}{z_loss}{validation}  "
            f"{point.useful_tokens_per_second:,.0f} useful tokens/s  {left:.0f} s left"
        )


class _Window:
    """Sums since the last report; tensors are read only when it is closed, so steps overlap."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._rows: list[Sequence[tf.Tensor]] = []
        self.useful = self.positions = 0
        self.rate = self.objective = self.z_loss = 0.0

    def add(self, *row: tf.Tensor) -> None:
        self._rows.append(row)

    def close(self) -> float:
        """The loss over the window."""
        sums = [sum(float(value) for value in column) for column in zip(*self._rows, strict=True)]
        numerator, denominator, useful, positions, objective, z_loss = sums
        self.objective, self.z_loss = objective / len(self._rows), z_loss / len(self._rows)
        self.useful, self.positions = int(useful), int(positions)
        self.rate = useful / max(1e-9, time.monotonic() - self._started)
        return numerator / denominator if denominator else 0.0


def make_optimizer(train: TrainOptions, steps: int) -> keras.optimizers.Optimizer:
    """The Keras optimizer, on a schedule that ends at `steps`."""
    rate = WarmupThen(train.schedule, train.learning_rate, train.warmup_steps, steps)
    if train.optimizer == "adam":
        return keras.optimizers.Adam(rate, epsilon=1e-8)
    if train.optimizer == "adamw":
        return keras.optimizers.AdamW(rate, weight_decay=train.weight_decay, epsilon=1e-8)
    return keras.optimizers.SGD(rate)


class WarmupThen(keras.optimizers.schedules.LearningRateSchedule):
    """A linear rise over `warmup` steps, then `constant`, `linear` or `cosine` to 0, or
    `inverse_square_root` (Vaswani et al. 2017, section 5.3, with the peak given)."""

    def __init__(self, name: str, peak: float, warmup: int, steps: int) -> None:
        self.name, self.peak, self.warmup, self.steps = name, peak, warmup, steps

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        done = tf.cast(step, tf.float32)
        rise = tf.minimum(1.0, (done + 1) / max(1, self.warmup))
        share = tf.clip_by_value((done - self.warmup) / max(1, self.steps - self.warmup), 0.0, 1.0)
        fall = {
            "constant": lambda: tf.ones_like(done),
            "linear": lambda: 1 - share,
            "cosine": lambda: (1 + tf.cos(math.pi * share)) / 2,
            "inverse_square_root": lambda: tf.math.rsqrt(
                tf.maximum(1.0, (done + 1) / max(1, self.warmup))
            ),
        }[self.name]()
        return self.peak * rise * fall

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "peak": self.peak,
            "warmup": self.warmup,
            "steps": self.steps,
        }


def _batch_spec(lengths: features.Lengths) -> dict[str, tf.TensorSpec]:
    """Open lengths: one trace serves every batch."""
    spec = {}
    for name, feature in features.feature_spec(lengths).items():
        shape = [None, *(None if axis == 0 else size for axis, size in enumerate(feature.shape))]
        spec[name] = tf.TensorSpec(shape, feature.dtype)
    return spec
