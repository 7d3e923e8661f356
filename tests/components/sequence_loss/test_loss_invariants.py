"""Invariants 1 to 3 on ragged parts and custom functions; in every dtype: test_loss_properties."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from components.sequence_loss import REDUCTIONS, sequence_loss, sequence_loss_sum

B, T, V = 4, 5, 7
SUMS = [name for name in REDUCTIONS if name != "none" and not name.startswith("per_example")]
OPTIONS = {
    "plain": {},
    "smoothed": {"label_smoothing": 0.1, "z_loss": 1e-3},
    "custom": {
        "softmax_loss_function": lambda labels, logits: (
            tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
        )
    },
}
quick = settings(max_examples=10, deadline=None, derandomize=True)


def batch(seed, lengths):
    """Peaked, unequal logits; weights 0.25 to 2, some holes; 0 at and past each length."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(B, T, V)).astype("float32") * 3
    targets = random.integers(0, V, size=(B, T))
    weights = random.choice([0.0, 0.25, 1.0, 2.0], size=(B, T), p=[0.1, 0.2, 0.5, 0.2])
    weights *= np.arange(T) < np.asarray(lengths)[:, None]
    return logits, targets, weights.astype("float32")


batches = st.builds(
    batch, st.integers(0, 10_000), st.lists(st.integers(0, T), min_size=B, max_size=B)
)


def poison(logits, targets, weights, seed):
    """NaN, +-Inf, huge values and out-of-range ids wherever the weight is 0."""
    random = np.random.default_rng(seed)
    bad = np.array([np.nan, np.inf, -np.inf, 3e38, -3e38], "float32")
    dead = weights == 0
    garbage = random.choice(bad, size=logits.shape)
    ids = random.choice([-1, V, 10**9, -(2**31)], size=targets.shape)
    return np.where(dead[..., None], garbage, logits), np.where(dead, ids, targets), weights


def loss_and_gradient(logits, targets, weights, reduction, options):
    """Value and gradient to the logits of sum(loss)."""
    lengths = tf.fill(tf.shape(logits)[:1], T) if reduction == "length_mean" else None
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = sequence_loss(
            logits, targets, weights, reduction=reduction, target_lengths=lengths, **options
        )
        total = tf.reduce_sum(value)
    return value, tape.gradient(total, logits)


@functools.cache
def compiled(reduction, option, mode):
    """One trace for each reduction, option and mode."""

    def step(logits, targets, weights):
        return loss_and_gradient(logits, targets, weights, reduction, OPTIONS[option])

    if mode == "eager":
        return step
    return tf.function(step, jit_compile=mode == "xla", reduce_retracing=True)


def run(arrays, reduction, option="plain", mode="eager"):
    """NumPy value and gradient."""
    value, gradient = compiled(reduction, option, mode)(*map(tf.constant, arrays))
    return value.numpy(), gradient.numpy()


@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
@pytest.mark.parametrize("option", OPTIONS)
@quick
@given(arrays=batches, seed=st.integers(0, 1000))
def test_poison_changes_no_bit(mode, option, arrays, seed):
    reductions = ["token_mean", "none", "example_mean"] if mode == "eager" else ["token_mean"]
    for reduction in reductions:
        clean = run(arrays, reduction, option, mode)
        dirty = run(poison(*arrays, seed), reduction, option, mode)
        for before, after in zip(clean, dirty, strict=True):
            np.testing.assert_array_equal(after, before)
            assert np.isfinite(after).all()
        assert not dirty[1][arrays[2] == 0].any()


@pytest.mark.parametrize("option", ["plain", "smoothed"])
@quick
@given(arrays=batches, seed=st.integers(0, 1000))
def test_poison_in_distributions_changes_no_bit(option, arrays, seed):
    logits, targets, weights = arrays
    soft = np.random.default_rng(seed).dirichlet(np.ones(V), size=(B, T)).astype("float32")
    dirty = poison(logits, targets, weights, seed)[0]
    broken = np.where(weights[..., None] == 0, np.float32(np.nan), soft)
    before = run((logits, soft, weights), "token_mean", option)
    after = run((dirty, broken, weights), "token_mean", option)
    np.testing.assert_array_equal(after[0], before[0])
    np.testing.assert_array_equal(after[1], before[1])


