"""Single updates by two parts of the CPU against those of one device, for `replicas_worker.py`."""

import keras
import numpy as np
import tensorflow as tf

from components.sequence_loss.reductions import SUMS
from components.trainer import distribution
from components.trainer.models import ModelSpec, SequenceModel, build_model
from components.trainer.objective import Objective
from components.trainer.replicated import ReplicatedUpdates
from components.trainer.request import LossOptions, TrainOptions
from components.trainer.updates import Updates
from transform.settings import Settings, Side

SETTINGS = Settings(task="lm", target=Side("text", "whitespace", 8))
SPEC = {
    "targets": tf.TensorSpec([None, None], tf.int64),
    "target_lengths": tf.TensorSpec([None], tf.int64),
    "loss_weights": tf.TensorSpec([None, None], tf.float32),
}


def batch_of(rows: int) -> dict[str, tf.Tensor]:
    random = np.random.default_rng(rows)
    lengths = random.integers(1, 9, rows)
    real = np.arange(8) < lengths[:, np.newaxis]
    return {
        "targets": tf.constant(real * random.integers(4, 9, (rows, 8))),
        "target_lengths": tf.constant(lengths),
        "loss_weights": tf.constant(real * random.choice([0.0, 0.5, 1, 2], real.shape), tf.float32),
    }


def model_of(family: str, dropout: float = 0.0) -> SequenceModel:
    sizes = {"units": 8, "heads": 2, "feed_forward": 16, "seed": 5}
    return build_model(ModelSpec("lm", 9, family=family, dropout=dropout, **sizes))


def updates_of(model, reduction="token_mean", replicas=None, copy=None) -> Updates:
    loss, optimizer = LossOptions(reduction=reduction), keras.optimizers.SGD(1.0)
    if copy is None:
        return Updates(model, Objective(model, SETTINGS, loss), optimizer, SPEC)
    objective = Objective(copy, SETTINGS, loss, raises=False)
    return ReplicatedUpdates(model, objective, optimizer, SPEC, replicas=replicas, copy=copy)


def values(model: SequenceModel) -> np.ndarray:
    return np.concatenate([each.numpy().ravel() for each in model.trainable_variables])


def compared() -> dict:
    """What differs; cuts the CPU."""
    options = TrainOptions(distribution="mirrored", replicas=2)
    replicas = distribution.replicas(options)
    found: dict = {}
    tf.config.run_functions_eagerly(True)
    for family in ("gru", "transformer"):
        one, many = model_of(family), model_of(family)
        with replicas.strategy.scope():
            copy = model_of(family)
        start = [3 * each.numpy() for each in one.trainable_variables]  # far from uniform logits
        for reduction in SUMS:
            for rows in (7, 1):
                for model in (one, many):
                    for variable, value in zip(model.trainable_variables, start, strict=True):
                        variable.assign(value)
                before = values(one)
                updates_of(one, reduction).take(batch_of(rows), np.inf)
                updates_of(many, reduction, replicas, copy).take(batch_of(rows), np.inf)
                moved = np.linalg.norm(values(one) - before)
                distance = np.linalg.norm(values(one) - values(many)) / moved
                found[f"{family} {reduction} {rows}"] = float(distance)
    row = {name: value[:1] for name, value in batch_of(7).items()}
    both = {name: tf.repeat(value, 2, axis=0) for name, value in row.items()}
    one, many = model_of("gru", 0.5), model_of("gru", 0.5)
    with replicas.strategy.scope():
        copy = model_of("gru", 0.5)
    taken = updates_of(one).take(row, np.inf)
    shared = updates_of(many, "token_mean", replicas, copy).take(both, np.inf)
    found["dropout"] = [float(taken.numerator), float(shared.numerator)]
    found["seeds"] = [
        [each.numpy().tolist() for each in model.variables if "int" in each.dtype]
        for model in (one, many)
    ]
    tf.config.run_functions_eagerly(False)
    return found
