"""The table in `compat`'s docstring, what differs from the originals on purpose: a test for each row."""

import numpy as np
import pytest
import tensorflow as tf

from components.sequence_loss import compat, sequence_loss_by_example

B, T, V = 3, 4, 5
RANDOM = np.random.default_rng(29)
X = RANDOM.normal(size=(B, T, V)).astype("float32")
Y = RANDOM.integers(0, V, size=(B, T)).astype("int32")
W = np.array([[1, 2, 0.5, 0], [1, 0, 0, 0], [0.25, 1, 1, 1]], "float32")
DEAD = W == 0
ROWS = {}


def row(where):
    """Registers the test of the table's row whose first cell is `where`."""

    def register(test):
        ROWS[where] = test
        return test

    return register


def steps(*arrays):
    """Lists of time steps, the legacy layout."""
    return [tf.unstack(tf.constant(x), axis=1) for x in arrays]


def every_result(x=X, y=Y, w=W, **options):
    """Value and gradient to the logits of all the functions, with all weights' arguments as given."""
    functions = [
        compat.contrib_sequence_loss,
        compat.addons_sequence_loss,
        sequence_loss_by_example,
        lambda *a, **o: compat.legacy_sequence_loss(*steps(*a), **o),
        lambda *a, **o: compat.legacy_sequence_loss_by_example(*steps(*a), **o),
    ]
    found = []
    for function in functions:
        logits = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = function(logits, tf.constant(y), tf.constant(w), **options)
        found += [value, tape.gradient(value, logits)]
    return found


def assert_same(got, wanted):
    for one, other in zip(got, wanted, strict=True):
        np.testing.assert_array_equal(one, other)
        assert np.isfinite(tf.cast(one, tf.float64)).all()


@row("weight 0, loss NaN or Inf")
def _poison():
    for bad in (np.nan, np.inf, -np.inf):
        dirty = np.where(DEAD[..., None], np.float32(bad), X)
        assert_same(every_result(x=dirty), every_result())


@row("weight 0, id outside [0, V)")
def _ids():
    for bad in (-1, V, 10**6):
        assert_same(every_result(y=np.where(DEAD, bad, Y).astype("int32")), every_result())
    with pytest.raises(tf.errors.InvalidArgumentError, match="target id outside"):
        every_result(y=np.where(DEAD, Y, -1).astype("int32"))


@row("Addons, one-hot targets, logit -inf at another class")
def _banned():
    banned, ids = X.copy(), Y % (V - 1)
    banned[..., V - 1] = -np.inf
    got = compat.addons_sequence_loss(banned, np.eye(V, dtype="float32")[ids], W)
    np.testing.assert_allclose(got, compat.addons_sequence_loss(banned, ids, W), rtol=1e-6)


@row("Addons, targets [B, T, V] that do not sum to 1")
def _unnormalised():
    """p sum(q) - q, where TensorFlow's kernel gives p - q."""
    logits, q = tf.constant(X, tf.float64), RANDOM.uniform(size=(B, T, V))
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = compat.addons_sequence_loss(logits, q, W.astype("float64"))
    p = tf.nn.softmax(logits).numpy()
    share = (W.astype("float64") / W.sum(dtype="float64"))[..., None]
    wanted = share * (p * q.sum(-1, keepdims=True) - q)
    np.testing.assert_allclose(tape.gradient(loss, logits), wanted, rtol=1e-9, atol=1e-12)


@row("half precision logits")
def _half():
    for dtype in (tf.float16, tf.bfloat16):
        x, w = tf.cast(X, dtype), tf.cast(W, dtype)
        exact = every_result(x=tf.cast(x, tf.float32), w=tf.cast(w, tf.float32))
        for got, wanted in zip(every_result(x=x, w=w)[::2], exact[::2], strict=True):
            assert got.dtype == tf.float32
            np.testing.assert_array_equal(got, wanted)
        for value in every_result(x=x, w=tf.zeros_like(w)):
            assert not tf.cast(value, tf.float32).numpy().any()


