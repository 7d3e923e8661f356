"""Rows of other splits that are in the training split."""

import hypothesis
import numpy as np
from hypothesis import strategies as st

from components.vocabulary_gen.duplicates import count_shared


def _prints(*numbers):
    return np.array(numbers, np.int64)


def test_rows_that_are_there_twice_count_twice():
    train = [_prints(1, 2, 2), _prints(), _prints(9, 2**62)]
    others = {"eval": [_prints(2, 3, 2), _prints(2**62)], "test": [_prints(4)], "none": []}
    assert count_shared(iter(train), others) == {
        "eval": {"rows": 4, "in_train": 3},
        "test": {"rows": 1, "in_train": 0},
        "none": {"rows": 0, "in_train": 0},
    }


ROWS = st.lists(st.integers(0, 9), max_size=9)


@hypothesis.given(train=st.lists(ROWS, max_size=3), other=st.lists(ROWS, max_size=3))
def test_it_is_what_a_set_says(train, other):
    found = count_shared(
        [_prints(*part) for part in train], {"eval": [_prints(*part) for part in other]}
    )
    seen = {number for part in train for number in part}
    rows = [number for part in other for number in part]
    assert found == {"eval": {"rows": len(rows), "in_train": sum(n in seen for n in rows)}}
