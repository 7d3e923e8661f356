"""The benchmark of training: its sentences, its verdicts."""

import numpy as np
import pytest

from benchmarks import train
from benchmarks.train_cases import LSTM, TRANSFORMER


@pytest.mark.parametrize("case", [TRANSFORMER, LSTM], ids=lambda case: case.family)
def test_sentences_have_the_share_of_real_tokens_that_the_case_says(case):
    lengths, targets = case.lengths(), case.targets()

    assert lengths.mean() / case.length == pytest.approx(case.real, rel=0.01)
    assert lengths.min() >= 1
    assert lengths.max() <= case.length
    assert ((targets > 0) == (np.arange(case.length) < lengths[:, None])).all()
    assert targets.max() < case.classes


def _record(ours: float, keras: float, waited: float) -> dict:
    speeds = {
        train.OURS: [ours, 10 * ours],
        train.OURS_HALF: [2 * ours, 20 * ours],
        train.KERAS: [keras, 10 * keras],
        train.KERAS_HALF: [1.25 * keras, 12.5 * keras],
    }
    part = {"speeds": speeds, "waited": waited}
    return {"transformer": part, "lstm": part}


def test_verdicts_compare_within_each_turn():
    good = train.verdicts(_record(ours=3.0, keras=1.0, waited=0.01))

    assert [row[2] for row in good] == ["6.00x", "4.80x", "6.00x", "1.0%"]
    assert all(row[3] for row in good)
    slow = train.verdicts(_record(ours=0.9, keras=1.0, waited=0.04))
    assert not any(row[3] for row in slow)
