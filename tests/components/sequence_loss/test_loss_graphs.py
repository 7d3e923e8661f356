"""Graphs that are no eager function: TensorFlow 1's, XLA's, and Keras's under a strategy."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from components.sequence_loss import compat, sequence_loss, sequence_weights

NAN = float("nan")
RANDOM = np.random.default_rng(6)
X = RANDOM.normal(size=(2, 3, 5)).astype("float32")
Y = np.array([[1, 2, 3], [4, 0, 1]], "int32")
W = np.array([[1, 2, 0.5], [0.25, 0, 0]], "float32")
POISONED = np.where(W[..., None] == 0, np.float32(NAN), X)

# The strategy's devices exist only if asked for before TensorFlow starts: another process.
FIT = """
import json
import keras
import numpy as np
import tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
from components.sequence_loss import SequenceLoss

random = np.random.default_rng(1)
x, y = random.integers(0, 4, size=(2, 8, 3))
w = random.choice([0.5, 1, 2], size=(8, 3)).astype("float32")
w[4:, 1:] = 0  # the second replica has less weight
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
assert strategy.num_replicas_in_sync == 2
keras.utils.set_random_seed(1)
with strategy.scope():
    layers = [keras.Input([None], dtype="int32"), keras.layers.Embedding(4, 3), keras.layers.Dense(4)]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.SGD(0.5), SequenceLoss())
    direct = float(SequenceLoss()(y, model(x), w))
alone = keras.models.clone_model(model)
alone.set_weights(model.get_weights())
loss = SequenceLoss()
with tf.GradientTape() as tape:
    mean = (loss(y[:4], alone(x[:4]), w[:4]) + loss(y[4:], alone(x[4:]), w[4:])) / 2
gradients = tape.gradient(mean, alone.trainable_variables)
wanted = [(v - 0.5 * tf.convert_to_tensor(g)).numpy().tolist()
          for v, g in zip(alone.trainable_variables, gradients)]
outside = float(loss(y, alone(x), w))
history = model.fit(x, y, sample_weight=w, batch_size=8, epochs=1, verbose=0, shuffle=False)
print(json.dumps({
    "loss": [history.history["loss"][0], float(mean)],
    "direct": [direct, outside],
    "weights": [[v.tolist() for v in model.get_weights()], wanted],
}))
"""


def test_fit_under_a_strategy():
    """The loss shown and the step taken are those of the mean of the replicas' means."""
    done = subprocess.run([sys.executable, "-c", FIT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    np.testing.assert_allclose(*found["loss"], rtol=1e-6)
    np.testing.assert_allclose(*found["direct"], rtol=1e-6)
    assert abs(found["loss"][0] / found["direct"][0] - 1) > 1e-3
    for got, wanted in zip(*found["weights"], strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


def steps(tensor):
    return tf.unstack(tensor, axis=1)


def lists(x, y, w):
    """The legacy function on lists."""
    return compat.legacy_sequence_loss(steps(x), steps(y), steps(w))


def addons_sums(x, y, w):
    """sum(W e) / #(W != 0)"""
    return compat.addons_sequence_loss(x, y, w, False, False, True, True)


def smoothed(x, y, w):
    return sequence_loss(x, y, w, reduction="nonzero_mean", label_smoothing=0.1, z_loss=0.01)


@pytest.mark.parametrize(
    "loss", [compat.contrib_sequence_loss, addons_sums, lists, sequence_loss, smoothed]
)
def test_tensorflow_1_graph_and_session(loss):
    """There `tensor != 0` is the Python bool True; NaN logits at weight 0 must not count."""
    x = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        wanted = loss(x, tf.constant(Y), tf.constant(W))
    wanted_gradient = tape.gradient(wanted, x).numpy()
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        logits = tf.compat.v1.placeholder(tf.float32, [None, 3, 5])
        weights = tf.compat.v1.placeholder(tf.float32, [None, 3])
        value = loss(logits, tf.constant(Y), weights)
        (gradient,) = tf.compat.v1.gradients(value, logits)
        for given in (X, POISONED):
            got = session.run([value, gradient], {logits: given, weights: W})
            np.testing.assert_allclose(got[0], wanted.numpy(), rtol=1e-6)
            np.testing.assert_allclose(got[1], wanted_gradient, rtol=1e-5, atol=1e-7)


def test_errors_in_a_tensorflow_1_graph():
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        logits = tf.compat.v1.placeholder(tf.float32, [None, 3, 5])
        weights = tf.compat.v1.placeholder(tf.float32, [None, 3])
        value = sequence_loss(logits, Y, weights)
        with pytest.raises(tf.errors.InvalidArgumentError, match="non-finite loss"):
            session.run(value, {logits: X * NAN, weights: W})
        with pytest.raises(tf.errors.InvalidArgumentError, match="weights: got shape"):
            session.run(value, {logits: X, weights: W[:1]})


def test_weights_in_a_tensorflow_1_graph():
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        packed = sequence_weights(segment_ids=[[1, 2, 0]], token=[[1, 0.5, NAN]])
        np.testing.assert_array_equal(session.run(packed), [[1, 0.5, 0]])


@pytest.mark.parametrize("wrong", [(2, 1), (1, 3), (3, 2)])
def test_xla_checks_shapes_known_only_at_run_time(wrong):
    """XLA drops assertions; weights `[B, 1]` gave a number."""
    spec = tf.TensorSpec
    signature = [spec([None, None, None]), spec([None, None], tf.int32), spec([None, None])]
    loss = tf.function(sequence_loss, signature, jit_compile=True)
    np.testing.assert_allclose(loss(X, Y, W), sequence_loss(X, Y, W), rtol=1e-6)
    with pytest.raises(tf.errors.InvalidArgumentError, match="weights_shape"):
        loss(X, Y, np.ones(wrong, "float32"))