@pytest.mark.parametrize("option", OPTIONS)
@quick
@given(arrays=batches)
def test_masking_equals_deleting(option, arrays):
    """The live tokens alone, as a batch of one row (per-token) or row by row (per-example)."""
    logits, targets, weights = arrays
    live = weights != 0
    alone = logits[live][None], targets[live][None], weights[live][None]
    for reduction in ["token_mean", "token_sum", "nonzero_mean"]:
        value, gradient = run(arrays, reduction, option)
        wanted, wanted_gradient = run(alone, reduction, option)
        np.testing.assert_allclose(value, wanted, rtol=1e-6)
        np.testing.assert_allclose(gradient[live], wanted_gradient[0], rtol=1e-5, atol=1e-7)
    rows = [row for row in range(B) if live[row].any()]
    short = [(logits[r, live[r]], targets[r, live[r]], weights[r, live[r]]) for r in rows]
    per_row = [float(run([x[None] for x in row], "token_mean", option)[0]) for row in short]
    value = run(arrays, "example_mean", option)[0]
    np.testing.assert_allclose(value, np.mean(per_row) if rows else 0.0, rtol=1e-6)


@pytest.mark.parametrize("reduction", SUMS)
@quick
@given(
    arrays=batches, order=st.permutations(range(B)), cut=st.integers(0, B), pad=st.integers(0, 3)
)
def test_splitting_equals_not_splitting(reduction, arrays, order, cut, pad):
    """Rows reordered, padded longer and cut in two unequal parts; sums and gradients added."""
    lengths = np.array([T, 2, T + 4, 0])
    whole, whole_gradient = sums(arrays, reduction, lengths)
    wider = [np.pad(x, [(0, 0), (0, pad)] + [(0, 0)] * (x.ndim - 2)) for x in arrays]
    # lengths past T are cut at T: keep the cut where it was
    lengths = np.minimum(lengths, T)
    parts = [list(order[:cut]), list(order[cut:])]
    results = [sums([x[part] for x in wider], reduction, lengths[part]) for part in parts]
    total = sum(part for part, _ in results)
    np.testing.assert_allclose(total.mean, whole.mean, rtol=1e-5, atol=1e-7)
    gradient = np.zeros_like(wider[0])
    for part, (_, numerator_gradient) in zip(parts, results, strict=True):
        gradient[part] = numerator_gradient
    divided = divide(gradient, total)[:, :T]
    np.testing.assert_allclose(divided, divide(whole_gradient, whole), rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(gradient[:, T:], 0)


def divide(gradient, total):
    """The gradient of `total.mean` from that of its numerator; nothing divides a plain sum."""
    divisor = 1.0 if total.denominator is None else total.denominator
    return tf.math.divide_no_nan(gradient, tf.broadcast_to(divisor, gradient.shape))


def sums(arrays, reduction, lengths):
    """`LossSum` and the gradient of its numerator to the logits."""
    logits, targets, weights = map(tf.constant, arrays)
    given_lengths = lengths if reduction == "length_mean" else None
    with tf.GradientTape() as tape:
        tape.watch(logits)
        total = sequence_loss_sum(
            logits, targets, weights, reduction=reduction, target_lengths=given_lengths
        )
    return total, tape.gradient(total.numerator, logits).numpy()


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("option", OPTIONS)
def test_no_weight_no_loss(option, reduction):
    logits, targets, weights = batch(3, [0, 0, 0, 0])
    value, gradient = run((np.full_like(logits, np.nan), targets - 99, weights), reduction, option)
    assert not value.any()
    assert not gradient.any()
