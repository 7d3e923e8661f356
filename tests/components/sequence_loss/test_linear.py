"""Values and gradients of `linear_sequence_loss`: those of the loss on `hidden @ kernel + bias`.

Compiled, in half precision, in loops and in threads: `test_linear_modes.py`.
"""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from linear_cases import (
    LENGTHS,
    SUMS,
    TOLERANCE,
    B,
    D,
    T,
    V,
    assert_bitwise,
    assert_same,
    case,
    found,
    on_logits,
    tensors,
    wanted,
)

from components.sequence_loss import (
    linear_chunks,
    linear_sequence_loss,
    linear_sequence_loss_parts,
    sequence_loss_parts,
    sequence_loss_sum,
)

N = B * T
REGULARISED = {"label_smoothing": 0.2, "z_loss": 0.05}
# name -> bias?, options
OPTIONS = {
    "plain": (True, {}),
    "no bias": (False, {}),
    "tied": (False, {"transpose_kernel": True, "chunk_tokens": 3}),
    "one by one": (True, {"chunk_tokens": 1}),
    "threes": (True, {"chunk_tokens": 3}),
    "one chunk": (True, {"chunk_tokens": N, "label_smoothing": 0.1}),
    "more than all": (True, {"chunk_tokens": N + 1, "z_loss": 0.3}),
    "beyond int32": (True, {"chunk_tokens": 2**40}),
    "smoothed, no bias": (False, {"label_smoothing": 0.3, "chunk_tokens": 5}),
    "all": (True, {"transpose_kernel": True, "chunk_tokens": 5, **REGULARISED}),
}


@pytest.mark.parametrize(
    ("name", "dtype"),
    [*((name, "float64") for name in OPTIONS), ("plain", "float32"), ("all", "float32")],
)
@pytest.mark.parametrize("reduction", SUMS)
def test_value_and_gradients(reduction, name, dtype):
    bias, options = OPTIONS[name]
    arrays = case(1, bias=bias)
    options = {"reduction": reduction, **options}
    got = found(arrays, dtype=dtype, **options)
    assert_same(got, wanted(arrays, dtype=dtype, **options), arrays, TOLERANCE[dtype])
    assert np.abs(got["kernel"]).max() > 1e-3


def test_by_hand():
    """Logits h K + b: [0, ln 3] and [ln 2, 0]; losses of class 1: ln(4/3) and ln 3.

    Weights 1 and 3: (ln(4/3) + 3 ln 3) / 4. dK = h' g for g = w/4 (softmax - onehot):
    g = 1/4 [1/4, -1/4] and 3/4 [2/3, -2/3]; h = [1, 0] and [0, 1].
    """
    hidden = tf.constant([[[1.0, 0.0], [0.0, 1.0], [5.0, 5.0]]], tf.float64)
    kernel = tf.constant([[-1.0, np.log(3) - 1], [np.log(2) - 1, -1.0]], tf.float64)
    bias = tf.constant([1.0, 1.0], tf.float64)
    with tf.GradientTape() as tape:
        tape.watch([kernel, bias])
        mean = linear_sequence_loss(hidden, kernel, bias, [[1, 1, 0]], [[1, 3, 0]]).mean
    d_kernel, d_bias = tape.gradient(mean, [kernel, bias])
    assert mean.numpy() == pytest.approx((np.log(4 / 3) + 3 * np.log(3)) / 4, rel=1e-14)
    np.testing.assert_allclose(d_kernel, [[1 / 16, -1 / 16], [1 / 2, -1 / 2]], rtol=1e-13)
    np.testing.assert_allclose(d_bias, [9 / 16, -9 / 16], rtol=1e-13)


WEIGHTS = ((0.0, 1.0), (0.0, 0.3, 0.7, 1.9), (-0.5, 0.0, 1.0, 2.0), (0.0,))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 9999),
    lengths=st.lists(st.integers(0, T), min_size=1, max_size=5),
    values=st.sampled_from(WEIGHTS),
    reduction=st.sampled_from(SUMS),
    name=st.sampled_from(sorted(OPTIONS)),
)
def test_any_batch(seed, lengths, values, reduction, name):
    bias, options = OPTIONS[name]
    arrays = case(seed, lengths, bias=bias, values=values)
    got = found(arrays, reduction=reduction, **options)
    expected = wanted(arrays, reduction=reduction, **options)
    # Negative weights can cancel in the denominator, which magnifies what is left.
    assert_same(got, expected, arrays, 1e-13 if min(values) >= 0 else 1e-10)


