"""Packed rows train what their examples train on rows of their own, and examples do not meet."""

import dataclasses
import functools

import numpy as np
import pytest
import tensorflow as tf

from components.trainer import packed_batches
from components.trainer.models import ModelSpec, build_model
from components.trainer.objective import Objective
from components.trainer.request import LossOptions
from transform.settings import Settings, Side

T, S, WORDS = 8, 7, 11
# Examples of each row. The third row is full on the target side.
COUNTS = [3, 1, 2, 4]
TARGETS = [3, 5, 2, 7, 6, 6, 4, 3, 1, 0]
SOURCES = [2, 1, 4, 7, 0, 3, 2, 2, 2, 1]
SHAPE = (12, 9)
REDUCTIONS = (
    *("token_mean", "token_sum", "example_mean"),
    *("batch_mean", "length_mean", "nonzero_mean"),
)


def examples(task: str) -> dict[str, np.ndarray]:
    """Ten examples on rows of their own, with wild ids where there is none."""
    random = np.random.default_rng(7)

    def ids(lengths: list[int], limit: int) -> np.ndarray:
        real = np.arange(limit) < np.array(lengths)[:, None]
        return np.where(real, random.integers(4, WORDS, (len(lengths), limit)), -5)

    weights = random.choice([0.0, 0.5, 1.0, 3.0], (len(TARGETS), T))
    weights *= np.arange(T) < np.array(TARGETS)[:, None]
    weights[2] = 0  # an example that does not count
    batch = {
        "targets": ids(TARGETS, T),
        "target_lengths": np.array(TARGETS),
        "loss_weights": weights.astype(np.float32),
    }
    sources, limit = (TARGETS, T) if task == "tagging" else (SOURCES, S)
    if task != "lm":
        batch |= {"inputs": ids(sources, limit), "input_lengths": np.array(sources)}
    if task == "tagging":
        batch["input_chars"] = random.integers(0, 5, (len(TARGETS), T, 3))
    return batch


@functools.cache
def model(task: str):
    built = build_model(
        ModelSpec(
            task=task,
            family="transformer",
            vocabulary_size=WORDS,
            input_vocabulary_size=0 if task == "lm" else WORDS,
            character_vocabulary_size=5 if task == "tagging" else 0,
            units=8,
            heads=2,
            layers=2,
            feed_forward=12,
            max_length=T,
            max_input_length=T if task == "tagging" else S,
            seed=3,
        )
    )
    random = np.random.default_rng(1)
    for variable in built.trainable_variables:  # biases, too, must matter
        variable.assign(variable.value + random.normal(0, 0.3, variable.shape))
    return built


def packed(task: str, batch: dict[str, np.ndarray]) -> dict[str, tf.Tensor]:
    shape = (SHAPE[0],) * 2 if task == "tagging" else SHAPE[: 1 if task == "lm" else 2]
    tensors = {name: tf.constant(value) for name, value in batch.items()}
    return packed_batches.pack(tensors, tf.constant(COUNTS), shape)


def objective(task: str, loss: LossOptions) -> Objective:
    side = Side("target", "whitespace", T)
    settings = Settings(task=task, target=side, source=None if task == "lm" else side)
    return Objective(model(task), settings, loss)


def gradient(task: str, loss: LossOptions, batch) -> tuple[tuple, np.ndarray]:
    """(what is minimised and its sums, the gradient as one array)."""
    with tf.GradientTape() as tape:
        found = objective(task, loss).minimised(batch)
        mean = found.loss
    parts = tape.gradient(mean, model(task).trainable_variables, unconnected_gradients="zero")
    flat = [np.ravel(tf.convert_to_tensor(part)) for part in parts]
    sums = (mean, *found.plain, found.z_loss.mean, found.total.mean)
    return tuple(float(one) for one in sums), np.concatenate(flat)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("task", ["lm", "seq2seq", "tagging"])
