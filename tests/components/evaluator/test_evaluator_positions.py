"""Sums of tokens by slice, of a model whose tokens are sliced as another's are."""

import numpy as np

from components.evaluator import calibration, exact, metrics
from components.evaluator.positions import Positions, Scores, cells_of, scores_of, tokens_of


def positions(seed):
    """Six examples of up to five positions, of which some have no weight."""
    rng = np.random.default_rng(seed)
    weights = np.random.default_rng(0).choice([0.0, 1.0, 2.0], (6, 5))
    return Positions(
        loss=rng.exponential(1.0, (6, 5)),
        weight=weights,
        correct=rng.integers(0, 2, (6, 5)).astype(float),
        confidence=rng.uniform(0, 1, (6, 5)),
        ids=np.zeros((6, 5), np.int64),
        region=np.zeros((6, 5), np.int64),
    )


def test_the_baselines_confidences_are_its_own_in_the_candidates_slices():
    ours, theirs = tokens_of(positions(1)), tokens_of(positions(2))
    assert (ours.bins != theirs.bins).sum() > 5
    buckets = np.array([0, 3, 3, 7, 9, 9])
    places = np.arange(len(ours.example)) % 2
    cells = exact.joined(cells_of(ours, theirs, places, buckets, 2))
    scores = scores_of(Scores({"loss_sum": np.zeros(6)}, positions(2)), theirs)
    for name in ("loss_sum", "weight_sum", "correct_sum", *calibration.COLUMNS):
        wanted = np.zeros(metrics.BUCKETS)
        np.add.at(wanted, buckets, scores[:, metrics.SCORES.index(name)])
        found = metrics.column(cells, name).sum(axis=0)
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12, err_msg=name)
