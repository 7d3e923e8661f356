"""Weight factors and their product."""

import pytest
import tensorflow as tf

from transform import weights


def _numbers(rows):
    return tf.ragged.constant(rows, tf.float32, ragged_rank=1)


@pytest.mark.parametrize(
    ("numbers", "kept", "expected"),
    [
        ([0.5, 2, 4], 3, [0.5, 2, 4, 1]),
        ([0.5, 2, 4], 2, [0.5, 2, 1, 1]),
        ([0.5, 2, 4, 8, 16], 4, [0.5, 2, 4, 8]),
        ([], 3, [1, 1, 1, 1]),
    ],
    ids=["all fit", "one is cut", "no eos", "no weights"],
)
def test_token_factor(numbers, kept, expected):
    counts = tf.constant([len(numbers)], tf.int64)
    found = weights.token_factor(_numbers([numbers]), counts, kept=kept, max_length=4)
    assert found.numpy().tolist() == [expected]


def test_one_bad_row_among_good_ones_is_an_error():
    counts = tf.constant([2, 2], tf.int64)
    with pytest.raises(tf.errors.InvalidArgumentError, match="expected one for each token"):
        weights.token_factor(_numbers([[1, 1], [1]]), counts, kept=3, max_length=4)


def test_example_factor():
    assert weights.example_factor(_numbers([[3], [], [0]])).numpy().tolist() == [[3], [1], [0]]


def test_product_is_exactly_0_outside_the_mask_whatever_stands_there():
    mask = tf.constant([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    tokens = tf.constant([[0.5, 2.0, float("nan")], [4.0, float("inf"), -1.0]])
    rows = tf.constant([[3.0], [0.25]])
    found = weights.product(mask, tokens, rows)
    assert found.numpy().tolist() == [[1.5, 6.0, 0.0], [1.0, 0.0, 0.0]]


def test_product_of_no_factor_is_the_mask():
    mask = tf.constant([[1.0, 0.0]])
    assert weights.product(mask).numpy().tolist() == [[1.0, 0.0]]
