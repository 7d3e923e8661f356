"""The simulation of the blessing, small and seeded: its rates are what they are at full size."""

import numpy as np
import pytest

from benchmarks.blessing import HEAVY, RULE, all_blessed, simulate
from components.evaluator import metrics

# With fewer the luck of one seed decides: its first 100 draws bless 11 %, its first 1 000 4.6 %.
DRAWS = 400


def test_worse_by_the_margin_is_seldom_blessed_and_better_by_two_almost_always() -> None:
    worse = simulate(HEAVY, 200, RULE.margin, draws=DRAWS, seed=3)
    # alpha and two standard errors of a share of 400: 0.05 + 2 · 0.0109.
    assert worse.blessed / DRAWS <= 0.0718
    # What a threshold on the point says of it is the toss of a coin.
    assert 0.4 <= worse.blessed_by_point / DRAWS <= 0.6
    assert 0.92 <= worse.covered / DRAWS <= 0.98
    better = simulate(HEAVY, 200, -2 * RULE.margin, draws=200, seed=3)
    assert better.blessed / 200 >= 0.95


def test_slices_cost_power_not_safety() -> None:
    few, many = (all_blessed(HEAVY, 2000, slices, draws=10, seed=3) for slices in (2, 20))
    assert many < few == 10


def test_draws_repeat() -> None:
    first, again = (simulate(HEAVY, 50, 0.0, draws=5, seed=1) for _ in range(2))
    assert first == again


@pytest.mark.parametrize("difference", [0.0, 0.1])
def test_the_true_difference_is_the_one_asked_for(difference: float) -> None:
    candidate, baseline = HEAVY.draw(200_000, difference, np.random.default_rng(0))
    names = metrics.SCORES
    change = (candidate - baseline)[:, names.index("loss_sum")].sum()
    size = candidate[:, names.index("target_bytes")].sum()
    assert change / size / np.log(2) == pytest.approx(difference, abs=6e-4)
