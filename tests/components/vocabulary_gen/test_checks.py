"""The runs that are stopped before training, and the ones that are not."""

import dataclasses
from collections import Counter

import pytest

from components.errors import InputError
from components.vocabulary_gen import checks
from components.vocabulary_gen.tally import SideLedger, Tally
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


def _check(splits, *, train=None, ledger=None, settings=LM, lost=1.0, oov=1.0):
    checks.check(
        {"splits": splits},
        Tally(train or {"target": Counter()}, ledger or {}),
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


@pytest.mark.parametrize("before", [0.0, 1.0])
def test_a_region_that_never_starts(before):
    regions = (("<a>", 1.0), ("<zz>", 2.0))
    settings = dataclasses.replace(LM, regions=regions, region_before=before)
    train = {"target": Counter({b"x": 3, b"<a>": 3})}
    assert _said({}, train=train, settings=settings) == [
        "transform.regions: got '<zz>', which is no token of the 'text' column in the training "
        "split; expected a marker that is one"
    ]
    train["target"][b"<zz>"] = 1
    _check({}, train=train, settings=settings)


def test_a_training_split_in_which_only_eos_counts():
    found = {"target": SideLedger(trained=1000, trained_ends=1000)}
    assert _said({}, ledger=found) == [
        "train split: no token of the 'text' column but the 1,000 eos has a weight above 0: "
        "nothing to train on"
    ]
    _check({}, ledger={"target": SideLedger(trained=1001, trained_ends=1000)})
    _check({}, ledger={"target": SideLedger()})  # the ledger of the split says that


def _counts(of, number, times=1):
    return Counter({b"%s%d" % (of, n): times for n in range(number)})


@pytest.mark.parametrize(
    ("tags", "tokens"),
    [
        (_counts(b"w", 101, times=9) + _counts(b"v", 101), _counts(b"t", 200)),
        (_counts(b"w", 20), _counts(b"t", 17, times=9)),
        (_counts(b"w", 10) + _counts(b"v", 10, times=9), _counts(b"t", 2)),
    ],
    ids=["a vocabulary", "rare words", "half of them rare"],
)
def test_swapped_columns_of_tagging(tags, tokens):
    (line,) = _said({}, train={"target": tags, "source": tokens}, settings=TAGGING)
    once = sum(count == 1 for count in tags.values())
    assert line == (
        f"data.columns: got {len(tags)} different tags in 'tags' ({once} of them only once) for "
        f"{len(tokens)} different tokens in 'tokens', expected fewer tags than tokens: are the "
        "columns swapped?"
    )


@pytest.mark.parametrize(
    ("tags", "tokens"),
    [
        (_counts(b"t", 201), _counts(b"w", 201)),
        (_counts(b"t", 19), _counts(b"w", 2)),
        (_counts(b"t", 9) + _counts(b"u", 11, times=2), _counts(b"w", 2)),
        (_counts(b"t", 200, times=2), _counts(b"w", 26, times=9)),
        (_counts(b"t", 300, times=50), _counts(b"w", 20, times=900)),
    ],
    ids=["as many words", "a handful of rows", "most tags repeat", "letters to sounds", "states"],
)
def test_tags_that_are_tags(tags, tokens):
    _check({}, train={"target": tags, "source": tokens}, settings=TAGGING)


def test_a_translation_may_have_more_words_than_its_source():
    train = {"target": _counts(b"w", 900), "source": _counts(b"v", 2)}
    _check({}, train=train, settings=dataclasses.replace(TAGGING, task="seq2seq"))


def test_a_vocabulary_without_a_token():
    some, none = Vocabulary((b"a",)), Vocabulary(())
    train = {"source": Counter({b"a": 1}), "target": Counter({b"a": 1})}
    checks.check_vocabulary(Vocabularies({"source": some, "target": some}, "i"), train, TAGGING)
    with pytest.raises(InputError) as caught:
        checks.check_vocabulary(Vocabularies({"source": some, "target": none}, "i"), train, TAGGING)
    assert str(caught.value) == (
        "the vocabulary of the target side holds no token: "
        "data.vocab_size is too small or data.min_frequency too large"
    )


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (
            Side("text", "regex", 8, pattern="Q+"),
            "transform.target_pattern 'Q+' matches nothing in column 'text'",
        ),
        (
            Side("text", "whitespace", 8),
            "the training split has no token in column 'text' (whitespace)",
        ),
    ],
)
def test_a_tokenizer_that_finds_nothing(target, reason):
    made = Vocabularies({"target": Vocabulary(())}, "i")
    with pytest.raises(InputError) as caught:
        checks.check_vocabulary(made, {"target": Counter()}, Settings("lm", target))
    assert str(caught.value) == f"the vocabulary of the target side holds no token: {reason}"


@pytest.mark.parametrize("weights", [1e31, float("inf"), float("nan")])
def test_weights_whose_losses_would_overflow(weights):
    ledger = {
        "splits": {"train": {"target": _row()}},
        "weights": {"eval": {"sum": 9.0}, "train": {"sum": weights}},
    }
    with pytest.raises(
        InputError, match=r"^train split: got weights that add up to (1e\+31|inf|nan), "
    ):
        checks.check(
            ledger, Tally({"target": Counter()}, {}), LM, max_lost_tokens=1.0, max_oov_rate=1.0
        )
