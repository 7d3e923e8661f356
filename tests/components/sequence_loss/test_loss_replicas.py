"""Two replicas of `tf.distribute.MirroredStrategy`: sums added, divided once.

Logical devices exist only if asked for before TensorFlow starts, so that this is another process.
"""

import json
import subprocess
import sys

import numpy as np
import pytest

from components.sequence_loss import REDUCTIONS

PROGRAM = """
import json
import numpy as np
import tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
from components.sequence_loss import sequence_loss_parts

random = np.random.default_rng(4)
features = random.normal(size=(4, 5, 3)).astype("float32")
ids = random.integers(0, 6, size=(4, 5))
lengths = np.array([5, 4, 1, 2])
weights = (np.arange(5) < lengths[:, None]) * random.choice([0.5, 1, 2], size=(4, 5))
weights[:2] *= 4  # replica 0 has most of the weight
weights[3] = 0
start = random.normal(size=(3, 6)).astype("float32")
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
assert strategy.num_replicas_in_sync == 2

def batch(rows):
    arrays = (features, ids, weights.astype("float32"), lengths)
    return tuple(tf.constant(array[rows]) for array in arrays)

def loss_of(kernel, rows, reduction):
    x, y, w, n = rows
    n = n if reduction == "length_mean" else None
    options = {"label_smoothing": 0.1, "z_loss": 1e-3}
    logits = tf.einsum("btd,dv->btv", x, kernel)
    return sequence_loss_parts(logits, y, w, reduction=reduction, target_lengths=n, **options)

def values(context):
    replica = context.replica_id_in_sync_group
    return batch(slice(2 * replica, 2 * replica + 2))

def gradient_of_numerator(kernel, rows, reduction):
    with tf.GradientTape() as tape:
        tape.watch(kernel)
        parts = loss_of(kernel, rows, reduction)
    return tape.gradient(parts.total.numerator, kernel), parts

def single_device(reduction):
    kernel = tf.constant(start)
    with tf.GradientTape() as tape:
        tape.watch(kernel)
        parts = loss_of(kernel, batch(slice(0, 4)), reduction)
        mean = parts.total.mean
    return tape.gradient(mean, kernel).numpy(), parts

def replicas(reduction):
    # one training step: the sums are added over replicas and divided once
    with strategy.scope():
        kernel = tf.Variable(start)

    def replica(*rows):
        gradient, parts = gradient_of_numerator(kernel.value(), rows, reduction)
        context = tf.distribute.get_replica_context()
        divisor = parts.total.map(lambda x: context.all_reduce("SUM", x)).denominator
        gradient = context.all_reduce("SUM", gradient)
        if divisor is not None:
            gradient /= divisor
        kernel.assign_sub(0.5 * gradient)
        return gradient, parts

    @tf.function(autograph=False)
    def train(rows):
        gradient, parts = strategy.run(replica, args=rows)
        return gradient, parts.map(lambda x: strategy.reduce("SUM", x, axis=None))

    gradient, added = train(strategy.experimental_distribute_values_from_function(values))
    return strategy.experimental_local_results(gradient)[0].numpy(), added, kernel.numpy()

found = {}
for reduction in REDUCTIONS:
    wanted, parts = single_device(reduction)
    gradient, added, kernel = replicas(reduction)
    halves = [loss_of(tf.constant(start), batch(slice(r, r + 2)), reduction).total for r in (0, 2)]
    found[reduction] = {
        "types": [type(added).__name__, type(added.total).__name__],
        "mean": [float(added.total.mean), float(parts.total.mean)],
        "plain": [float(added.plain.mean), float(parts.plain.mean)],
        "gradient": [gradient.tolist(), wanted.tolist()],
        "kernel": [kernel.tolist(), (start - 0.5 * wanted).tolist()],
        "replicas": [[float(x) for x in half if x is not None] for half in halves],
    }
print(json.dumps(found))
"""
SUMS = [name for name in REDUCTIONS if name not in ("none", "per_example", "per_example_sum")]


@pytest.fixture(scope="module")
def found():
    """What two replicas and one device computed, by reduction."""
    code = f"REDUCTIONS = {SUMS!r}\n{PROGRAM}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("reduction", SUMS)
def test_two_replicas_are_one_device(found, reduction):
    """Value, plain value, gradient and the step taken."""
    result = found[reduction]
    assert result["types"] == ["LossParts", "LossSum"]
    for name in ("mean", "plain", "gradient", "kernel"):
        got, wanted = map(np.asarray, result[name])
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6, err_msg=name)


def test_the_mean_of_replica_means_would_differ(found):
    """The replicas' weights are unequal enough to tell."""
    (first, w1), (second, w2) = found["token_mean"]["replicas"]
    assert w1 > 4 * w2
    mean_of_means = (first / w1 + second / w2) / 2
    assert abs(mean_of_means / found["token_mean"]["mean"][1] - 1) > 0.02
