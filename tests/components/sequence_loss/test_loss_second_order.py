"""Hessian-vector products, against finite differences of a float64 NumPy gradient."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from components.sequence_loss import sequence_loss

B, T, V = 2, 3, 5
RANDOM = np.random.default_rng(31)
X = RANDOM.normal(size=(B, T, V)) * 2
IDS = RANDOM.integers(0, V, size=(B, T))
SOFT = RANDOM.dirichlet(np.ones(V), size=(B, T))
W = np.array([[1.0, 0.5, 0.0], [2.0, 0.0, 0.25]])
DIRECTION = RANDOM.normal(size=(B, T, V))
STEP = 1e-5  # of the central differences: error STEP^2 times a third derivative, below 1e-9
MODES = pytest.mark.parametrize("jit", [None, False, True], ids=["eager", "graph", "xla"])
OPTIONS = {
    "ids": (IDS, {}),
    "soft": (SOFT, {}),
    "regularised": (IDS, {"label_smoothing": 0.2, "z_loss": 0.05}),
    "soft regularised": (SOFT, {"label_smoothing": 0.2, "z_loss": 0.05}),
    "probabilities": (IDS, {"from_logits": False}),
}


def softmax(logits):
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def oracle_gradient(inputs, option):
    """Gradient of token_mean, by hand: w/W (p sum(q) - q + 2 z lse p); -w/W q/x of probabilities."""
    targets, options = OPTIONS[option]
    q = np.eye(V)[targets] if targets.ndim == 2 else targets
    share = (W / W.sum())[..., None]
    if not options.get("from_logits", True):
        return -share * q / inputs
    smoothing, z = options.get("label_smoothing", 0.0), options.get("z_loss", 0.0)
    q = (1 - smoothing) * q + smoothing / V
    p, lse = softmax(inputs), np.log(np.exp(inputs).sum(-1, keepdims=True))
    return share * (p * q.sum(-1, keepdims=True) - q + 2 * z * lse * p)


@functools.cache
def compiled(option, jit):
    """(logits or probabilities, targets) -> (gradient, Hessian times DIRECTION) of token_mean."""
    options = OPTIONS[option][1]

    def compute(x, targets):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                loss = sequence_loss(x, targets, W, **options)
            gradient = inner.gradient(loss, x)
            along = tf.reduce_sum(gradient * DIRECTION)
        return gradient, tf.convert_to_tensor(outer.gradient(along, x))

    return compute if jit is None else tf.function(compute, jit_compile=jit, autograph=False)


def products(inputs, targets, option, jit):
    """NumPy gradient and Hessian-vector product."""
    found = compiled(option, jit)(tf.constant(inputs), tf.constant(targets))
    return [part.numpy() for part in found]


@MODES
@pytest.mark.parametrize("option", OPTIONS)
def test_hessian_vector_product(option, jit):
    targets, options = OPTIONS[option]
    inputs = softmax(X) if "from_logits" in options else X
    gradient, product = products(inputs, targets, option, jit)
    np.testing.assert_allclose(gradient, oracle_gradient(inputs, option), rtol=1e-9, atol=1e-12)
    ahead = oracle_gradient(inputs + STEP * DIRECTION, option)
    behind = oracle_gradient(inputs - STEP * DIRECTION, option)
    wanted = (ahead - behind) / (2 * STEP)
    np.testing.assert_allclose(product, wanted, rtol=1e-4, atol=1e-6 * np.abs(wanted).max())
    assert np.abs(product[W != 0]).max() > 1e-3


@MODES
@pytest.mark.parametrize("option", OPTIONS)
def test_poison_does_not_reach_the_second_order(option, jit):
    targets, options = OPTIONS[option]
    clean = softmax(X) if "from_logits" in options else X
    dead = W == 0
    ids = np.where(dead, -9, targets) if targets.ndim == 2 else None
    dirty = ids if ids is not None else np.where(dead[..., None], np.nan, targets)
    wanted = products(clean, targets, option, jit)
    for bad in (np.nan, np.inf, -np.inf, 1e300):
        got = products(np.where(dead[..., None], bad, clean), dirty, option, jit)
        np.testing.assert_array_equal(got, wanted)
        assert not np.asarray(got)[:, dead].any()


@MODES
def test_banned_classes_in_the_second_order(jit):
    """A logit of -inf at another class: the Hessian is that of a vocabulary without it."""
    banned = X.copy()
    banned[..., V - 1] = -np.inf
    ids = IDS % (V - 1)
    _, product = products(banned, ids, "ids", jit)
    p = softmax(banned)
    wanted = (W / W.sum())[..., None] * p * (DIRECTION - (p * DIRECTION).sum(-1, keepdims=True))
    np.testing.assert_allclose(product, wanted, rtol=1e-9, atol=1e-12)


@MODES
def test_mixed_derivative_of_logits_and_weights(jit):
    """d/dw of the gradient along a direction: meta-learned example weights need it."""

    def compute(x, w):
        with tf.GradientTape() as outer:
            outer.watch(w)
            with tf.GradientTape() as inner:
                inner.watch(x)
                loss = sequence_loss(x, IDS, w, reduction="token_sum")
            along = tf.reduce_sum(inner.gradient(loss, x) * DIRECTION)
        return outer.gradient(along, w)

    compute = compute if jit is None else tf.function(compute, jit_compile=jit, autograph=False)
    got = compute(tf.constant(X), tf.constant(W))
    slopes = ((softmax(X) - np.eye(V)[IDS]) * DIRECTION).sum(-1)
    np.testing.assert_allclose(got.numpy()[W != 0], slopes[W != 0], rtol=1e-9)
    assert np.isfinite(got).all()
