"""Planned shapes: the optimum where it can be known, and an exact account of the epoch."""

import itertools

import numpy as np
import pytest

from components.trainer import buckets


def histogram_of(counts: dict[tuple[int, ...], int], *limits: int) -> buckets.Histogram:
    return buckets.Histogram(np.array(list(counts)), np.array(list(counts.values())), limits)


def random_histogram(seed: int, sides: int, longest: int) -> buckets.Histogram:
    random = np.random.default_rng(seed)
    rows = random.integers(0, longest + 1, [60, sides])
    lengths, counts = np.unique(rows, axis=0, return_counts=True)
    return buckets.Histogram(lengths, counts**2, (longest,) * sides)


def fewest_positions(histogram: buckets.Histogram, most: int) -> int:
    """By trying all sets of shapes; the largest lengths must fit somewhere."""
    sides = [range(1, limit + 1) for limit in histogram.limits]
    fewest = None
    for shapes in itertools.combinations(itertools.product(*sides), most):
        fits = (histogram.lengths[:, None] <= np.array(shapes)[None]).all(axis=2)
        if fits.any(axis=1).all():
            cost = np.where(fits, np.array(shapes).sum(axis=1), 10**6).min(axis=1)
            total = int(cost @ histogram.counts)
            fewest = total if fewest is None else min(fewest, total)
    assert fewest is not None
    return fewest


@pytest.mark.parametrize("most", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", range(4))
def test_one_side_is_the_optimum(seed: int, most: int) -> None:
    histogram = random_histogram(seed, 1, 9)
    shapes = buckets.best_shapes(histogram, most)
    assert len(shapes) <= most
    assert buckets.padded_positions(histogram, shapes) == fewest_positions(histogram, most)


@pytest.mark.parametrize("most", [1, 2, 3])
@pytest.mark.parametrize("seed", [0, 3, 5, 6, 7])
def test_two_sides_are_within_three_percent_of_the_optimum(seed: int, most: int) -> None:
    histogram = random_histogram(seed, 2, 4)
    shapes = buckets.best_shapes(histogram, most)
    assert len(shapes) <= most
    found = buckets.padded_positions(histogram, shapes)
    assert found <= 1.03 * fewest_positions(histogram, most)


def test_sides_of_equal_length_are_planned_as_one() -> None:
    one = random_histogram(3, 1, 30)
    both = buckets.Histogram(np.repeat(one.lengths, 2, axis=1), one.counts, (30, 30))
    assert buckets.best_shapes(both, 4) == [2 * shape for shape in buckets.best_shapes(one, 4)]


def test_many_lengths_on_two_sides_lose_none() -> None:
    """More lengths than the search tells apart."""
    random = np.random.default_rng(0)
    rows, counts = np.unique(random.geometric(0.02, [3000, 2]), axis=0, return_counts=True)
    histogram = buckets.Histogram(rows, counts, tuple(rows.max(axis=0)))
    shapes = np.array(buckets.best_shapes(histogram, 8))
    assert (rows <= shapes[buckets.assign(rows, shapes)]).all()
    assert len(shapes) <= 8


def test_an_example_goes_into_the_cheapest_shape_that_holds_it() -> None:
    shapes = [(3, 2), (2, 5), (9, 9)]
    lengths = np.array([[3, 2], [0, 0], [2, 3], [3, 3], [1, 5], [9, 1]])
    assert buckets.assign(lengths, shapes).tolist() == [0, 0, 1, 2, 1, 2]


@pytest.mark.parametrize(
    ("most", "multiple", "shapes"),
    [
        (1, 1, [(9,)]),
        (2, 1, [(3,), (9,)]),  # 4*3 + 9; (5,) would be 4*5 + 1*9, (9,) twice as much
        (16, 1, [(1,), (3,), (9,)]),
        (16, 4, [(4,), (10,)]),  # 12 would be longer than the contract allows
    ],
)
def test_shapes(most: int, multiple: int, shapes: list[tuple[int]]) -> None:
    histogram = histogram_of({(0,): 1, (3,): 3, (9,): 1}, 10)
    assert buckets.best_shapes(histogram, most, multiple) == shapes


def test_a_plan_of_examples_to_the_number() -> None:
    plan = buckets.plan(histogram_of({(2,): 9, (5,): 7, (8,): 2}, 10), size=8, shapes=3)
    # 9 = 8 + 1: the one goes on to the fives, 7 + 1 = 8. The two eights have nowhere to go.
    assert plan == buckets.Plan(
        buckets=(
            buckets.Bucket((2,), 8, 9, promoted_to=1),
            buckets.Bucket((5,), 8, 7, promoted_to=None),
            buckets.Bucket((8,), 8, 2, promoted_to=None),
        ),
        examples=18,
        batches_per_epoch=3,
        micro_batches=1,
        real_positions=9 * 2 + 7 * 5 + 2 * 8,
        positions=8 * 2 + 8 * 5 + 2 * 8,
    )
    assert plan.padding_share == pytest.approx(3 / 72)


def test_a_last_batch_of_a_quarter_stays() -> None:
    plan = buckets.plan(histogram_of({(2,): 10, (5,): 8}, 10), size=8, shapes=2)
    assert [bucket.promoted_to for bucket in plan.buckets] == [None, None]
    assert plan.batches_per_epoch == 3
    assert plan.padding_share == 0


def test_rows_go_on_only_to_a_shape_that_holds_the_whole_one() -> None:
    """(2, 5) is the next shape after (4, 2), but only (6, 6) holds it."""
    counts = {(4, 2): 9, (2, 5): 8, (6, 6): 8}
    plan = buckets.plan(histogram_of(counts, 6, 6), size=8, shapes=3)
    assert [bucket.shape for bucket in plan.buckets] == [(4, 2), (2, 5), (6, 6)]
    assert [bucket.promoted_to for bucket in plan.buckets] == [2, None, None]


def test_a_batch_of_tokens_is_as_many_rows_as_the_longer_side_allows() -> None:
    counts = {(4, 3): 10, (6, 20): 10, (50, 50): 1}
    plan = buckets.plan(histogram_of(counts, 50, 50), size=40, kind="tokens", shapes=3)
    assert [(bucket.shape, bucket.rows) for bucket in plan.buckets] == [
        ((4, 3), 10),
        ((6, 20), 2),
        ((50, 50), 1),  # more than 40 tokens, but a batch has a row
    ]
    assert plan.batches_per_epoch == 1 + 5 + 1


@pytest.mark.parametrize(("effective", "batches"), [(0, 1), (12, 1), (13, 2), (24, 2), (25, 3)])
def test_batches_of_an_update(effective: int, batches: int) -> None:
    """Two batches of 4 rows with 3 tokens each: 12 tokens a batch."""
    counts = histogram_of({(3,): 8}, 10)
    assert buckets.plan(counts, size=4, effective_size=effective).micro_batches == batches


def test_no_examples_no_batches() -> None:
    empty = buckets.Histogram(np.zeros([0, 2], int), np.zeros([0], int), (7, 8))
    plan = buckets.plan(empty, size=4, effective_size=100)
    assert (plan.examples, plan.batches_per_epoch, plan.padding_share) == (0, 0, 0.0)
    assert [bucket.shape for bucket in plan.buckets] == [(7, 8)]
