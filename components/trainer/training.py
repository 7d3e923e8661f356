"""Train a model on transformed examples: the gradient of sum(w l) / sum(w), nothing averaged twice.

Every reported loss is a pair of sums (w l, w) that is divided once, over as many batches as it
covers: it does not depend on how the data were batched.
"""

import math
import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import keras
import tensorflow as tf

from components import storage
from components.errors import InputError
from components.trainer import (
    batching,
    buckets,
    distribution,
    numerics,
    packed_batches,
    packing,
    starting_point,
    warm_start,
)
from components.trainer.checkpoint import Checkpoints, run_key
from components.trainer.faults import BadBatches
from components.trainer.goodput import Goodput
from components.trainer.history import History
from components.trainer.kept_lines import KeptLines
from components.trainer.lengths import summary
from components.trainer.loop import Data, Loop
from components.trainer.metrics_log import MetricsLog
from components.trainer.models import ModelSpec, SequenceModel, build_model
from components.trainer.objective import Objective
from components.trainer.optimizers import make_optimizer
from components.trainer.origins import Origins
from components.trainer.replicated import ReplicatedUpdates
from components.trainer.request import TrainRequest
from components.trainer.shown import Shown
from components.trainer.started import NEVER, NO_BASE
from components.trainer.updates import Updates
from transform import features
from transform.settings import Settings
from transform.vocabulary import Vocabularies

Report = Callable[[str], None]
_Plan = buckets.Plan | packing.PackedPlan
_Read = Callable[[range, int], tf.data.Dataset]
_METRICS = "metrics"
__all__ = ["History", "Objective", "clear_checkpoints", "contract_lengths", "model_spec", "train"]


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
    request: TrainRequest,
    vocabularies: Vocabularies,
    report: Report,
    goodput: Goodput | None = None,
) -> tuple[SequenceModel, History]:
    """Train a model: from scratch, from a base model, or from the newest checkpoint of the same run.

    Args:
      request: data and options.
      vocabularies: what Transform used.
      report: is told where training is, in one line each time.
      goodput: goes on with this one, which knows what came before.

    Returns:
      The model to export, which computes in float32, and what training did.

    Raises:
      InputError: there is nothing to train on, or the base model is none to start from.
      FloatingPointError: a loss or gradient is not finite, or a spike, and `on_bad_batch` is abort.
      CheckpointError: a checkpoint could not be written.
    """
    goodput = goodput or Goodput()
    with numerics.deterministic(request.train.deterministic):
        with goodput.phase("setup"):
            loop, shown, history, optimizer = _prepared(request, vocabularies, report, goodput)
        try:
            found = loop.run()
            if request.history_folder:
                loop.metrics.publish(request.history_folder)
        finally:
            if not _is_here(request.state_folder):
                loop.metrics.clear()
    found.examples, found.parameters = history.examples, history.parameters
    found.start, found.lengths = history.start, history.lengths
    if request.start_folder and distribution.is_chief(request.train):
        starting_point.write(request.start_folder, shown.model, optimizer, vocabularies)
    return shown.model, found


def clear_checkpoints(request: TrainRequest) -> None:
    """Remove checkpoints and metrics, once what was trained is where it belongs."""
    if request.state_folder:
        Checkpoints(_checkpoint_folder(request), "").clear()
        storage.remove_folder(os.path.join(request.state_folder, _METRICS))


def _prepared(
    request: TrainRequest, vocabularies: Vocabularies, report: Report, goodput: Goodput
) -> tuple[Loop, Shown, History, keras.optimizers.Optimizer]:
    """The loop at its start, the model that it shows, what it does not count, and the optimizer."""
    options = request.train
    replicas = distribution.replicas(options)
    keras.utils.set_random_seed(options.seed)
    data, plan = _data(request)
    spec, batch_spec = model_spec(request, vocabularies), _batch_spec(request.settings)
    with numerics.precision(options.precision):
        model = build_model(spec)
    start = warm_start.begin(request, vocabularies)
    if start:
        start.give_weights(model)  # before the moving average takes its first
    optimizer = make_optimizer(options, data.steps, spec.units)
    packs = request.batch.packing != "none"  # in training only, validation reads plain batches
    taken_spec = packed_batches.batch_spec(batch_spec) if packs else batch_spec
    updates = _updates(model, optimizer, data, request, taken_spec, replicas)
    if start:
        start.give_slots(optimizer, model)
    shown = _shown(model, updates, request, batch_spec)
    checkpoints, key = None, "run"
    if request.state_folder and options.checkpoint_steps:
        key = run_key(request, vocabularies.digest, start.digest if start else "")
        checkpoints = Checkpoints(_checkpoint_folder(request), key)
    if replicas.chief:
        bad_folder, metrics = _bad_folder(request), _metrics(request, key)
    else:
        report, bad_folder, metrics = _silent, "", MetricsLog("")
    bad = BadBatches(options, bad_folder, _origins(request, vocabularies))
    loop = Loop(
        updates, shown, options, data, report, goodput, checkpoints, bad, metrics, replicas=replicas
    )
    scratch = {"reason": NEVER if options.warm_start == "never" else NO_BASE}
    history = History(examples=plan.examples, parameters=model.count_params())
    history.lengths = summary(plan)
    history.start = start.facts() if start else scratch
    return loop, shown, history, optimizer


