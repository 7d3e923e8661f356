"""Updates: the gradient of a window of batches is that of the one batch that holds them all."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.sequence_loss.reductions import SUMS
from components.trainer.models import ModelSpec, SequenceModel, build_model
from components.trainer.objective import Objective
from components.trainer.request import LossOptions
from components.trainer.updates import Updates
from transform.settings import Settings, Side

SETTINGS = Settings(task="lm", target=Side("text", "whitespace", 8))
SPEC = {
    "targets": tf.TensorSpec([None, None], tf.int64),
    "target_lengths": tf.TensorSpec([None], tf.int64),
    "loss_weights": tf.TensorSpec([None, None], tf.float32),
}
INFINITY = float("inf")
# One row, many rows, few: batches of very different weight.
PARTS = [slice(0, 1), slice(1, 9), slice(9, 12), slice(12, 24)]


@pytest.fixture(autouse=True, scope="module")
def eagerly():
    """The arithmetic is the same, and nothing is traced for each of the cases."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def batch(copy_rows) -> dict[str, tf.Tensor]:
    rows = copy_rows(24, seed=3)
    return {
        "targets": tf.constant(np.array([row["targets"] for row in rows]), tf.int64),
        "target_lengths": tf.constant([row["target_lengths"][0] for row in rows], tf.int64),
        "loss_weights": tf.constant(np.array([row["loss_weights"] for row in rows]), tf.float32),
    }


@pytest.fixture(scope="module", params=["gru", "transformer"])
def model(request) -> SequenceModel:
    spec = ModelSpec("lm", 9, family=request.param, units=8, heads=2, feed_forward=16, seed=5)
    model = build_model(spec)
    for variable in model.trainable_variables:  # far from uniform logits
        variable.assign(3 * variable)
    return model


def parts(batch: dict[str, tf.Tensor]) -> list[dict[str, tf.Tensor]]:
    """The batch in pieces, each with no more padding than it needs."""
    found = []
    for at in PARTS:
        part = {name: value[at] for name, value in batch.items()}
        longest = int(tf.reduce_max(part["target_lengths"]))
        found.append({n: v[:, :longest] if v.shape.rank == 2 else v for n, v in part.items()})
    return found


def moved(model, batches, *, optimizer=None, reduction="token_mean", **options) -> list[np.ndarray]:
    """What one update of all the batches takes from the weights, which are put back."""
    before = [variable.numpy() for variable in model.trainable_variables]
    objective = Objective(model, SETTINGS, LossOptions(reduction=reduction))
    optimizer = optimizer or keras.optimizers.SGD(1.0)
    updates = Updates(model, objective, optimizer, SPEC, window=len(batches), **options)
    for each in batches:
        updates.take(each, INFINITY)
    if len(batches) > 1:
        updates.close()
    after = [variable.numpy() for variable in model.trainable_variables]
    for variable, value in zip(model.trainable_variables, before, strict=True):
        variable.assign(value)
    return [old - new for old, new in zip(before, after, strict=True)]


def distance(found: list[np.ndarray], expected: list[np.ndarray]) -> float:
    """Norm of the difference, relative."""
    flat = [np.concatenate([value.ravel() for value in each]) for each in (found, expected)]
    return float(np.linalg.norm(flat[0] - flat[1]) / np.linalg.norm(flat[1]))


@pytest.mark.parametrize("reduction", SUMS)
def test_a_window_moves_the_weights_as_its_one_big_batch_would(model, batch, reduction) -> None:
    whole = moved(model, [batch], reduction=reduction)
    # The weights, whose rounding is part of the difference, are far larger than small gradients.
    assert distance(moved(model, parts(batch), reduction=reduction), whole) < 1e-5


def test_keras_own_accumulation_does_not(model, batch) -> None:
    whole = moved(model, [batch])
    before = [variable.numpy() for variable in model.trainable_variables]
    optimizer = keras.optimizers.SGD(1.0, gradient_accumulation_steps=len(PARTS))
    optimizer.build(model.trainable_variables)
    objective = Objective(model, SETTINGS, LossOptions())
    for part in parts(batch):
        with tf.GradientTape() as tape:
            loss = objective.minimised(part).loss
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply([tf.convert_to_tensor(each) for each in gradients])
    found = [
        old - variable.numpy()
        for old, variable in zip(before, model.trainable_variables, strict=True)
    ]
    for variable, value in zip(model.trainable_variables, before, strict=True):
        variable.assign(value)
    assert distance(found, whole) > 0.1


def test_clipping_sees_the_window_not_its_batches(model, batch) -> None:
    limit = 0.01
    whole = moved(model, [batch], clip_norm=limit)
    assert np.sqrt(sum(np.sum(each**2) for each in whole)) == pytest.approx(limit, rel=1e-4)
    assert distance(moved(model, parts(batch), clip_norm=limit), whole) < 1e-4


def test_a_batch_without_weight_adds_nothing_and_moves_no_moment(model, batch) -> None:
    empty = batch | {"loss_weights": tf.zeros_like(batch["loss_weights"])}
    whole = moved(model, [batch])
    assert distance(moved(model, [*parts(batch), empty]), whole) < 1e-5
    for window in ([empty], [empty, empty]):
        adam = keras.optimizers.Adam(0.1)
        # With moments of its own, Adam would move the weights on a gradient of zeros.
        moved(model, [batch], optimizer=adam)
        slots = [variable.numpy() for variable in adam.variables]
        assert not any(np.any(each) for each in moved(model, window, optimizer=adam))
        for old, variable in zip(slots, adam.variables, strict=True):
            np.testing.assert_array_equal(old, variable.numpy())


def test_a_batch_that_is_not_good_changes_nothing(model, batch) -> None:
    assert not any(np.any(each) for each in spiking(model, [batch]))
    whole = moved(model, [parts(batch)[1]])
    assert distance(spiking(model, parts(batch)[:2]), whole) < 1e-5


def spiking(model, batches) -> list[np.ndarray]:
    """As `moved`, but the first batch is above the limit."""
    before = [variable.numpy() for variable in model.trainable_variables]
    updates = Updates(
        model,
        Objective(model, SETTINGS, LossOptions()),
        keras.optimizers.SGD(1.0),
        SPEC,
        window=len(batches),
    )
    assert not updates.take(batches[0], 1e-3).good
    for each in batches[1:]:
        assert updates.take(each, INFINITY).good
    if len(batches) > 1:
        updates.close()
    after = [variable.numpy() for variable in model.trainable_variables]
    for variable, value in zip(model.trainable_variables, before, strict=True):
        variable.assign(value)
    return [old - new for old, new in zip(before, after, strict=True)]


def test_the_average_follows_the_weights_with_a_rising_decay(model, batch) -> None:
    before = [variable.numpy() for variable in model.trainable_variables]
    objective = Objective(model, SETTINGS, LossOptions())
    updates = Updates(model, objective, keras.optimizers.SGD(0.5), SPEC, ema=0.2)
    averages = before
    for decay in (2 / 11, 0.2):  # min(0.2, (1 + n) / (10 + n)) after update n
        updates.take(batch, INFINITY)
        now = [variable.numpy() for variable in model.trainable_variables]
        averages = [decay * a + (1 - decay) * n for a, n in zip(averages, now, strict=True)]
    for found, expected in zip(updates.averages, averages, strict=True):
        np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)
    for variable, value in zip(model.trainable_variables, before, strict=True):
        variable.assign(value)
