"""The runs that are stopped before training, and the ones that are not."""

import dataclasses
from collections import Counter

import pytest

from components.errors import InputError
from components.vocabulary_gen import checks
from transform.settings import Settings, Side
from transform.vocabulary import Vocabularies, Vocabulary

LM = Settings("lm", Side("text", "whitespace", 8))
TAGGING = Settings("tagging", Side("tags", "pretokenized", 8), Side("tokens", "pretokenized", 8))


def _row(**changes):
    row = {
        "tokens_read": 1000,
        "kept": 950,
        "truncated": 50,
        "dropped": 0,
        "trained": 900,
        "zero_weight": 50,
        "out_of_vocabulary": 0,
        "eos_and_bos": 100,
    }
    return row | changes


def _check(splits, *, train=None, settings=LM, lost=1.0, oov=1.0):
    checks.check(
        {"splits": splits},
        train or {"target": Counter()},
        settings,
        max_lost_tokens=lost,
        max_oov_rate=oov,
    )


def _said(*args, **options):
    with pytest.raises(InputError) as caught:
        _check(*args, **options)
    return str(caught.value).splitlines()


@pytest.mark.parametrize("limit", [0.05, 1.0])
def test_a_run_within_the_limits_goes_on(limit):
    _check({"train": {"target": _row()}}, lost=limit, oov=0.0)


def test_all_that_is_wrong_is_said_at_once_split_by_split():
    found = {
        "eval": {"target": _row(kept=950, trained=0, zero_weight=950)},
        "train": {"target": _row(kept=900, truncated=100, zero_weight=0)},
    }
    assert _said(found, lost=0.06) == [
        "eval split: all 950 target positions have weight 0: nothing to train on",
        "train split: trimming to data.max_target_length loses 100 of 1,000 target tokens (10.0%), "
        "expected at most 6.0% (data.max_lost_tokens)",
    ]


def test_dropped_tokens_are_lost_too():
    found = {"train": {"target": _row(truncated=0, dropped=50)}}
    assert _said(found, lost=0.04) == [
        "train split: dropping what is too long loses 50 of 1,000 target tokens (5.0%), "
        "expected at most 4.0% (data.max_lost_tokens)"
    ]
    both = {"train": {"target": _row(kept=940, dropped=10)}}
    assert "trimming to data.max_target_length and dropping what" in _said(both, lost=0.05)[0]
    _check(found, lost=0.05)


def test_unknown_tokens_of_any_side_are_counted_without_eos_and_bos():
    sides = {"source": _row(out_of_vocabulary=90), "target": _row(out_of_vocabulary=91)}
    assert _said({"eval": sides}, oov=0.1) == [
        "eval split: 91 of 900 target tokens (10.1%) are not in the vocabulary, "
        "expected at most 10.0% (data.max_oov_rate)"
    ]
    _check({"eval": sides}, oov=0.11)
    empty = _row(tokens_read=0, kept=0, truncated=0, eos_and_bos=0)
    _check({"eval": {"target": _row(), "source": empty}}, oov=0.0)


def test_a_class_that_is_never_seen():
    settings = dataclasses.replace(TAGGING, class_weights=(("NOUN", 2.0), ("VERB", 3.0)))
    train = {"target": Counter({b"NOUN": 3, b"V": 2, b"D": 2}), "source": Counter({b"a": 7})}
    assert _said({}, train=train, settings=settings) == [
        "transform.class_weights: got 'VERB', which is no token of the 'tags' column in the training "
        "split; expected one of 'NOUN', 'D', 'V'"
    ]
    train["target"][b"VERB"] = 1
    _check({}, train=train, settings=settings)


@pytest.mark.parametrize(
    ("tags", "tokens", "stops"), [(201, 200, True), (201, 201, False), (200, 5, False)]
)
def test_swapped_columns_of_tagging(tags, tokens, stops):
    train = {
        "target": Counter({b"t%d" % n: 1 for n in range(tags)}),
        "source": Counter({b"s%d" % n: 1 for n in range(tokens)}),
    }
    if stops:
        assert _said({}, train=train, settings=TAGGING) == [
            "data.columns: got 201 different tags in 'tags' for 200 different tokens in 'tokens', "
            "expected fewer tags than tokens: are the columns swapped?"
        ]
    else:
        _check({}, train=train, settings=TAGGING)
    pair = dataclasses.replace(TAGGING, task="seq2seq")
    _check({}, train=train, settings=pair)  # more target than source words is no fault


def test_a_vocabulary_without_a_token():
    some, none = Vocabulary((b"a",)), Vocabulary(())
    checks.check_vocabulary(Vocabularies({"source": some, "target": some}, "i"))
    with pytest.raises(InputError, match="of the target side holds no token"):
        checks.check_vocabulary(Vocabularies({"source": some, "target": none}, "i"))
