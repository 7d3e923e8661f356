"""Losses that are not finite: an error that names the place, or a flag; and what stays finite."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.sequence_loss import (
    SequenceLoss,
    check_finite,
    nonfinite_examples,
    sequence_loss,
    sequence_loss_parts,
    sequence_loss_sum,
    token_cross_entropy,
)

B, T, V = 3, 4, 6
RANDOM = np.random.default_rng(17)
X = RANDOM.normal(size=(B, T, V)).astype("float32")
Y = RANDOM.integers(0, V - 1, size=(B, T))  # class V - 1 is never a target
W = np.array([[1, 2, 0.5, 0], [1, 0, 0, 0], [0.25, 1, 1, 1]], "float32")
JIT = pytest.mark.parametrize("jit", [None, False, True], ids=["eager", "graph", "xla"])
# eagerly "example 2, position 1, got nan"; in a graph "[example] [2] [position] [1] [got] [nan]"
PLACE = r"example\]? \[?2\]?,? \[?position\]? \[?1\]?,? \[?got\]? \[?"
LOSSES = {
    "sequence_loss": sequence_loss,
    "per_example": lambda *a: sequence_loss(*a, reduction="per_example"),
    "sum": sequence_loss_sum,
    "parts": sequence_loss_parts,
    "keras": lambda x, y, w: SequenceLoss()(y, x, w),
}


def wrapped(function, jit):
    return function if jit is None else tf.function(function, jit_compile=jit, autograph=False)


def broken(array, value):
    """`value` at example 2, position 1: a live position, of weight 1."""
    array = array.copy()
    array[2, 1] = value
    return array


@pytest.mark.parametrize("jit", [None, False], ids=["eager", "graph"])
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_live_nonfinite_loss_names_its_example(name, bad, jit):
    loss = wrapped(LOSSES[name], jit)
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"non-finite loss .*{PLACE}-?nan"):
        loss(broken(X, bad), Y, W)


@pytest.mark.parametrize("jit", [None, False], ids=["eager", "graph"])
@pytest.mark.parametrize(("bad", "shown"), [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf")])
def test_a_nonfinite_weight_is_an_error_too(bad, shown, jit):
    """Else the mean would be NaN with every loss finite, and nothing would say why."""
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"weight, .*{PLACE}{shown}"):
        wrapped(sequence_loss, jit)(X, Y, broken(W, bad))


@JIT
def test_an_impossible_target_is_infinite(jit):
    """The logit of the target itself is -inf: the loss is +inf, which names its place."""
    logits = X.copy()
    logits[2, 1, Y[2, 1]] = -np.inf
    assert np.isposinf(wrapped(token_cross_entropy, jit)(logits, Y)[2, 1])
    if jit:
        assert np.isposinf(wrapped(sequence_loss, jit)(logits, Y, W))
    else:
        with pytest.raises(tf.errors.InvalidArgumentError, match=f"{PLACE}inf"):
            wrapped(sequence_loss, jit)(logits, Y, W)
    off = broken(W, 0)
    assert np.isfinite(wrapped(sequence_loss, jit)(logits, Y, off))


@JIT
def test_the_flag_under_xla(jit):
    """bool [B] from inside the compiled step: losses, weights or both."""

    def step(x, w):
        losses = token_cross_entropy(x, Y)
        return sequence_loss_flagless(losses, w), nonfinite_examples(losses, w)

    def sequence_loss_flagless(losses, w):
        return tf.reduce_sum(tf.where(w != 0, losses * w, 0.0))

    step = wrapped(step, jit)
    for x, w, wanted in (
        (X, W, [False, False, False]),
        (broken(X, np.nan), W, [False, False, True]),
        (broken(X, np.nan), broken(W, 0), [False, False, False]),
        (X, broken(W, np.nan), [False, False, True]),
    ):
        assert step(tf.constant(x), tf.constant(w))[1].numpy().tolist() == wanted


@pytest.mark.parametrize("weights", [np.ones([B, T], int), np.ones([B, T])])
def test_checks_take_weights_of_another_dtype(weights):
    losses = token_cross_entropy(X, Y)
    np.testing.assert_array_equal(check_finite(losses, weights), losses)
    assert not nonfinite_examples(losses, weights).numpy().any()


@JIT
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
@pytest.mark.parametrize("soft", [False, True], ids=["ids", "soft"])
def test_banned_classes_are_finite_in_every_mode(soft, dtype, jit):
    """-inf at a class that is not the target: as if the class were not in the vocabulary."""
    banned = X.copy()
    banned[..., V - 1] = -np.inf

    def step(x, classes):
        targets = tf.one_hot(Y, classes, dtype=x.dtype) if soft else tf.constant(Y)
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = sequence_loss(x, targets, W, label_smoothing=0.1)
        return loss, tf.cast(tape.gradient(loss, x), tf.float64)

    step = wrapped(step, jit)
    loss, gradient = step(tf.cast(banned, dtype), V)
    wanted, alone = step(tf.cast(X[..., :-1], dtype), V - 1)
    assert np.isfinite(loss)
    np.testing.assert_allclose(loss, wanted, rtol=1e-5)
    assert not gradient[..., -1].numpy().any()
    ulp = {"bfloat16": 2.0**-8, "float16": 2.0**-10}.get(dtype, 1e-5)
    np.testing.assert_allclose(gradient[..., :-1], alone, rtol=ulp, atol=1e-6)


@pytest.mark.parametrize(
    ("row", "ours", "sparse", "dense"),
    [
        # Keras's sparse loss clips to [1e-7, 1 - 1e-7], then divides by the sum; its dense one
        # divides first, then clips. For rows that are distributions and not extreme all agree.
        ([0.2, 0.5, 0.3], -np.log(0.2), -np.log(0.2), -np.log(0.2)),
        ([0.2, 0.2, 0.2], -np.log(0.2), np.log(3), np.log(3)),  # sums to 0.6
        ([2.0, 1.0, 1.0], -np.log(2), np.log(3), np.log(2)),  # sums to 4
        ([1e-30, 0.5, 0.5], -np.log(1e-30), -np.log(1e-7), -np.log(1e-7)),
        ([1.0, 0.0, 0.0], 0.0, 2.4e-7, 1e-7),
    ],
)
def test_probabilities_are_exact_and_keras_clips_and_renormalises(row, ours, sparse, dense):
    row, ids = tf.constant([[row]]), tf.constant([[0]])
    one_hot = tf.constant([[[1.0, 0.0, 0.0]]])
    for targets in (ids, one_hot):
        got = sequence_loss(row, targets, from_logits=False)
        np.testing.assert_allclose(got, ours, rtol=1e-6)
    for theirs, wanted in (
        (keras.losses.SparseCategoricalCrossentropy()(ids, row), sparse),
        (keras.losses.CategoricalCrossentropy()(one_hot, row), dense),
    ):
        np.testing.assert_allclose(theirs, wanted, rtol=2e-6, atol=5e-8)


def test_gradient_of_small_probabilities_is_not_cut():
    """-1/p at the target; Keras gives 0 below 1e-7, so that such a model cannot learn."""
    row = tf.constant([[[1e-9, 0.5, 0.5]]])
    gradients = []
    for loss in (SequenceLoss(from_logits=False), keras.losses.SparseCategoricalCrossentropy()):
        with tf.GradientTape() as tape:
            tape.watch(row)
            value = loss(tf.constant([[0]]), row)
        gradients.append(float(tape.gradient(value, row)[0, 0, 0]))
    assert gradients == [pytest.approx(-1e9, rel=1e-6), 0.0]