def _updates(
    model: SequenceModel,
    optimizer: keras.optimizers.Optimizer,
    data: Data,
    request: TrainRequest,
    batch_spec: dict[str, tf.TensorSpec],
    replicas: distribution.Replicas,
) -> Updates:
    """What makes updates of batches: on one device, or by all replicas together."""
    options = request.train
    dtype = numerics.product_dtype(options.precision)
    common: dict[str, Any] = {
        "window": data.window,
        "clip_norm": options.clip_norm or 0.0,
        "ema": options.ema,
    }
    if replicas.strategy is None:
        objective = Objective(model, request.settings, request.loss, dtype)
        return Updates(model, objective, optimizer, batch_spec, **common)
    with replicas.strategy.scope(), numerics.precision(options.precision):
        copy = build_model(model.spec)
    objective = Objective(copy, request.settings, request.loss, dtype, raises=False)
    return ReplicatedUpdates(
        model, objective, optimizer, batch_spec, replicas=replicas, copy=copy, **common
    )


def _silent(_: str) -> None:
    """The report of a process that is not the chief."""


def _data(request: TrainRequest) -> tuple[Data, _Plan]:
    """What the run reads, and the plan of an epoch of it.

    Raises:
      InputError: the split has no examples.
    """
    options, batch, lengths = request.train, request.batch, contract_lengths(request.settings)
    plan, read = _reader(request, lengths)
    if not plan.examples:
        raise InputError("data.split.train: got no examples, expected at least one to train on")
    window = max(options.accumulation_steps, plan.micro_batches)
    steps = options.steps
    batches = steps * window if steps else plan.batches_per_epoch * (options.epochs or 1)

    def rest(epoch: int, start: int) -> tf.data.Dataset:
        return read(range(epoch, math.ceil(batches / plan.batches_per_epoch)), start)

    validation = batching.evaluation_batches(
        request.eval_files, lengths, size=batch.validation_rows, multiple=batch.bucket_multiple
    )
    return Data(rest, plan.batches_per_epoch, batches, window, validation), plan


def _reader(request: TrainRequest, lengths: features.Lengths) -> tuple[_Plan, _Read]:
    """The plan of an epoch, and (epochs, batches already taken of the first) -> its batches.

    Raises:
      InputError: only a Transformer keeps the examples of a packed row apart.
    """
    files, options, seed = request.train_files, request.batch, request.train.seed
    if options.packing == "none":
        plan = batching.plan(files, lengths, options)
        buffer = options.shuffle_buffer
        return plan, lambda epochs, start: batching.training_batches(
            files, lengths, plan, seed=seed, epochs=epochs, shuffle_buffer=buffer, start=start
        )
    if request.model.family != "transformer":
        got = f"batch.packing: got {options.packing} with model.family {request.model.family}"
        raise InputError(f"{got}, expected none (only a transformer can pack)")
    packed = packed_batches.plan(files, lengths, options)
    return packed, lambda epochs, start: packed_batches.training_batches(
        files, lengths, packed, seed=seed, epochs=epochs, start=start
    )


def _shown(
    model: SequenceModel,
    updates: Updates,
    request: TrainRequest,
    batch_spec: dict[str, tf.TensorSpec],
) -> Shown:
    """What is validated and exported; see `Shown`."""
    source = updates.averages
    twin = model
    if source or request.train.precision != "float32":
        twin = build_model(model.spec)
        source = source or [variable.value for variable in model.trainable_variables]
    return Shown(twin, Objective(twin, request.settings, request.loss), source, batch_spec)


def _checkpoint_folder(request: TrainRequest) -> str:
    return os.path.join(request.state_folder, "checkpoints")


def _metrics(request: TrainRequest, key: str) -> MetricsLog:
    """The lines of one run, in a folder of this machine while it lasts."""
    kept = os.path.join(request.state_folder, _METRICS, key)
    if _is_here(request.state_folder):
        return MetricsLog(kept, tensorboard=request.train.tensorboard)
    folder = tempfile.mkdtemp(prefix="tokenline-") if request.history_folder else ""
    lasting = KeptLines(kept) if request.state_folder else None
    return MetricsLog(folder, tensorboard=request.train.tensorboard, kept=lasting)


def _is_here(state_folder: str) -> bool:
    """Whether there is a state folder, and a file in it can be appended to."""
    return bool(state_folder) and not storage.is_remote(state_folder)


def _origins(request: TrainRequest, vocabularies: Vocabularies) -> Origins:
    lengths = contract_lengths(request.settings)
    return Origins(
        request.train_files, lengths, request.settings, vocabularies, request.ingest_report
    )


def _bad_folder(request: TrainRequest) -> str:
    return os.path.join(request.state_folder, "bad_batches") if request.state_folder else ""


def _batch_spec(settings: Settings) -> dict[str, tf.TensorSpec]:
    """Open lengths: one trace serves every batch."""
    spec = {}
    for name, feature in features.feature_spec(contract_lengths(settings)).items():
        shape = [None, *(None if axis == 0 else size for axis, size in enumerate(feature.shape))]
        spec[name] = tf.TensorSpec(shape, feature.dtype)
    return spec
