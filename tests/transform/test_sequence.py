"""The pure tensor functions: cut, frame, pad, lengths, mask, shift_right, characters."""

import pytest
import tensorflow as tf

from transform import sequence

ROWS = [[5, 6, 7], [5], []]


@pytest.mark.parametrize(
    ("room", "end", "expected"),
    [
        (2, "right", [[5, 6], [5], []]),
        (2, "left", [[6, 7], [5], []]),
        (1, "left", [[7], [5], []]),
        (9, "right", ROWS),
        (9, "left", ROWS),
        (0, "right", [[], [], []]),
        (0, "left", [[], [], []]),
    ],
)
def test_cut(room, end, expected):
    rows = tf.ragged.constant(ROWS, tf.int64, ragged_rank=1)
    found = sequence.cut(rows, room, end)
    assert found.to_list() == expected
    assert found.dtype == tf.int64


@pytest.mark.parametrize("end", ["right", "left"])
def test_cut_of_no_row(end):
    rows = tf.ragged.constant([], tf.string, ragged_rank=1)
    assert sequence.cut(rows, 2, end).to_list() == []


def test_a_length_that_does_not_hold_bos_and_eos_is_an_error():
    rows = tf.ragged.constant(ROWS, tf.int64, ragged_rank=1)
    with pytest.raises(ValueError, match="got room for -1 tokens, expected 0 or more"):
        sequence.cut(rows, -1)


@pytest.mark.parametrize(
    ("first", "last", "ended", "expected"),
    [
        (None, 3, None, [[5, 6, 7, 3], [5, 3], [3]]),
        (2, None, None, [[2, 5, 6, 7], [2, 5], [2]]),
        (2, 3, [True, False, False], [[2, 5, 6, 7, 3], [2, 5], [2]]),
        (None, 3, [False, False, True], [[5, 6, 7], [5], [3]]),
        (0, 0, None, [[0, 5, 6, 7, 0], [0, 5, 0], [0, 0]]),
        (None, None, [True, True, True], ROWS),
    ],
)
def test_frame(first, last, ended, expected):
    rows = tf.ragged.constant(ROWS, tf.int64, ragged_rank=1)
    found = sequence.frame(rows, first=first, last=last, ended=ended)
    assert found.to_list() == expected
    assert found.dtype == tf.int64


def test_frame_takes_any_type_and_no_row():
    words = tf.ragged.constant([["a"], []], tf.string, ragged_rank=1)
    assert sequence.frame(words, last="").to_list() == [[b"a", b""], [b""]]
    nothing = tf.ragged.constant([], tf.float32, ragged_rank=1)
    assert sequence.frame(nothing, first=1.0, last=1.0).to_list() == []


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
