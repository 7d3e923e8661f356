"""Sums that are the same to the bit in any order, and how little is rounded away for it."""

import math
from fractions import Fraction

import numpy as np
import pytest

from components.evaluator.exact import add_by, joined, rounded, split


def values(seed, size):
    """Products of float32, of very different size."""
    rng = np.random.default_rng(seed)
    scales = np.exp(rng.uniform(-12, 6, size))
    return (rng.exponential(1.0, size) * scales).astype(np.float32).astype(np.float64)


@pytest.mark.parametrize("seed", range(3))
def test_any_order_and_any_parts_give_the_same_bits(seed):
    rng = np.random.default_rng(seed)
    terms = split(values(seed, 5000))
    whole = terms.sum(axis=0)
    for _ in range(5):
        shuffled = rng.permutation(terms)
        parts = np.split(shuffled, sorted(rng.integers(0, 5000, 7)))
        assert (sum(part.sum(axis=0) for part in parts) == whole).all()
    # Ordinary float64 sums of the same numbers are not.
    plain = values(seed, 5000)
    assert len({float(rng.permutation(plain).cumsum()[-1]) for _ in range(20)}) > 1


def test_the_sum_is_that_of_rational_arithmetic():
    terms = values(4, 3000)
    wanted = sum(map(Fraction, terms.tolist()))
    got = Fraction(*joined(split(terms).sum(axis=0)).item().as_integer_ratio())
    assert abs(got - wanted) <= 3000 * Fraction(1, 2**61) + wanted / 2**52


@pytest.mark.parametrize("scale", [1e-9, 1e-3, 1.0, 1e4])
def test_rows_add_up_exactly_and_hardly_change(scale):
    rng = np.random.default_rng(1)
    rows = rng.exponential(scale, (20, 300)).astype(np.float32).astype(np.float64)
    kept = rounded(rows)
    forwards, backwards = kept.cumsum(axis=1)[:, -1], kept[:, ::-1].cumsum(axis=1)[:, -1]
    assert (forwards == backwards).all()
    wanted = [math.fsum(row) for row in rows]
    assert forwards == pytest.approx(wanted, rel=1e-9)
    assert forwards == pytest.approx(wanted, rel=1e-12) or scale < 1e-6


def test_as_many_terms_as_there_is_room_for_add_up_exactly_in_any_order():
    """4096 terms of 53 digits each: kept to 40 they need 52, and to 52 they would need 64."""
    rng = np.random.default_rng(5)
    rows = rng.uniform(0.5, 1.0, (3, 4096))
    kept = rounded(rows)
    wanted = [math.fsum(row) for row in kept]
    for _ in range(3):
        assert rng.permutation(kept, axis=1).cumsum(axis=1)[:, -1].tolist() == wanted
    assert np.abs(kept - rows).max() <= 2**-41


def test_what_is_not_finite_stays_so():
    assert np.isnan(joined(split(np.array([math.nan, 1.0])).sum(axis=0)))
    assert joined(split(np.array([math.inf, 1.0])).sum(axis=0)) == math.inf
    kept = rounded(np.array([[math.inf, 0.1], [math.nan, 0.1], [0.0, 0.0]]))
    assert kept[0, 0] == math.inf
    assert kept[:2, 1].tolist() == pytest.approx([0.1, 0.1], abs=1e-12)
    assert np.isnan(kept[1, 0])
    assert not kept[2].any()


def test_sums_by_group():
    sums = add_by(np.array([2, 0, 2, 2]), np.array([[1.0], [10.0], [2.0], [math.nan]]), 4)
    assert sums[[0, 1, 3], 0].tolist() == [10.0, 0.0, 0.0]
    assert np.isnan(sums[2, 0])
    assert add_by(np.zeros(0, np.int64), np.zeros((0, 3)), 2).tolist() == [[0.0] * 3] * 2
