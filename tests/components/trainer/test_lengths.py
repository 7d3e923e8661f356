"""What history.json says about lengths: equal to counting them, small however long they are."""

import json

import numpy as np
import pytest

from components.trainer import buckets, packing
from components.trainer.history import History
from components.trainer.lengths import summary


def _histogram(*rows: tuple[tuple[int, ...], int]) -> buckets.Histogram:
    lengths = np.array([row for row, _ in rows], np.int64)
    counts = np.array([count for _, count in rows], np.int64)
    return buckets.Histogram(lengths, counts, tuple(int(n) for n in lengths.max(axis=0)))


def test_one_side() -> None:
    plan = buckets.plan(_histogram(((2,), 10), ((4,), 30), ((9,), 5)), size=4, shapes=2)
    assert summary(plan) == {
        "sides": [
            {
                "name": "target",
                "bins": [
                    [2, 2, 10],
                    [3, 3, 0],
                    [4, 4, 30],
                    *([n, n, 0] for n in range(5, 9)),
                    [9, 9, 5],
                ],
            }
        ],
        "buckets": [
            # 10 · 2 + 30 · 4 real positions of 40 · 4; 5 · 9 of 5 · 9.
            {"shape": [4], "rows": 4, "examples": 40, "padding_share": pytest.approx(0.125)},
            {"shape": [9], "rows": 4, "examples": 5, "padding_share": 0.0},
        ],
        "padding_share": plan.padding_share,
        "one_length_padding_share": pytest.approx(1 - 185 / (45 * 9)),
        "packed": False,
    }


def test_two_sides_count_positions_of_both() -> None:
    plan = buckets.plan(_histogram(((2, 5), 3), ((2, 7), 1), ((4, 5), 2)), size=8, shapes=1)
    found = summary(plan)
    assert [side["name"] for side in found["sides"]] == ["target", "source"]
    assert [side["bins"] for side in found["sides"]] == [
        [[2, 2, 4], [3, 3, 0], [4, 4, 2]],
        [[5, 5, 5], [6, 6, 0], [7, 7, 1]],
    ]
    real = 3 * 7 + 9 + 2 * 9
    assert found["buckets"] == [
        {"shape": [4, 7], "rows": 8, "examples": 6, "padding_share": pytest.approx(1 - real / 66)}
    ]


@pytest.mark.parametrize(("low", "high"), [(0, 47), (0, 48), (3, 1000), (7, 7)])
def test_few_bins_hold_every_example_once(low: int, high: int) -> None:
    rows = [((length,), length % 5 + 1) for length in range(low, high + 1)]
    found = summary(buckets.plan(_histogram(*rows), size=4))["sides"][0]["bins"]
    assert len(found) <= 48
    assert found[0][0] == low
    assert found[-1][0] <= high <= found[-1][1]
    for start, end, count in found:
        assert count == sum(n for (length,), n in rows if start <= length <= end)
    assert [end + 1 for _, end, _ in found[:-1]] == [start for start, _, _ in found[1:]]


def test_packed_rows_have_the_lengths_that_were_packed() -> None:
    histogram = _histogram(((2,), 10), ((4,), 30), ((9,), 5))
    found = summary(packing.plan([histogram], size=4))
    bins = found["sides"][0]["bins"]
    assert {low: count for low, _, count in bins if count} == {2: 10, 4: 30, 9: 5}
    assert found["packed"]
    assert found["buckets"] == []


def test_no_examples() -> None:
    empty = buckets.Histogram(np.zeros([0, 1], np.int64), np.zeros([0], np.int64), (5,))
    assert summary(buckets.plan(empty, size=4)) == {}
    assert summary(packing.plan([empty], size=4)) == {}


def test_history_keeps_it_as_json() -> None:
    plan = buckets.plan(_histogram(((2, 5), 3), ((4, 5), 2)), size=8)
    history = History(lengths=summary(plan))
    again = History.from_dict(json.loads(json.dumps(history.to_dict())))
    assert again.lengths == history.lengths
    assert again.lengths["sides"]
