"""CombineFns on lists of unequal accumulators, in any order."""

import itertools

import numpy as np
import pytest

from components.evaluator.combining import AddArrays, AddRows, First


def accumulator(function, parts):
    total = function.create_accumulator()
    for part in parts:
        total = function.add_input(total, part)
    return total


def rows(*ids):
    found = np.array(ids, np.int64)
    return found, np.stack([found + 0.5, np.ones(len(found))], axis=1)


# Accumulators of 2, 0, 1 and 3 parts.
UNEQUAL = [
    [rows(1, 4), rows(0)],
    [],
    [rows(7)],
    [rows(1), rows(), rows(1, 2)],
]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::5])
def test_rows_of_unequal_accumulators_add_up(order):
    function = AddRows()
    totals = [accumulator(function, UNEQUAL[place]) for place in order]
    found = function.extract_output(function.merge_accumulators(totals))
    wanted = np.zeros((8, 2))
    for ids, values in itertools.chain.from_iterable(UNEQUAL):
        np.add.at(wanted, ids, values)
    assert found.tolist() == wanted.tolist()
    assert wanted[1].tolist() == [4.5, 3.0]


def test_rows_of_nothing():
    function = AddRows()
    totals = [function.create_accumulator(), accumulator(function, [rows()])]
    assert function.extract_output(function.merge_accumulators(totals)) is None


def test_a_merge_changes_no_accumulator():
    function = AddRows()
    first, second = (accumulator(function, UNEQUAL[place]) for place in (0, 2))
    before = first.copy()
    function.merge_accumulators([first, second])
    assert first.tolist() == before.tolist()


def test_arrays_of_unequal_accumulators_add_up():
    function = AddArrays()
    parts = [[np.array([1.0, 2.0])], [], [np.array([10.0, 0.5])] * 3]
    merged = function.merge_accumulators([accumulator(function, each) for each in parts])
    assert function.extract_output(merged).tolist() == [31.0, 3.5]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_first_of_unequal_accumulators(order):
    function = First(3)
    parts = [
        [[(-5.0, "e", "x"), (-1.0, "a", "x")], [(-2.0, "b", "x")]],
        [[(-5.0, "d", "x")]],
        # Equal rows have one name and count once, by their best rank.
        [[(-4.0, "b", "better"), (-0.5, "f", "x")], [], [(-2.0, "b", "x")]],
    ]
    totals = [accumulator(function, parts[place]) for place in order]
    found = function.extract_output(function.merge_accumulators(totals))
    assert found == [(-5.0, "d", "x"), (-5.0, "e", "x"), (-4.0, "b", "better")]
