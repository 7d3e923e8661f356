"""The parse spec of the contract."""

import pytest
import tensorflow as tf

from transform.features import Lengths, feature_spec

TARGET_SIDE = {
    "targets": ([3], tf.int64),
    "target_lengths": ([], tf.int64),
    "loss_weights": ([3], tf.float32),
}
SOURCE_SIDE = {"inputs": ([2], tf.int64), "input_lengths": ([], tf.int64)}


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        (Lengths(3), TARGET_SIDE),
        (Lengths(3, 2), TARGET_SIDE | SOURCE_SIDE),
        (Lengths(3, 2, 5), TARGET_SIDE | SOURCE_SIDE | {"input_chars": ([2, 5], tf.int64)}),
    ],
    ids=["lm", "seq2seq", "tagging with characters"],
)
def test_feature_spec(lengths, expected):
    found = {name: (spec.shape, spec.dtype) for name, spec in feature_spec(lengths).items()}
    assert found == expected