def test_packed_rows_have_the_gradient_of_their_examples(task: str, reduction: str) -> None:
    loss = LossOptions(reduction=reduction, label_smoothing=0.1, z_loss=1e-2)
    batch = examples(task)
    alone = {name: tf.constant(value) for name, value in batch.items()}
    expected_sums, expected = gradient(task, loss, alone)
    sums, found = gradient(task, loss, packed(task, batch))
    np.testing.assert_allclose(sums, expected_sums, rtol=1e-5)
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def hidden(task: str, batch) -> np.ndarray:
    inputs = objective(task, LossOptions()).inputs(batch)
    return model(task).hidden(inputs, training=False).numpy()


@pytest.mark.parametrize(
    ("task", "side"),
    [
        ("lm", "targets"),
        ("seq2seq", "targets"),
        ("seq2seq", "inputs"),
        ("tagging", "inputs"),
        ("tagging", "input_chars"),
    ],
)
def test_no_example_sees_another(task: str, side: str) -> None:
    """Bit by bit: each example in turn gets other tokens, and the others' states stay."""
    batch = examples(task)
    before = hidden(task, packed(task, batch))
    numbers = packed(task, batch)["target_segments"].numpy()
    lengths = SOURCES if task == "seq2seq" and side == "inputs" else TARGETS
    for index, length in enumerate(lengths):
        row = int(np.searchsorted(np.cumsum(COUNTS), index, side="right"))
        own = numbers == index - sum(COUNTS[:row]) + 1
        own &= (np.arange(len(COUNTS)) == row)[:, None]
        others = (numbers > 0) & ~own
        changed = {name: value.copy() for name, value in batch.items()}
        changed[side][index] = (changed[side][index] + 1) % 5
        after = hidden(task, packed(task, changed))
        np.testing.assert_array_equal(after[others], before[others])
        reads = length > (1 if side == "targets" else 0)  # no position follows the last token
        if reads and own.any():
            assert (after[own] != before[own]).any()


def test_features_of_packed_rows() -> None:
    batch = {
        "targets": tf.constant([[5, 6, 3, 0], [7, 3, 0, 0], [8, 3, 9, 3], [1, 1, 1, 1]]),
        "target_lengths": tf.constant([3, 2, 4, 0], tf.int64),
        "loss_weights": tf.constant([[1.0, 2, 3, 0], [4, 5, 0, 0], [6, 7, 8, 9], [1, 1, 1, 1]]),
        "inputs": tf.constant([[4, 0, 0], [5, 5, 0], [6, 7, 8], [9, 0, 0]]),
        "input_lengths": tf.constant([1, 0, 3, 1], tf.int64),
    }
    found = packed_batches.pack(batch, tf.constant([2, 2]), (6, 4))
    assert {name: value.numpy().tolist() for name, value in found.items()} == {
        "targets": [[5, 6, 3, 7, 3, 0], [8, 3, 9, 3, 0, 0]],
        "target_lengths": [5, 4],
        "loss_weights": [[1, 2, 3, 4, 5, 0], [6, 7, 8, 9, 0, 0]],
        "target_segments": [[1, 1, 1, 2, 2, 0], [1, 1, 1, 1, 0, 0]],
        "target_positions": [[0, 1, 2, 0, 1, 0], [0, 1, 2, 3, 0, 0]],
        "inputs": [[4, 0, 0, 0], [6, 7, 8, 9]],
        "input_lengths": [1, 4],
        "input_segments": [[1, 0, 0, 0], [1, 1, 1, 2]],
        "input_positions": [[0, 0, 0, 0], [0, 1, 2, 0]],
        "packed_examples": [2, 2],
    }
    shifted = objective("seq2seq", LossOptions()).inputs(found)["decoder_inputs"]
    real = found["target_segments"].numpy() > 0
    assert shifted.numpy()[real].tolist() == [2, 5, 6, 2, 7, 2, 8, 3, 9]


def test_a_position_beyond_the_table_is_an_error() -> None:
    """Rows may be longer than the positions that the model knows, examples may not."""
    batch = packed("lm", examples("lm"))
    assert batch["targets"].shape[1] > T
    wrong = batch | {"target_positions": batch["target_positions"] + 2}
    with pytest.raises(tf.errors.InvalidArgumentError, match="max_length"):
        hidden("lm", wrong)
    assert dataclasses.asdict(model("lm").spec)["max_length"] == T
