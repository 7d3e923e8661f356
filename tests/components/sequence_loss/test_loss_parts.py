"""`sequence_loss_parts`: what is minimised, and the plain loss and z-loss beside it."""

import operator

import numpy as np
import pytest
import tensorflow as tf

from components.sequence_loss import (
    REDUCTIONS,
    LossParts,
    LossSum,
    losses,
    sequence_loss,
    sequence_loss_parts,
    sequence_loss_sum,
)

RANDOM = np.random.default_rng(21)
X = RANDOM.normal(size=(3, 4, 6)) * 2
Y = RANDOM.integers(0, 6, size=(3, 4))
W = np.array([[1.0, 0.5, 2.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.25, 1.0, 1.0, 1.0]])
SUMS = [name for name in REDUCTIONS if name not in ("none", "per_example", "per_example_sum")]
REGULARISED = {"label_smoothing": 0.1, "z_loss": 0.01}


def lengths_for(reduction):
    return {"target_lengths": [3, 1, 4]} if reduction == "length_mean" else {}


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("reduction", SUMS)
def test_parts_are_the_sums_of_separate_calls(reduction, soft):
    targets = RANDOM.dirichlet(np.ones(6), size=(3, 4)) if soft else Y
    options = {"reduction": reduction, **lengths_for(reduction)}
    parts = sequence_loss_parts(X, targets, W, **options, **REGULARISED)
    smoothed = sequence_loss_sum(X, targets, W, **options, label_smoothing=0.1)
    for got, wanted in (
        (parts.total, sequence_loss_sum(X, targets, W, **options, **REGULARISED)),
        (parts.plain, sequence_loss_sum(X, targets, W, **options)),
        (parts.z_loss, LossSum(parts.total.numerator - smoothed.numerator, smoothed.denominator)),
    ):
        np.testing.assert_allclose(got.numerator, wanted.numerator, rtol=1e-12)
        assert (got.denominator is None) == (reduction == "token_sum")
        if reduction != "token_sum":
            np.testing.assert_array_equal(got.denominator, wanted.denominator)


def test_z_loss_by_hand():
    """Two classes of logit 0: logsumexp is ln 2; z-loss 0.5 (ln 2)^2 for each unit of weight."""
    parts = sequence_loss_parts(tf.zeros([1, 2, 2]), [[0, 1]], [[1.0, 3.0]], z_loss=0.5)
    wanted = 0.5 * np.log(2) ** 2
    np.testing.assert_allclose(parts.z_loss.mean, wanted, rtol=1e-6)
    np.testing.assert_allclose(parts.plain.mean, np.log(2), rtol=1e-6)
    np.testing.assert_allclose(parts.total.mean, np.log(2) + wanted, rtol=1e-6)
    assert sequence_loss_parts(X, Y, W).z_loss.mean == 0


@pytest.mark.parametrize("mode", [None, False, True], ids=["eager", "graph", "xla"])
def test_only_the_total_has_a_gradient(mode):
    def run(x):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            parts = sequence_loss_parts(x, Y, W, **REGULARISED)
            means = [part.mean for part in parts]
            alone = sequence_loss(x, Y, W, **REGULARISED)
        assert [tape.gradient(mean, x) for mean in means[1:]] == [None, None]
        return tape.gradient(means[0], x), tape.gradient(alone, x), parts

    run = run if mode is None else tf.function(run, jit_compile=mode)
    got, wanted, parts = run(tf.constant(X))
    np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-15)
    assert isinstance(parts, LossParts)
    assert parts.total.numerator > parts.plain.numerator


def test_parts_add_up():
    """Three unequal micro-batches; `sum` starts from the int 0."""
    whole = sequence_loss_parts(X, Y, W, **REGULARISED)
    rows = [slice(0, 1), slice(1, 2), slice(2, 3)]
    added = sum(sequence_loss_parts(X[r], Y[r], W[r], **REGULARISED) for r in rows)
    assert isinstance(added, LossParts)
    for got, wanted in zip(added, whole, strict=True):
        np.testing.assert_allclose(got.numerator, wanted.numerator, rtol=1e-13)
        np.testing.assert_allclose(got.denominator, wanted.denominator, rtol=1e-15)
    with pytest.raises(TypeError):
        operator.add(whole, (1, 2, 3))
    with pytest.raises(TypeError):
        1 + whole


def test_parts_are_poison_proof():
    broken, ids = X.copy(), Y.copy()
    broken[W == 0], ids[W == 0] = np.nan, 99
    clean = sequence_loss_parts(X, Y, W, **REGULARISED)
    for got, wanted in zip(sequence_loss_parts(broken, ids, W, **REGULARISED), clean, strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_the_cross_entropy_is_computed_once(monkeypatch):
    calls = []
    original = losses._id_losses
    monkeypatch.setattr(losses, "_id_losses", lambda *a: calls.append(1) or original(*a))
    sequence_loss_parts(X, Y, W, **REGULARISED)
    assert calls == [1]


def test_plain_beside_a_custom_function_is_the_full_cross_entropy():
    def halved(labels, logits):
        return 0.5 * tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)

    parts = sequence_loss_parts(X, Y, W, softmax_loss_function=halved)
    plain = sequence_loss_sum(X, Y, W)
    np.testing.assert_allclose(parts.plain, plain, rtol=1e-13)
    np.testing.assert_allclose(parts.total.numerator, plain.numerator / 2, rtol=1e-13)
    assert parts.z_loss.numerator == 0


@pytest.mark.parametrize("reduction", ["none", "per_example", "per_example_sum", "mean"])
def test_only_scalar_reductions(reduction):
    with pytest.raises(ValueError, match=f"reduction: got '{reduction}'"):
        sequence_loss_parts(X, Y, W, reduction=reduction)