@row("weights or targets [T, B]")
def _transposed():
    for function in (compat.contrib_sequence_loss, compat.addons_sequence_loss):
        for targets, weights in ((Y, W.T), (Y.T, W)):
            with pytest.raises(ValueError, match=r"got .* expected \[B, T\]"):
                function(X, targets, weights)


@row("weights [1, 1], [1, B*T]; legacy weights[t] [B, 1]")
def _broadcast():
    for weights in (W[:1, :1], W.reshape(1, -1)):
        with pytest.raises(ValueError, match=r"weights: got .* expected \[B, T\]"):
            compat.contrib_sequence_loss(X, Y, weights)
    columns = [w[:, None] for w in W.T]
    with pytest.raises(ValueError, match=r"weights\[0\]: got .* expected \[B\]"):
        compat.legacy_sequence_loss_by_example(*steps(X, Y), columns)


@row("custom function returns a scalar or [N, 1]")
def _custom_shape():
    for wrong in (lambda labels, logits: 1.0, lambda labels, logits: logits[:, :1]):
        with pytest.raises(ValueError, match=r"softmax_loss_function: got .* expected one loss"):
            compat.contrib_sequence_loss(X, Y, W, softmax_loss_function=wrong)


@row("wrong dtype, eagerly; weights None")
def _dtypes():
    for x, y, w in ((X, Y.astype("float32"), W), (X, Y, W.astype("float64")), (X, Y, None)):
        w = w if w is None else tf.constant(w)
        for function in (compat.contrib_sequence_loss, compat.addons_sequence_loss):
            with pytest.raises(TypeError, match="got"):
                function(x, y, w)


@row("contrib, Addons, lists of time steps for logits")
def _lists():
    for function in (compat.contrib_sequence_loss, compat.addons_sequence_loss):
        with pytest.raises(TypeError, match="logits: got a list of 4 tensors"):
            function(*steps(X, Y, W))


@row("shapes that disagree, eagerly")
def _shapes():
    for x, y, w in ((X[:, 1:], Y, W), (X, Y[1:], W), (X, Y, W[:, 1:])):
        for function in (compat.contrib_sequence_loss, compat.addons_sequence_loss):
            with pytest.raises(ValueError, match="got"):
                function(x, y, w)


@row("NumPy arrays, lists, tuples with lists")
def _containers():
    wanted = compat.contrib_sequence_loss(tf.constant(X), tf.constant(Y), tf.constant(W))
    for arguments in ((X, Y, W), (X.tolist(), Y.tolist(), W.tolist())):
        np.testing.assert_array_equal(compat.contrib_sequence_loss(*arguments), wanted)
    x, y, w = steps(X, Y, W)
    mixed = compat.legacy_sequence_loss(tuple(x), y, [step.numpy() for step in w])
    np.testing.assert_array_equal(mixed, compat.legacy_sequence_loss(x, y, w))


@row("Addons, custom function, targets [B, T, V]")
def _custom_dense():
    seen = []

    def dense(labels, logits):
        seen.append((labels.shape.as_list(), logits.shape.as_list()))
        return tf.nn.softmax_cross_entropy_with_logits(labels=labels, logits=logits)

    one_hot = np.eye(V, dtype="float32")[Y]
    got = compat.addons_sequence_loss(X, one_hot, W, softmax_loss_function=dense)
    assert seen == [([B * T, V], [B * T, V])]
    np.testing.assert_allclose(got, compat.addons_sequence_loss(X, Y, W), rtol=1e-6)


@row("legacy `sequence_loss`, B = 0")
def _no_rows():
    assert compat.legacy_sequence_loss(*steps(X[:0], Y[:0], W[:0])) == 0


def table():
    """First cells of the rows of the docstring's table."""
    lines = [line for line in compat.__doc__.splitlines() if line.startswith("|")]
    return [line.strip("|").split("|")[0].strip() for line in lines[2:]]


def test_every_row_has_its_test():
    assert set(table()) == set(ROWS)


@pytest.mark.parametrize("where", ROWS)
def test_difference(where):
    ROWS[where]()
