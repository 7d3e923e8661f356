"""WeightedMean: parts of unequal weight, in any order, give the mean of the whole."""

import math

import numpy as np
import pytest

from components.weighted_mean import WeightedMean


@pytest.mark.parametrize(
    ("values", "weights", "expected"),
    [
        pytest.param([1.0, 4.0], [3.0, 1.0], 1.75, id="(3*1 + 1*4) / 4"),
        pytest.param([1.0, 4.0], 1.0, 2.5, id="weights broadcast"),
        pytest.param([[1.0, 2.0], [6.0, 0.0]], [[1.0, 1.0], [0.5, 0.0]], 2.4, id="(1+2+3) / 2.5"),
        pytest.param([5.0, math.nan, math.inf], [2.0, 0.0, 0.0], 5.0, id="NaN, Inf at weight 0"),
        pytest.param([5.0, math.nan], [2.0, 1.0], math.nan, id="NaN at weight 1 stays"),
        pytest.param([5.0], [0.0], math.nan, id="no weight has no mean"),
        pytest.param([], [], math.nan, id="nothing"),
    ],
)
def test_mean(values, weights, expected):
    np.testing.assert_equal(WeightedMean().add(values, weights).result(), expected)


def test_merge_of_unequal_parts_is_the_mean_of_the_whole():
    values = np.array([9.0, 1.0, 2.0, 3.0, 4.0, 7.0])
    weights = np.array([0.5, 4.0, 1.0, 0.0, 2.0, 0.25])
    parts = [
        WeightedMean().add(values[piece], weights[piece])
        for piece in (slice(0, 1), slice(1, 5), slice(5, 6), slice(6, 6))
    ]
    # (4.5 + 4 + 2 + 0 + 8 + 1.75) / 7.75; the mean of the parts' means would be 6.
    assert parts[0].merge(*parts[1:]).result() == pytest.approx(20.25 / 7.75, rel=1e-15)
    assert parts[3].merge(parts[2], parts[0], parts[1]) == parts[0].merge(*parts[1:])


def test_arrays_are_one_mean_per_element():
    merged = WeightedMean(np.array([1.0, 2.0]), np.array([2.0, 0.0])).merge(
        WeightedMean(np.array([5.0, 0.0]), np.array([1.0, 0.0]))
    )
    np.testing.assert_array_equal(merged.result(), [2.0, math.nan])


def test_sums_are_float64():
    # In float32 the ones are lost: 2^24 + 1 = 2^24.
    mean = WeightedMean().add(np.array([2**24, 1, 1], np.float32), np.ones(3, np.float32))
    assert mean.total == 2**24 + 2
