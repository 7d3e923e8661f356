"""The ledger: its rows by split and span, and that it balances to the token."""

import copy
from collections import Counter

import hypothesis
import pytest
from hypothesis import strategies as st

from components.vocabulary_gen import ledger
from components.vocabulary_gen.tally import SideLedger, Tally

SIDES = ("source", "target")
TARGET = SideLedger(
    1, tokens_read=8, kept=8, ends=1, eos_and_bos=2, trained=6, zero_weight=2, context=1
)


def _row(**changes):
    zeros = dict.fromkeys(
        ("sequences", "tokens_read", "kept", "truncated", "dropped", "trained", "zero_weight"), 0
    )
    rest = {"context": 0, "out_of_vocabulary": 0, "eos_and_bos": 0, "dropped_by": {}}
    return zeros | rest | changes


def test_a_row_of_each_side():
    source = SideLedger(1, tokens_read=9, kept=7, truncated=2)
    found = ledger.build(
        {("train", ""): Tally(ledger={"target": TARGET, "source": source})},
        {("train", ""): {"source": 5, "target": 2}},
        dropped={},
        sides=SIDES,
    )
    assert found["spans"] == {}
    assert found["splits"] == {
        "train": {
            "source": {
                "sequences": 1,
                "tokens_read": 9,
                "kept": 7,
                "truncated": 2,
                "dropped": 0,
                "out_of_vocabulary": 5,
                "eos_and_bos": 0,
                "dropped_by": {},
            },
            "target": {
                "sequences": 1,
                "tokens_read": 8,
                "kept": 8,
                "truncated": 0,
                "dropped": 0,
                "trained": 6,
                "zero_weight": 2,
                "context": 1,
                "out_of_vocabulary": 2,
                "eos_and_bos": 2,
                "dropped_by": {},
            },
        }
    }


def test_spans_add_up_and_what_was_dropped_is_read_too():
    found = ledger.build(
        {
            ("train", "10"): Tally(ledger={"target": TARGET}),
            ("train", "9"): Tally(ledger={"target": SideLedger(2, 4, 4, trained=4)}),
        },
        {("train", "10"): {"target": 3}, ("train", "9"): {"target": 1}},
        dropped={
            "train": {
                "9": {"too_long": {"sequences": 1, "tokens": {"target": 50}}},
                "11": {"too_long": {"sequences": 2, "tokens": {"target": 60}}},
            },
            "eval": {},
        },
        sides=("target",),
    )
    ledger.balance(found)
    assert list(found["spans"]["train"]) == ["9", "10", "11"]
    by_span = {span: sides["target"] for span, sides in found["spans"]["train"].items()}
    assert by_span["9"] == _row(
        sequences=3,
        tokens_read=54,
        kept=4,
        dropped=50,
        trained=4,
        out_of_vocabulary=1,
        dropped_by={"too_long": 50},
    )
    assert by_span["11"] == _row(
        sequences=2, tokens_read=60, dropped=60, dropped_by={"too_long": 60}
    )
    assert found["splits"]["train"]["target"] == _row(
        sequences=6,
        tokens_read=122,
        kept=12,
        dropped=110,
        trained=10,
        zero_weight=2,
        context=1,
        out_of_vocabulary=4,
        eos_and_bos=2,
        dropped_by={"too_long": 110},
    )
    assert list(found["splits"]) == ["train"]


def test_means_of_the_factors_are_over_what_is_trained():
    tallies = {
        ("train", "1"): Tally(
            ledger={"target": SideLedger(kept=4, tokens_read=4, trained=3, zero_weight=1)},
            weights={"loss_weights": 1.5, "token": 6.0},
        ),
        ("train", "2"): Tally(
            ledger={"target": SideLedger(kept=1, tokens_read=1, trained=1)},
            weights={"loss_weights": 0.5, "token": 2.0},
        ),
        ("eval", "1"): Tally(
            ledger={"target": SideLedger(kept=1, tokens_read=1, zero_weight=1)},
            weights={"loss_weights": 0.0, "token": 0.0},
        ),
    }
    found = ledger.build(tallies, {}, dropped={}, sides=("target",))
    assert found["weights"] == {
        "train": {"sum": 2.0, "mean": 0.5, "factors": {"token": 2.0}},
        "eval": {"sum": 0.0, "mean": 0.0, "factors": {"token": 0.0}},
    }


def test_unknown_tokens_are_counted_by_side():
    tally = Tally(
        {"target": Counter({b"a": 5, b"q": 2}), "source": Counter({b"x": 1, b"q": 4, b"": 3})},
        {"target": SideLedger(), "source": SideLedger()},
    )
    known = {"target": {b"a"}, "source": {b"x", b"y"}}
    assert ledger.unknown(tally, known) == {"target": 2, "source": 7}


@st.composite
def _side(draw):
    trained, zero, truncated = (draw(st.integers(0, 9)) for _ in range(3))
    return SideLedger(
        draw(st.integers(0, 3)),
        trained + zero + truncated,
        trained + zero,
        truncated,
        trained=trained,
        zero_weight=zero,
        context=draw(st.integers(0, zero)),
    )


LOST = st.fixed_dictionaries(
    {
        "sequences": st.integers(0, 3),
        "tokens": st.dictionaries(st.sampled_from(SIDES), st.integers(0, 9)),
    }
)


@hypothesis.given(
    counted=st.dictionaries(
        st.tuples(st.sampled_from(["train", "eval"]), st.sampled_from(["1", "2"])),
        st.builds(Tally, ledger=st.fixed_dictionaries(dict.fromkeys(SIDES, _side()))),
        min_size=1,
    ),
    dropped=st.dictionaries(
        st.sampled_from(["train", "eval"]),
        st.dictionaries(
            st.sampled_from(["2", "3"]),
            st.dictionaries(st.sampled_from(["too_long", "other"]), LOST),
        ),
    ),
    data=st.data(),
)
def test_every_sum_balances_and_one_token_more_anywhere_does_not(counted, dropped, data):
    found = ledger.build(counted, {}, dropped=dropped, sides=SIDES)
    ledger.balance(found)
    lost = sum(
        each["tokens"].get("target", 0)
        for spans in dropped.values()
        for reasons in spans.values()
        for each in reasons.values()
    )
    read = sum(tally.ledger["target"].tokens_read for tally in counted.values())
    assert sum(sides["target"]["tokens_read"] for sides in found["splits"].values()) == read + lost
    wrong = copy.deepcopy(found)
    where = data.draw(st.sampled_from(["splits", "spans"]))
    rows = wrong[where]
    for _ in range(2 if where == "splits" else 3):
        rows = rows[data.draw(st.sampled_from(sorted(rows)))]
    key = data.draw(st.sampled_from(["tokens_read", "kept", "truncated", "dropped"]))
    rows[key] += 1
    with pytest.raises(AssertionError, match="does not balance"):
        ledger.balance(wrong)


@pytest.mark.parametrize("key", ["trained", "zero_weight"])
def test_a_target_that_is_one_token_off_is_our_mistake(key):
    row = _row(tokens_read=3, kept=3, trained=2, zero_weight=1)
    ledger.balance({"splits": {"train": {"target": row}}, "spans": {}})
    row[key] += 1
    with pytest.raises(AssertionError, match="split 'train', target, does not balance"):
        ledger.balance({"splits": {"train": {"target": row}}, "spans": {}})


def test_context_is_never_trained_on():
    row = _row(tokens_read=3, kept=3, trained=2, zero_weight=1, context=2)
    with pytest.raises(AssertionError, match="trains on context"):
        ledger.balance({"splits": {"train": {"target": row}}, "spans": {}})
