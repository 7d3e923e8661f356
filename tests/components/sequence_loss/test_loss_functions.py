"""Values by hand and against a float64 NumPy oracle; the legacy calls that TF 1 accepted."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from components.sequence_loss import (
    LossSum,
    compat,
    sequence_loss,
    sequence_loss_by_example,
    sequence_loss_sum,
    token_cross_entropy,
)

# Two classes with logits [ln p/(1-p), 0]: the loss of class 0 is -ln p, that of class 1 -ln(1-p).
HALF, QUARTER = np.log(2.0), np.log(4.0)
X = np.log([[[1.0, 1.0], [1.0, 3.0], [1.0, 3.0]], [[1.0, 3.0], [1.0, 1.0], [1.0, 1.0]]])
Y = [[0, 0, 1], [0, 1, 0]]
# token losses: [[ln 2, ln 4, ln 4/3], [ln 4, ln 2, ln 2]]
W = [[1.0, 0.5, 0.0], [2.0, 0.0, 0.0]]
# w l: [[ln 2, ln 2, 0], [4 ln 2, 0, 0]]: 6 ln 2 over weights 3.5, 3 live, 2 rows
LN2 = np.log(2.0)


@pytest.mark.parametrize(
    ("reduction", "wanted"),
    [
        ("none", [[LN2, LN2, 0.0], [4 * LN2, 0.0, 0.0]]),
        ("per_example", [2 * LN2 / 1.5, 2 * LN2]),
        ("per_example_sum", [2 * LN2, 4 * LN2]),
        ("token_sum", 6 * LN2),
        ("token_mean", 6 * LN2 / 3.5),
        ("example_mean", (2 * LN2 / 1.5 + 2 * LN2) / 2),
        ("batch_mean", 6 * LN2 / 2),
        ("length_mean", 6 * LN2 / (2 + 3)),  # lengths 2 and 9, T = 3
        ("nonzero_mean", 6 * LN2 / 3),
    ],
)
def test_reductions_by_hand(reduction, wanted):
    lengths = [2, 9] if reduction == "length_mean" else None
    got = sequence_loss(X, Y, W, reduction=reduction, target_lengths=lengths)
    np.testing.assert_allclose(got, wanted, rtol=1e-14)


def test_rows_without_weight():
    """Counted by batch_mean, not by example_mean; a negative sum is not counted either."""
    weights = [[1.0, 0.5, 0.0], [0.0, 0.0, 0.0]]
    assert np.isclose(sequence_loss(X, Y, weights, reduction="example_mean"), 2 * LN2 / 1.5)
    assert np.isclose(sequence_loss(X, Y, weights, reduction="batch_mean"), 2 * LN2 / 2)
    assert sequence_loss(X, Y, -np.array(W), reduction="example_mean") == 0


def test_no_weights_means_one():
    losses = [[HALF, QUARTER, np.log(4 / 3)], [QUARTER, HALF, HALF]]
    np.testing.assert_allclose(token_cross_entropy(X, Y), losses, rtol=1e-14)
    np.testing.assert_allclose(sequence_loss(X, Y), np.mean(losses), rtol=1e-14)


@pytest.mark.parametrize("weights", [np.array(W) > 0, (np.array(W) > 0).astype(int)])
def test_bool_and_integer_weights(weights):
    assert np.isclose(sequence_loss(X, Y, weights), (HALF + 2 * QUARTER) / 3)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "int64", "uint64"])
def test_any_integer_targets(dtype):
    assert np.isclose(sequence_loss(X, np.array(Y, dtype), W), 6 * LN2 / 3.5)


def log_softmax(x):
    x = x.astype(np.float64)
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.parametrize(("smoothing", "z"), [(0.0, 0.0), (0.2, 0.0), (0.0, 0.01), (0.2, 0.01)])
def test_token_losses_against_numpy(soft, from_logits, smoothing, z):
    random = np.random.default_rng(1)
    logits = random.normal(size=(2, 3, 6)) * 5
    ids = random.integers(0, 6, size=(2, 3))
    q = random.dirichlet(np.ones(6), size=(2, 3)) if soft else np.eye(6)[ids]
    z = z if from_logits else 0.0
    logp = log_softmax(logits)
    wanted = -(((1 - smoothing) * q + smoothing / 6) * logp).sum(-1)
    wanted += z * np.log(np.exp(logits).sum(-1)) ** 2
    got = token_cross_entropy(
        logits if from_logits else np.exp(logp),
        q if soft else ids,
        from_logits=from_logits,
        label_smoothing=smoothing,
        z_loss=z,
    )
    np.testing.assert_allclose(got, wanted, rtol=1e-12)


def test_probabilities_are_neither_clipped_nor_renormalised():
    """-ln 1e-30 and -ln 0.2; rows that sum to less than 1 stay so. Gradient -1/p at the target."""
    p = tf.constant([[[1e-30, 0.5], [0.2, 0.4]]])
    with tf.GradientTape() as tape:
        tape.watch(p)
        losses = token_cross_entropy(p, [[0, 0]], from_logits=False)
        total = tf.reduce_sum(losses)
    np.testing.assert_allclose(losses, [[-np.log(1e-30), -np.log(0.2)]], rtol=1e-6)
    np.testing.assert_allclose(tape.gradient(total, p), [[[-1e30, 0], [-5, 0]]], rtol=1e-6)


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_banned_classes_are_legal(soft, smoothing):
    """-inf at a class that is not the target is the same as a vocabulary without it."""
    short = np.random.default_rng(2).normal(size=(1, 2, 3)).astype("float32")
    wide = np.concatenate([short, np.full((1, 2, 2), -np.inf, "float32")], -1)
    ids = [[2, 0]]

    def run(x):
        x = tf.constant(x)
        targets = tf.one_hot(ids, x.shape[-1]) if soft else ids
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = sequence_loss(x, targets, label_smoothing=smoothing)
        return loss, tape.gradient(loss, x)

    (loss, gradient), (wanted, wanted_gradient) = run(wide), run(short)
    np.testing.assert_allclose(loss, wanted, rtol=1e-6)
    np.testing.assert_allclose(gradient[..., :3], wanted_gradient, rtol=1e-5, atol=1e-7)
    assert not gradient[..., 3:].numpy().any()


def test_impossible_probability_zero_is_infinite_only_at_weight():
    p = tf.constant([[[0.0, 1.0], [0.5, 0.5]]])
    assert np.isinf(token_cross_entropy(p, [[0, 0]], from_logits=False)[0, 0])
    with tf.GradientTape() as tape:
        tape.watch(p)
        loss = sequence_loss(p, [[0, 0]], [[0.0, 1.0]], from_logits=False)
    np.testing.assert_allclose(loss, LN2, rtol=1e-6)
    np.testing.assert_array_equal(tape.gradient(loss, p), [[[0, 0], [-2, 0]]])


@pytest.mark.parametrize(
    ("given", "wanted"),
    [("float16", "float32"), ("bfloat16", "float32"), ("float32",) * 2, ("float64",) * 2],
)
def test_result_dtype(given, wanted):
    logits = tf.cast(X, given)
    total = sequence_loss_sum(logits, Y, W)
    assert {sequence_loss(logits, Y, W).dtype, *(part.dtype for part in total)} == {
        tf.as_dtype(wanted)
    }


def test_half_precision_sums_in_float32():
    """4096 tokens of weight 1: in float16 the sum of weights would stop at 2048."""
    logits = tf.zeros([8, 512, 2], tf.float16)
    total = sequence_loss_sum(logits, tf.zeros([8, 512], tf.int32))
    assert total.denominator == 4096
    np.testing.assert_allclose(total.mean, LN2, rtol=1e-6)


def test_loss_sums():
    add = LossSum(1.0, 2.0) + LossSum(4.0, 8.0)
    assert add == LossSum(5.0, 10.0)
    assert sum([add, add, add]) == LossSum(15.0, 30.0)
    assert add.mean == 0.5
    assert LossSum(3.0, 0.0).mean == 0
    assert (LossSum(3.0, None) + LossSum(4.0, None)).mean == 7
    with pytest.raises(ValueError, match="cannot add"):
        LossSum(1.0, None) + LossSum(1.0, 1.0)


def test_loss_sum_passes_through_a_loop_in_a_function():
    @tf.function
    def accumulate(total: LossSum) -> LossSum:
        for row in tf.range(2):
            part = sequence_loss_sum(X[:1] * tf.cast(row + 1, tf.float64), Y[:1], W[:1])
            total = total + part
        return total

    zero = tf.zeros([], tf.float64)
    total = accumulate(LossSum(zero, zero))
    assert isinstance(total, LossSum)
    assert total.denominator == 3


def test_gradient_to_weights_is_the_true_one_also_at_zero():
    """d token_mean / d w = (l - mean) / sum w."""
    weights = tf.constant(W, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(weights)
        loss = sequence_loss(X, Y, weights)
    losses = token_cross_entropy(X, Y)
    np.testing.assert_allclose(tape.gradient(loss, weights), (losses - loss) / 3.5, rtol=1e-12)


def test_by_example_takes_tensors_and_lists():
    logits, targets, weights = tf.constant(X), tf.constant(Y), tf.constant(W, tf.float64)
    lists = [tf.unstack(x, axis=1) for x in (logits, targets, weights)]
    wanted = [2 * LN2 / (1.5 + 1e-12), 2 * LN2]
    for arguments in ((logits, targets, weights), lists, [tuple(x) for x in lists]):
        np.testing.assert_allclose(sequence_loss_by_example(*arguments), wanted, rtol=1e-12)
    sums = sequence_loss_by_example(*lists, average_across_timesteps=False)
    np.testing.assert_allclose(sums, [2 * LN2, 4 * LN2], rtol=1e-14)


def test_legacy_takes_scalar_weights_and_column_targets():
    steps, ids = tf.unstack(tf.constant(X), axis=1), tf.unstack(tf.constant(Y), axis=1)
    scalars = compat.legacy_sequence_loss(steps, ids, [1.0, tf.constant(0.5, tf.float64), 0])
    columns = [y[:, None] for y in ids]
    weights = [tf.fill([2], tf.constant(w, tf.float64)) for w in (1.0, 0.5, 0.0)]
    assert np.isclose(scalars, compat.legacy_sequence_loss(steps, columns, weights), rtol=1e-14)


@pytest.mark.parametrize(("rows", "steps"), [(0, 3), (2, 0), (0, 0)])
def test_empty_batches(rows, steps):
    logits, ids, weights = X[:rows, :steps], np.array(Y)[:rows, :steps], np.array(W)[:rows, :steps]
    for reduction in ("token_mean", "token_sum", "example_mean", "batch_mean", "nonzero_mean"):
        assert sequence_loss(logits, ids, weights, reduction=reduction) == 0
        assert tf.function(sequence_loss)(logits, ids, weights, reduction=reduction) == 0
    assert sequence_loss(logits, ids, weights, reduction="per_example").shape == (rows,)
    assert compat.contrib_sequence_loss(logits, ids, weights) == 0


def test_custom_function_is_called_once_or_per_time_step():
    calls = []

    def spy(labels, logits):
        calls.append((labels.shape.as_list(), logits.shape.as_list()))
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)

    sequence_loss(X, Y, W, softmax_loss_function=spy)
    assert calls == [([6], [6, 2])]
    steps = [tf.unstack(tf.constant(x), axis=1) for x in (X, Y)]
    compat.legacy_sequence_loss(*steps, [1.0, 1.0, 1.0], softmax_loss_function=spy)
    assert calls[1:] == [([2], [2, 2])] * 3


def test_importing_the_loss_loads_no_pipeline_library():
    code = (
        "import sys, components.sequence_loss;"
        "print(sorted({m.split('.')[0] for m in sys.modules} & set(sys.argv[1:])))"
    )
    names = ["tfx", "apache_beam", "tensorflow_model_analysis", "tensorflow_data_validation"]
    done = subprocess.run([sys.executable, "-c", code, *names], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
