"""Weight factors and their product."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from transform import weights
from transform.settings import Side

TEXT = Side("text", "whitespace", 4)
LEFT = Side("text", "whitespace", 4, truncate="left")
BOS = Side("text", "whitespace", 4, prepend_bos=True)
BARE = Side("text", "whitespace", 4, append_eos=False)
BARE_LEFT = Side("text", "whitespace", 4, append_eos=False, truncate="left")


def _numbers(rows):
    return tf.ragged.constant(rows, tf.float32, ragged_rank=1)


def _words(*texts):
    return tf.strings.split(tf.constant(texts))


def test_mask_factor_is_1_from_the_first_scored_position_to_the_length():
    lengths, first = tf.constant([3, 2, 4, 1], tf.int64), tf.constant([0, 1, 2, 3], tf.int64)
    assert weights.mask_factor(lengths, first, 4).numpy().tolist() == [
        [1, 1, 1, 0],
        [0, 1, 0, 0],
        [0, 0, 1, 1],
        [0, 0, 0, 0],
    ]


@pytest.mark.parametrize(
    ("numbers", "side", "expected"),
    [
        ([0.5, 2, 4], TEXT, [0.5, 2, 4, 1]),
        ([0.5, 2, 4, 8], TEXT, [0.5, 2, 4, 1]),
        ([0.5, 2, 4, 8], LEFT, [2, 4, 8, 1]),
        ([0.5, 2, 4, 8], BOS, [1, 0.5, 2, 1]),
        ([0.5, 2, 4, 8, 16], BARE, [0.5, 2, 4, 8]),
        ([0.5, 2, 4, 8, 16], BARE_LEFT, [2, 4, 8, 16]),
        ([], TEXT, [1, 1, 1, 1]),
    ],
    ids=["all fit", "one is cut", "one is cut left", "bos", "no eos", "no eos left", "no weights"],
)
def test_token_factor(numbers, side, expected):
    counts = tf.constant([len(numbers)], tf.int64)
    found = weights.token_factor(_numbers([numbers]), counts, side)
    assert found.numpy().tolist() == [expected]


def test_one_bad_row_among_good_ones_is_an_error():
    counts = tf.constant([2, 2], tf.int64)
    with pytest.raises(tf.errors.InvalidArgumentError, match="expected one for each token"):
        weights.token_factor(_numbers([[1, 1], [1]]), counts, TEXT)


def test_example_factor():
    assert weights.example_factor(_numbers([[3], [], [0]])).numpy().tolist() == [[3], [1], [0]]


def test_inverse_frequencies_by_hand():
    # 4 ids occur, 16 times in all: 4 times on average. average / count = 4/8, 4/4, 4/2, 4/2; the id
    # that never occurs has the cap. Mean weight of the 16: (8*0.5 + 4*1 + 2*2 + 2*2) / 16 = 1.
    assert weights.inverse_frequencies([8, 4, 0, 2, 2], cap=10).tolist() == [0.5, 1, 10, 2, 2]
    # With the cap 1.5 the two rare ones have it, 6 of the 16; the others share 10: 5/8 and 5/4.
    capped = weights.inverse_frequencies([8, 4, 0, 2, 2], cap=1.5)
    assert capped.tolist() == [0.625, 1.25, 1.5, 1.5, 1.5]
    assert weights.inverse_frequencies([8, 4, 0, 2, 2], cap=1).tolist() == [1, 1, 1, 1, 1]


COUNTS = st.lists(st.integers(0, 10**9), min_size=1, max_size=50).filter(any)


@given(COUNTS, st.floats(1, 1000))
@settings(deadline=None)
def test_inverse_frequencies_have_mean_1_and_rarer_is_never_lighter(counts, cap):
    found = weights.inverse_frequencies(counts, cap)
    assert np.dot(found.astype(np.float64), counts) / sum(counts) == pytest.approx(1, rel=1e-6)
    order = np.argsort(counts, kind="stable")
    assert (np.diff(found[order]) <= 0).all()
    assert (found > 0).all()
    assert found.max() <= np.float32(cap)


@pytest.mark.parametrize("counts", [(), (0, 0)])
def test_inverse_frequencies_of_nothing_are_an_error(counts):
    with pytest.raises(ValueError, match="has no counts; expected one for each id"):
        weights.inverse_frequencies(counts, cap=10)


def test_inverse_frequency_factor_looks_up_ids():
    targets = tf.constant([[0, 1, 4], [2, 2, 0]], tf.int64)
    found = weights.inverse_frequency_factor(targets, (8, 4, 0, 2, 2), 10)
    assert found.numpy().tolist() == [[0.5, 1, 2], [10, 10, 0.5]]


WIDE = Side("text", "whitespace", 8)
REGIONS = (("<a>", 2.0), ("<b>", 0.0))
BY_REGION = {
    "no marker": (WIDE, "x y", [3, 3, 3]),
    "nothing at all": (WIDE, "", [3]),
    "the first marker has the weight before it": (WIDE, "x <a> y z", [3, 3, 2, 2, 2]),
    "a later marker has that of the region it ends": (WIDE, "<a> x <b> y", [3, 2, 2, 0, 0]),
    "the same marker twice": (WIDE, "<a> <a> x", [3, 2, 2, 2]),
    "a marker at the end is for eos alone": (WIDE, "x <b>", [3, 3, 0]),
    "cut on the right: eos is in the region that is left": (TEXT, "x y z <a> u", [3, 3, 3, 3]),
    "cut on the right, just after the marker": (TEXT, "x y <a> z", [3, 3, 3, 2]),
    "cut on the left: the marker still holds": (LEFT, "<a> x y z", [2, 2, 2, 2]),
    "cut on the left, two markers": (LEFT, "<a> x <b> y z", [2, 0, 0, 0]),
    "bos": (BOS, "<a> x y", [1, 3, 2, 2]),
    "no eos": (BARE, "<b> x", [3, 0]),
    "no eos, cut on the left": (BARE_LEFT, "<a> x <b> y z u", [2, 0, 0, 0]),
    "no eos, cut on the right": (BARE, "<a> x <b> y z u", [3, 2, 2, 0]),
}


@pytest.mark.parametrize(("side", "text", "expected"), BY_REGION.values(), ids=BY_REGION.keys())
def test_region_factor(side, text, expected):
    found = weights.region_factor(_words(text), REGIONS, 3.0, side).numpy()
    assert found[0, : len(expected)].tolist() == expected


def test_a_region_ends_with_its_row():
    found = weights.region_factor(_words("x <a>", "y", "", "<b> z"), REGIONS, 3.0, WIDE).numpy()
    assert found[:, :3].tolist() == [[3, 3, 2], [3, 3, 1], [3, 1, 1], [3, 0, 0]]


def _region_weights(tokens, side):
    """The rule token by token, in plain Python; the last entry is eos's."""
    weight, found = 3.0, []
    for token in tokens:
        found.append(weight)
        weight = dict(REGIONS).get(token, weight)
    found.append(weight)
    room = side.room
    return found[: room + 1] if side.truncate == "right" else found[-(room + 1) :]