@pytest.mark.parametrize("name", ["plain", "all"])
@pytest.mark.parametrize("reduction", ["token_mean", "token_sum", "example_mean", "nonzero_mean"])
def test_masking_is_deleting(reduction, name):
    arrays = case(2, (T, T, T, T), values=(0.5, 1.0, 3.0))
    rows, columns = [0, 2, 3], [0, 1, 3, 4]
    kept = np.zeros([B, T])
    kept[np.ix_(rows, columns)] = 1
    masked = arrays.but(weights=arrays.weights * kept)
    parts = {
        field: getattr(arrays, field)[rows][:, columns]
        for field in ("hidden", "targets", "weights")
    }
    deleted = arrays.but(**parts, lengths=arrays.lengths[rows])
    options = {"reduction": reduction, **OPTIONS[name][1]}
    got, expected = found(masked, **options), found(deleted, **options)
    assert not got["hidden"][kept == 0].any()
    for field in ("hidden", "weights"):
        got[field] = got[field][rows][:, columns]
    assert_same(got, expected, deleted, 1e-13)


POISON = (np.nan, np.inf, -np.inf, 3e38)


def poisoned(arrays, bad):
    """Garbage at every dead position: hidden states, and ids of no class."""
    ids = np.resize([-1, V, 10**6, -(2**31)], [B, T])
    return arrays.but(
        hidden=np.where(arrays.dead[..., None], bad, arrays.hidden),
        targets=np.where(arrays.dead, ids, arrays.targets),
    )


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ["plain", "all"])
@pytest.mark.parametrize("reduction", SUMS)
def test_poison_changes_no_bit(reduction, name, dtype):
    arrays = case(3)
    options = {"reduction": reduction, "dtype": dtype, **OPTIONS[name][1]}
    clean = found(arrays, **options)
    assert not clean["hidden"][arrays.dead].any()
    for bad in POISON:
        assert_bitwise(found(poisoned(arrays, bad), **options), clean)


@pytest.mark.parametrize("chunk", [1, 2, 7, N, None])
def test_neither_order_nor_chunk_size_matters(chunk):
    arrays = case(4)
    order = [2, 0, 3, 1]
    fields = ("hidden", "targets", "weights", "lengths")
    shuffled = arrays.but(**{field: getattr(arrays, field)[order] for field in fields})
    got = found(shuffled, dtype="float32", chunk_tokens=chunk, **REGULARISED)
    expected = found(arrays, dtype="float32", chunk_tokens=4, **REGULARISED)
    for field in ("hidden", "weights"):
        expected[field] = expected[field][order]
    assert_same(got, expected, shuffled, 1e-6)


def test_tied_embedding():
    """One variable looked up and projected on: its gradient is the sum of both uses."""
    table = tf.Variable(np.random.default_rng(5).normal(size=(V, D)))
    arrays = case(5)
    inputs = np.roll(arrays.targets, 1, axis=1)

    def gradient(loss):
        with tf.GradientTape() as tape:
            hidden = tf.tanh(tf.gather(table, inputs))
            total = loss(
                hidden, table, None, arrays.targets, arrays.weights,
                transpose_kernel=True, reduction="token_mean",
            )  # fmt: skip
            mean = total.mean
        return mean.numpy(), tf.convert_to_tensor(tape.gradient(mean, table)).numpy()

    value, got = gradient(linear_sequence_loss)
    plain_value, expected = gradient(on_logits)
    np.testing.assert_allclose(value, plain_value, rtol=1e-13)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-13 * np.abs(expected).max())


@pytest.mark.parametrize("reduction", SUMS)
def test_a_batch_without_live_positions(reduction):
    arrays = case(6).but(weights=np.zeros([B, T]))
    options = {"reduction": reduction, **OPTIONS["all"][1]}
    for bad in (arrays, poisoned(arrays, np.nan)):
        got = found(bad, **options)
        assert got["mean"] == got["numerator"] == 0
        assert not any(got[name].any() for name in ("hidden", "kernel", "bias", "weights"))


