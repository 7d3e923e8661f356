"""The pure tensor functions: trim, pad, lengths, mask, shift_right, characters."""

import pytest
import tensorflow as tf

from transform import sequence

ROWS = [[5, 6, 7], [5], []]


@pytest.mark.parametrize(
    ("max_length", "eos_id", "expected"),
    [
        (4, 3, [[5, 6, 7, 3], [5, 3], [3]]),
        (3, 3, [[5, 6, 3], [5, 3], [3]]),
        (1, 3, [[3], [3], [3]]),
        (2, None, [[5, 6], [5], []]),
        (9, None, [[5, 6, 7], [5], []]),
    ],
)
def test_trim(max_length, eos_id, expected):
    rows = tf.ragged.constant(ROWS, tf.int64, ragged_rank=1)
    found = sequence.trim(rows, max_length=max_length, eos_id=eos_id)
    assert found.to_list() == expected
    assert found.dtype == tf.int64


def test_pad_and_lengths():
    rows = tf.ragged.constant(ROWS, tf.int64, ragged_rank=1)
    assert sequence.pad(rows, max_length=4, value=9).numpy().tolist() == [
        [5, 6, 7, 9],
        [5, 9, 9, 9],
        [9, 9, 9, 9],
    ]
    assert sequence.lengths(rows).numpy().tolist() == [3, 1, 0]
    assert sequence.lengths(rows).dtype == tf.int64


def test_mask_is_1_before_the_length():
    found = sequence.mask(tf.constant([0, 2, 3], tf.int64), 3)
    assert found.numpy().tolist() == [[0, 0, 0], [1, 1, 0], [1, 1, 1]]
    assert found.dtype == tf.float32


def test_shift_right_puts_bos_first_and_drops_the_last_position():
    targets = tf.constant([[7, 8, 3, 0], [3, 0, 0, 0]], tf.int64)
    assert sequence.shift_right(targets, bos_id=2).numpy().tolist() == [[2, 7, 8, 3], [2, 3, 0, 0]]


def test_characters_are_code_points_not_bytes():
    tokens = tf.ragged.constant([["né🙂x", ""], []], tf.string, ragged_rank=1)
    found = sequence.characters(tokens, 3)
    assert found.to_list() == [[[b"n", "é".encode(), "🙂".encode()], []], []]