@given(
    st.lists(st.lists(st.sampled_from(["x", "<a>", "<b>", "<"]), max_size=6), max_size=4),
    st.sampled_from([TEXT, LEFT, WIDE]),
)
@settings(deadline=None, max_examples=60)
def test_region_factor_is_the_rule_token_by_token(rows, side):
    tokens = tf.ragged.constant(rows, tf.string, ragged_rank=1)
    found = weights.region_factor(tokens, REGIONS, 3.0, side).numpy()
    for row, given_tokens in enumerate(rows):
        expected = _region_weights(given_tokens, side)
        assert found[row, : len(expected)].tolist() == expected


@pytest.mark.parametrize(
    ("side", "expected"),
    [(TEXT, [0.5, 1, 4, 1]), (LEFT, [1, 4, 1, 1]), (BOS, [1, 0.5, 1, 1])],
    ids=["right", "left", "bos"],
)
def test_class_factor(side, expected):
    named = (("N", 0.5), ("V", 4.0), ("never", 9.0))
    found = weights.class_factor(_words("N x V n"), named, side)
    assert found.numpy().tolist() == [expected]


def test_a_class_is_named_by_its_bytes():
    tokens = tf.ragged.constant([["é".encode(), b"e", b"\xff"]], tf.string, ragged_rank=1)
    found = weights.class_factor(tokens, (("é", 2.0),), BARE)
    assert found.numpy().tolist() == [[2, 1, 1, 1]]


def test_span_age_factor_halves_with_every_half_life():
    spans = tf.ragged.constant([[9], [7], [5], [], [12], [-1]], tf.int64, ragged_rank=1)
    found = weights.span_age_factor(spans, newest=9, half_life=2.0)
    assert found.numpy().tolist() == [[1], [0.5], [0.25], [1], [1], [0.03125]]


def test_product_is_exactly_0_outside_the_mask_whatever_stands_there():
    mask = tf.constant([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    tokens = tf.constant([[0.5, 2.0, float("nan")], [4.0, float("inf"), -1.0]])
    rows = tf.constant([[3.0], [0.25]])
    found = weights.product(mask, tokens, rows)
    assert found.numpy().tolist() == [[1.5, 6.0, 0.0], [1.0, 0.0, 0.0]]


def test_product_of_no_factor_is_the_mask():
    mask = tf.constant([[1.0, 0.0]])
    assert weights.product(mask).numpy().tolist() == [[1.0, 0.0]]
