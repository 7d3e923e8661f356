"""Weights from lengths, masks, segments and numbers; one vote for each packed segment."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from components.sequence_loss import (
    per_segment_weights,
    sequence_loss,
    sequence_loss_sum,
    sequence_weights,
)

NAN, INF = float("nan"), float("inf")
MASK = [[True, True, False], [True, False, False]]


@pytest.mark.parametrize(
    ("factors", "wanted"),
    [
        ({"lengths": [2, 0], "maxlen": 3}, [[1, 1, 0], [0, 0, 0]]),
        ({"lengths": [3, 1], "token": [[0.5, 2, 1]] * 2}, [[0.5, 2, 1], [0.5, 0, 0]]),
        ({"mask": MASK}, [[1, 1, 0], [1, 0, 0]]),
        ({"segment_ids": [[1, 1, 2], [7, 0, -1]]}, [[1, 1, 1], [1, 0, 1]]),
        ({"token": [[0.5, 2, 1]]}, [[0.5, 2, 1]]),
        ({"token": [[3, 0, 1]]}, [[3, 0, 1]]),
        ({"example": [0.5, 2], "maxlen": 2}, [[0.5, 0.5], [2, 2]]),
        ({"example": [0.5, 2], "mask": MASK}, [[0.5, 0.5, 0], [2, 0, 0]]),
        ({"importance": [[0.5, 2, 1]] * 2, "mask": MASK}, [[0.5, 2, 0], [0.5, 0, 0]]),
        ({"importance": [0.5, 4], "example": [2, 2], "lengths": [1, 2], "maxlen": 2},
         [[1, 0], [8, 8]]),
        ({"lengths": [4], "token": [[0.5, 2, 1, 1]], "example": [2], "importance": [[1, 1, 3, 1]],
          "mask": [[True, True, True, False]], "segment_ids": [[1, 1, 2, 2]]}, [[1, 4, 6, 0]]),
        ({"mask": MASK, "maxlen": 3}, [[1, 1, 0], [1, 0, 0]]),
    ],
)  # fmt: skip
def test_product(factors, wanted):
    for function in (sequence_weights, tf.function(sequence_weights)):
        got = function(**factors)
        np.testing.assert_array_equal(got, wanted)
        assert got.dtype == tf.float32
        assert got.shape == np.shape(wanted)


@pytest.mark.parametrize("jit", [False, True])
def test_a_zero_beats_poison_in_the_other_factors(jit):
    """0 * NaN and 0 * Inf are 0; a NaN that counts stays one."""
    make = tf.function(sequence_weights, jit_compile=jit)
    got = make(
        lengths=[3, 2, 0],
        token=[[1, NAN, 2], [1, 2, NAN], [NAN] * 3],
        example=[2.0, NAN, INF],
        importance=[[1, 0, 1], [0, 0, INF], [1, INF, -INF]],
    )
    np.testing.assert_array_equal(got, [[2, 0, 4], [0, 0, 0], [0, 0, 0]])
    assert np.isnan(make(mask=[[True]], token=[[NAN]]))


def test_dtype():
    assert sequence_weights(mask=MASK, dtype="float64").dtype == tf.float64
    assert sequence_weights(mask=MASK, dtype=tf.bfloat16).dtype == tf.bfloat16


@pytest.mark.parametrize(
    ("factors", "error", "words"),
    [
        ({}, ValueError, "got no factor"),
        ({"maxlen": 3}, ValueError, "got no factor"),
        ({"lengths": [1, 2]}, ValueError, r"maxlen: got None.*lengths are \[B\] only"),
        ({"lengths": [1], "maxlen": -1}, ValueError, "maxlen: got -1"),
        ({"lengths": [1], "maxlen": 2.0}, ValueError, "maxlen: got 2.0"),
        ({"lengths": [1, -2], "maxlen": 3}, ValueError, "lengths: example 1, got -2"),
        ({"lengths": [1, 4], "maxlen": 3}, ValueError, r"lengths: example 1, got 4.*<= T"),
        ({"lengths": [1, 4], "mask": MASK}, ValueError, "lengths: example 1, got 4"),
        ({"lengths": [1.0], "maxlen": 3}, TypeError, r"lengths: got float32 \[1\], expected int"),
        ({"lengths": [[1]], "maxlen": 3}, ValueError, r"lengths: got int32 \[1, 1\]"),
        ({"lengths": [1, 1, 1], "mask": MASK}, ValueError, r"lengths: got int32 \[3\].*of mask"),
        ({"mask": [[1, 0]]}, TypeError, "mask: got int32.*expected bool"),
        ({"mask": [True]}, ValueError, r"mask: got bool \[1\], expected \[B, T\]"),
        ({"segment_ids": [[1.0]]}, TypeError, "segment_ids: got float32"),
        ({"token": [[True]]}, TypeError, "token: got bool"),
        ({"token": [1.0]}, ValueError, r"token: got float32 \[1\], expected \[B, T\]"),
        ({"token": [[1.0] * 2], "mask": MASK}, ValueError, r"token: .*of mask bool \[2, 3\]"),
        ({"token": [[1.0] * 2] * 3, "mask": MASK}, ValueError, "token: got"),
        ({"example": [[1.0], [2.0]], "mask": MASK}, ValueError, r"expected \[B\]"),
        ({"example": [1.0] * 3, "mask": MASK}, ValueError, r"example: got float32 \[3\]"),
        ({"importance": [1.0] * 3, "mask": MASK}, ValueError, "importance: got"),
        ({"mask": MASK, "maxlen": 4}, ValueError, "mask and maxlen=4"),
        ({"mask": MASK, "dtype": "int32"}, TypeError, "dtype: got int32"),
    ],
)
def test_refused(factors, error, words):
    with pytest.raises(error, match=words) as caught:
        sequence_weights(**factors)
    assert "\n" not in str(caught.value)


def test_lengths_and_shapes_known_only_at_run_time():
    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64), tf.TensorSpec([None, None])])
    def make(lengths, token):
        return sequence_weights(lengths=lengths, token=token)

    np.testing.assert_array_equal(make([2, 0], [[1, 2, 3]] * 2), [[1, 2, 0], [0, 0, 0]])
    for lengths, token, words in (
        ([2, 4], [[1, 2, 3]] * 2, "length"),
        ([-1, 2], [[1, 2, 3]] * 2, "length"),
        ([2], [[1, 2, 3]] * 2, "lengths: got shape"),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match=words):
            make(lengths, token)


def test_the_weights_of_the_questions():
    """One example whose first token counts half and whose second counts double, with a mask."""
    weights = sequence_weights(lengths=[4], token=[[0.5, 2.0, 1.0, 1.0, 9.0]])
    np.testing.assert_array_equal(weights, [[0.5, 2, 1, 1, 0]])


@pytest.mark.parametrize(
    ("weights", "ids", "wanted"),
    [
        ([[1, 1, 1, 2]], [[1, 1, 2, 2]], [[1 / 2, 1 / 2, 1 / 3, 2 / 3]]),
        ([[1, 1, 1, 2]], [[2, 1, 2, 0]], [[1 / 2, 1, 1 / 2, 0]]),
        # the same id in two rows is two segments
        ([[1, 1], [1, 3]], [[1, 1], [1, 1]], [[1 / 2, 1 / 2], [1 / 4, 3 / 4]]),
        ([[0, 0, 4]], [[1, 1, 2]], [[0, 0, 1]]),
        ([[NAN, 1, 3]], [[0, 1, 1]], [[0, 1 / 4, 3 / 4]]),
        ([[-1, -1, 1]], [[1, 1, 2]], [[0, 0, 1]]),
        ([[0, 1, 3]], [[3, 3, 3]], [[0, 1 / 4, 3 / 4]]),
        (np.zeros([2, 0]), np.zeros([2, 0], int), np.zeros([2, 0])),
    ],
)
@pytest.mark.parametrize("jit", [None, False, True])
def test_per_segment(weights, ids, wanted, jit):
    weights = tf.constant(weights, tf.float64)
    function = per_segment_weights
    if jit is not None:
        function = tf.function(per_segment_weights, jit_compile=jit)
    np.testing.assert_allclose(function(weights, tf.constant(ids)), wanted, rtol=1e-15)


@pytest.mark.parametrize(
    ("weights", "ids", "error", "words"),
    [
        ([[1.0, 1.0]], [[1, 3]], ValueError, "segment_ids: example 0, position 1, got 3.*<= T"),
        ([[1.0, 1.0]], [[-1, 1]], ValueError, "segment_ids: example 0, position 0, got -1"),
        ([[1, 1]], [[1, 1]], TypeError, "weights: got int32.*floating"),
        ([[1.0, 1.0]], [[1.0, 1.0]], TypeError, "segment_ids: got float32"),
        ([[1.0, 1.0]], [[1]], ValueError, "segment_ids: got int32.*of weights"),
        ([1.0, 1.0], [[1, 1]], ValueError, "weights: got float32"),
        (None, [[1, 1]], TypeError, "weights: got None"),
    ],
)
def test_per_segment_refuses(weights, ids, error, words):
    with pytest.raises(error, match=words):
        per_segment_weights(weights, ids)


def test_per_segment_refuses_ids_in_a_graph():
    function = tf.function(per_segment_weights)
    with pytest.raises(tf.errors.InvalidArgumentError, match="segment_ids"):
        function(tf.ones([1, 2]), tf.constant([[1, 3]]))


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    lengths=st.lists(st.integers(1, 4), min_size=1, max_size=7),
    seed=st.integers(0, 10_000),
    width=st.integers(4, 9),
)
def test_packing_changes_no_reported_number(lengths, seed, width):
    """Examples packed first-fit into rows: example_mean, token_mean and the gradient stay."""
    random = np.random.default_rng(seed)
    examples = [
        (random.normal(size=(n, 5)) * 3, random.integers(0, 5, n), random.choice([0, 0.5, 2], n))
        for n in lengths
    ]
    plain, packed = [[e] for e in examples], first_fit(examples, width)
    logits, ids, weights, _ = stacked(plain, width)
    wanted, wanted_gradient = loss_and_gradient(logits, ids, weights, "example_mean")
    logits, ids, weights, segments = stacked(packed, width)
    shares = per_segment_weights(tf.constant(weights), segments)
    got, gradient = loss_and_gradient(logits, ids, shares, "token_mean")
    np.testing.assert_allclose(got.mean, wanted.mean, rtol=1e-12)
    np.testing.assert_allclose(got.denominator, wanted.denominator, rtol=1e-12)
    by_example = [wanted_gradient[row, : len(e[0])] for row, e in enumerate(examples)]
    for cells, row in zip(packed, gradient, strict=True):
        start = 0
        for cell in cells:
            index = next(i for i, e in enumerate(examples) if e is cell)
            end = start + len(cell[0])
            np.testing.assert_allclose(row[start:end], by_example[index], rtol=1e-9, atol=1e-12)
            start = end
    tokens = sequence_loss(*stacked(plain, width)[:3])
    np.testing.assert_allclose(sequence_loss(logits, ids, weights), tokens, rtol=1e-12)


def first_fit(examples, width):
    """Examples in rows of at most `width` tokens."""
    rows = []
    for example in examples:
        for row in rows:
            if sum(len(cell[0]) for cell in row) + len(example[0]) <= width:
                row.append(example)
                break
        else:
            rows.append([example])
    return rows


def stacked(rows, width):
    """(logits, ids, weights, segment ids) of rows of examples, padded to `width`."""
    logits, ids = np.zeros([len(rows), width, 5]), np.zeros([len(rows), width], int)
    weights, segments = np.zeros([len(rows), width]), np.zeros([len(rows), width], int)
    for index, row in enumerate(rows):
        start = 0
        for number, (x, y, w) in enumerate(row, start=1):
            place = index, slice(start, start + len(y))
            logits[place], ids[place], weights[place], segments[place] = x, y, w, number
            start += len(y)
    return logits, ids, weights, segments


def loss_and_gradient(logits, ids, weights, reduction):
    """The sums, and the gradient of their numerator."""
    logits = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        total = sequence_loss_sum(logits, ids, weights, reduction=reduction)
    return total, tape.gradient(total.numerator, logits).numpy()