@pytest.mark.parametrize(("rows", "width", "classes"), [(0, T, V), (B, 0, V), (0, 0, V), (B, T, 1)])
@pytest.mark.parametrize("name", ["plain", "all"])
def test_degenerate_shapes(rows, width, classes, name):
    arrays = case(7, LENGTHS[:rows], width=width, classes=classes)
    got = found(arrays, **OPTIONS[name][1])
    assert_same(got, wanted(arrays, **OPTIONS[name][1]), arrays, 1e-13)
    assert got["hidden"].shape == (rows, width, D)
    assert got["kernel"].shape == (D, classes)


@pytest.mark.parametrize("ids", ["int8", "uint8", "int16", "int32", "uint32", "int64", "uint64"])
def test_dtypes_of_ids(ids):
    arrays = case(8)
    hidden, kernel, bias, targets, weights, _ = tensors(arrays, "float64")
    got = linear_sequence_loss(hidden, kernel, bias, tf.cast(targets, ids), weights)
    assert got.mean.numpy() == pytest.approx(float(wanted(arrays)["mean"]), rel=1e-14)


@pytest.mark.parametrize("weights", ["none", "bool", "int32", "bfloat16"])
def test_dtypes_of_weights(weights):
    arrays = case(9, values=(0.0, 1.0))
    arrays = arrays.but(weights=np.ones([B, T])) if weights == "none" else arrays
    given_weights = None if weights == "none" else tf.cast(arrays.weights, weights)
    hidden, kernel, bias, targets, *_ = tensors(arrays, "float32")
    got = linear_sequence_loss(hidden, kernel, bias, targets, given_weights)
    assert got.numerator.dtype == got.denominator.dtype == tf.float32
    assert got.mean.numpy() == pytest.approx(float(wanted(arrays)["mean"]), rel=1e-6)


@pytest.mark.parametrize("far", [30.0, 68.0, 70.0, 87.0, 95.0, 104.0, 1000.0])
@pytest.mark.parametrize("options", [{}, REGULARISED], ids=["plain", "regularised"])
def test_losses_beyond_the_range_of_the_soft_max(far, options):
    """exp(-104) is 0 in float32; the other rows of the chunk keep their losses."""
    arrays = case(10, (T, T, T, T), values=(1.0,))
    bias = arrays.bias.copy()
    bias[3] = -far
    arrays = arrays.but(bias=bias, targets=np.where(arrays.targets == 3, 2, arrays.targets))
    arrays.targets[1, 2] = 3
    got = found(arrays, dtype="float32", **options)
    expected = wanted(arrays, dtype="float32", **options)
    assert_same(got, expected, arrays, 2e-6)
    assert expected["numerator"] > far


@pytest.mark.parametrize("loss", [1e-2, 1e-4, 1e-6])
def test_losses_near_zero(loss):
    """p(target) near 1: at least as many digits as TensorFlow's own kernel, 1.2e-7 absolute."""
    gap = -np.log(np.expm1(loss))  # two classes: log(1 + exp(-gap)) = loss
    for dtype, bound in (("float32", 1.2e-7), ("float64", 1e-15)):
        hidden, kernel = tf.ones([1, 3, 1], dtype), tf.constant(np.array([[0.0, gap]]), dtype)
        got = linear_sequence_loss(hidden, kernel, None, tf.ones([1, 3], tf.int32)).mean.numpy()
        assert got >= 0
        assert abs(got - loss) < bound


@pytest.mark.parametrize("options", [{}, REGULARISED], ids=["plain", "regularised"])
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_a_banned_class(dtype, options):
    """Bias -inf: everything is as in a vocabulary without that class, whose gradients are 0."""
    full = case(11)
    bias = full.bias.copy()
    bias[0] = -np.inf
    banned = full.but(bias=bias, targets=np.maximum(full.targets, 1))
    without = banned.but(kernel=full.kernel[:, 1:], bias=full.bias[1:], targets=banned.targets - 1)
    got = found(banned, dtype=dtype, **options)
    assert not got["kernel"][:, 0].any()
    assert got["bias"][0] == 0
    got["kernel"], got["bias"] = got["kernel"][:, 1:], got["bias"][1:]
    assert_same(got, wanted(without, dtype=dtype, **options), without, TOLERANCE[dtype])


