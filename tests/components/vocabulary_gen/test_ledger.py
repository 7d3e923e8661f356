"""The ledger: its rows, and the runs that it stops."""

from collections import Counter

import pytest

from components.errors import InputError
from components.vocabulary_gen import ledger
from components.vocabulary_gen.tally import SideLedger, Tally
from transform.vocabulary import Vocabularies, Vocabulary

VOCABULARIES = Vocabularies(
    {"target": Vocabulary((b"a",)), "source": Vocabulary((b"x", b"y"))}, "i"
)


def _row(**changes):
    row = SideLedger(2, tokens_read=1000, kept=950, truncated=50, trained=900, zero_weight=50)
    return vars(row) | {"out_of_vocabulary": 0} | changes


def test_build_adds_what_the_vocabulary_does_not_know():
    tallies = {
        "train": Tally(
            {"target": Counter({b"a": 5, b"q": 2}), "source": Counter({b"x": 1, b"q": 4, b"": 3})},
            {"target": SideLedger(1, 8, 8, 0, 7, 1), "source": SideLedger(1, 9, 7, 2)},
        )
    }
    assert ledger.build(tallies, VOCABULARIES) == {
        "train": {
            "target": {
                "sequences": 1,
                "tokens_read": 8,
                "kept": 8,
                "truncated": 0,
                "trained": 7,
                "zero_weight": 1,
                "out_of_vocabulary": 2,
            },
            "source": {
                "sequences": 1,
                "tokens_read": 9,
                "kept": 7,
                "truncated": 2,
                "out_of_vocabulary": 7,
            },
        }
    }


@pytest.mark.parametrize("limit", [0.05, 1.0])
def test_a_run_within_the_limit_goes_on(limit):
    ledger.check({"train": {"target": _row()}}, max_lost_tokens=limit)


def test_all_that_is_wrong_is_said_at_once_split_by_split():
    found = {
        "eval": {"target": _row(kept=950, trained=0, zero_weight=950)},
        "train": {"target": _row(kept=900, truncated=100, zero_weight=0)},
    }
    with pytest.raises(InputError) as caught:
        ledger.check(found, max_lost_tokens=0.06)
    assert str(caught.value).splitlines() == [
        "eval split: all 950 target positions have weight 0: nothing to train on",
        "train split: trimming to data.max_target_length loses 100 of 1,000 target tokens (10.0%), "
        "expected at most 6.0% (data.max_lost_tokens)",
    ]


@pytest.mark.parametrize("key", ["tokens_read", "trained", "zero_weight", "truncated"])
def test_a_ledger_that_is_one_token_off_is_our_mistake(key):
    row = _row()
    row[key] += 1
    with pytest.raises(AssertionError, match="'train' does not balance"):
        ledger.check({"train": {"target": row}}, max_lost_tokens=1.0)