@pytest.mark.parametrize("reduction", SUMS)
def test_parts(reduction):
    arrays = case(12)
    hidden, kernel, bias, targets, weights, lengths = tensors(arrays, "float64")
    lengths = lengths if reduction == "length_mean" else None
    options = {"reduction": reduction, "target_lengths": lengths, **REGULARISED}
    logits = hidden @ kernel + bias
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([hidden, kernel, bias, weights])
        got = linear_sequence_loss_parts(hidden, kernel, bias, targets, weights, **options)
        means = got.plain.mean, got.z_loss.mean
    expected = sequence_loss_parts(logits, targets, weights, **options)
    tf.nest.assert_same_structure(got, expected)
    for one, other in zip(tf.nest.flatten(got), tf.nest.flatten(expected), strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_allclose(one, other, rtol=1e-13)
    assert got.plain.mean < got.total.mean
    for mean in means:
        assert tape.gradient(mean, [hidden, kernel, bias, weights]) == [None] * 4


def test_gradient_of_a_dead_weight():
    """A dropped position's loss counts as 0: d/dw (sum w l / sum w) = -mean / sum w there."""
    arrays = case(13)
    got = found(arrays)
    dead = got["weights"][arrays.dead]
    np.testing.assert_allclose(dead, -got["mean"] / arrays.weights.sum(), rtol=1e-13)
    assert not found(arrays, reduction="token_sum")["weights"][arrays.dead].any()


@pytest.mark.parametrize("reduction", SUMS)
def test_forward_only(reduction):
    hidden, kernel, bias, targets, weights, lengths = tensors(case(14), "float32")
    lengths = lengths if reduction == "length_mean" else None
    arguments = hidden, kernel, bias, targets, weights
    options = {"reduction": reduction, "target_lengths": lengths, **REGULARISED}
    both = linear_sequence_loss(*arguments, **options)
    forward = linear_sequence_loss(*arguments, forward_only=True, **options)
    assert forward.numerator.numpy() == both.numerator.numpy()
    logits = hidden @ kernel + bias
    expected = sequence_loss_sum(logits, targets, weights, **options).mean
    assert forward.mean.numpy() == pytest.approx(expected.numpy(), rel=2e-6)


@pytest.mark.parametrize(
    ("classes", "features", "transpose", "chunk"),
    [(1009, 31, True, 1), (509, 131, True, 3), (97, 101, False, 8)],
)
def test_a_kernel_whose_rows_divide_into_no_pieces(classes, features, transpose, chunk):
    """Prime sizes: few pieces, the last one filled up, none of it in the gradient."""
    batch = case(3, classes=classes, features=features, scale=0.2)
    kernel = tf.constant(batch.kernel.T if transpose else batch.kernel, tf.float64)
    plan = linear_chunks.Plan(
        label_smoothing=0.0,
        z_loss=0.0,
        transpose_kernel=transpose,
        chunk_tokens=chunk,
        compute_dtype=tf.float64,
        gradient=True,
    )
    pieces, rows = linear_chunks._pieces(kernel, plan)
    assert 1 < pieces <= linear_chunks.MOST_PIECES
    assert pieces * rows > kernel.shape[0] > (pieces - 1) * rows
    hidden = tf.constant(batch.hidden, tf.float64)
    targets, weights = batch.targets, tf.constant(batch.weights, tf.float64)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([hidden, kernel])
        options = {"transpose_kernel": transpose, "chunk_tokens": chunk}
        found = linear_sequence_loss(hidden, kernel, None, targets, weights, **options).mean
        logits = tf.matmul(hidden, kernel, transpose_b=transpose)
        wanted = sequence_loss_sum(logits, targets, weights).mean
    for value in (hidden, kernel):
        got, want = tape.gradient(found, value), tape.gradient(wanted, value)
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-13 * np.abs(want).max())


@pytest.mark.parametrize("reduction", ["token_mean", "example_mean"])
def test_recomputed_gradients(reduction):
    """`tf.recompute_grad` runs the loss where no tape records."""
    batch = case(1)
    values = [tf.constant(x, tf.float64) for x in (batch.hidden, batch.kernel)]

    def loss(hidden, kernel):
        weights = tf.constant(batch.weights)
        sums = linear_sequence_loss(
            hidden, kernel, None, batch.targets, weights, reduction=reduction
        )
        return sums.mean

    gradients = []
    for function in (loss, tf.recompute_grad(loss)):
        with tf.GradientTape() as tape:
            tape.watch(values)
            value = function(*values)
        gradients.append(tape.gradient(value, values))
    for plain, recomputed in zip(*gradients, strict=True):
        np.testing.assert_allclose(plain, recomputed, rtol=1e-12)
