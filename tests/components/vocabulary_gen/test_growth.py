"""How vocabularies grow: what was admitted once keeps its id."""

import dataclasses
from collections import Counter

import hypothesis
import pytest
from hypothesis import strategies as st

from components.errors import InputError
from components.vocabulary_gen.growth import Subwords, grow, with_counts
from transform.settings import Settings, Side, SpecialIds
from transform.vocabulary import Vocabularies

LM = Settings("lm", Side("text", "whitespace", 4))
PAIR = Settings("seq2seq", Side("t", "whitespace", 4), Side("s", "whitespace", 4))
COUNTS = st.dictionaries(st.binary(max_size=2), st.integers(1, 4), max_size=8).map(Counter)


def _grow(counts, *, settings=LM, vocab_size=100, min_frequency=1, **options):
    found = counts if "target" in counts else {"target": Counter(counts)}
    options = {"base": None} | options
    return grow(found, settings, vocab_size=vocab_size, min_frequency=min_frequency, **options)


def _with_tokenizer(name):
    return dataclasses.replace(LM, target=dataclasses.replace(LM.target, tokenizer=name))


@pytest.mark.parametrize(
    ("counts", "options", "expected"),
    [
        ({b"a": 1, b"b": 3, b"c": 2}, {}, [b"b", b"c", b"a"]),
        ({b"b": 2, b"a": 2, b"\xff": 2, b"": 2}, {}, [b"", b"a", b"b", b"\xff"]),
        ({b"a": 1, b"b": 3, b"c": 2}, {"min_frequency": 2}, [b"b", b"c"]),
        ({b"a": 1, b"b": 3, b"c": 2}, {"vocab_size": 6}, [b"b", b"c"]),
        ({b"a": 1}, {"vocab_size": 4}, []),
        ({b"%d" % n: 1 for n in range(9)}, {"vocab_size": 1}, []),
        ({}, {}, []),
    ],
    ids=["by count", "ties in byte order", "rare", "cap", "no room", "less than none", "no token"],
)
def test_a_first_vocabulary(counts, options, expected):
    assert list(_grow(counts, **options)["target"].tokens) == expected


def test_the_cap_counts_reserved_and_out_of_vocabulary_ids():
    settings = dataclasses.replace(LM, special=SpecialIds(pad=9), oov_buckets=3)
    found = _grow({bytes([n]): 1 for n in range(99)}, settings=settings, vocab_size=20)
    assert found["target"].size == 20
    assert len(found["target"].tokens) == 20 - 10 - 2


def test_new_tokens_come_after_the_old_ones_however_frequent():
    base = _grow({b"old": 1, b"older": 2})
    grown = _grow({b"new": 9, b"old": 5, b"rare": 1}, min_frequency=2, base=base)
    assert grown["target"].tokens == (b"older", b"old", b"new")


def test_old_tokens_stay_when_the_cap_shrinks_or_they_are_rare_or_absent():
    base = _grow({b"a": 3, b"b": 2, b"c": 1})
    assert _grow({b"z": 9}, vocab_size=5, min_frequency=9, base=base) == base


@hypothesis.given(
    spans=st.lists(COUNTS, min_size=2, max_size=4),
    vocab_size=st.integers(4, 16),
    min_frequency=st.integers(1, 3),
)
def test_no_token_ever_moves(spans, vocab_size, min_frequency):
    base = None
    for counts in spans:
        grown = _grow(counts, vocab_size=vocab_size, min_frequency=min_frequency, base=base)
        found = grown["target"]
        assert base is None or found.extends(base["target"])
        assert len(set(found.tokens)) == len(found.tokens)
        assert found.size <= max(vocab_size, found.first_id)
        old = base["target"].tokens if base else ()
        assert all(counts[token] >= min_frequency for token in found.tokens[len(old) :])
        base = grown


@hypothesis.given(counts=COUNTS, data=st.data())
def test_the_order_of_counting_is_irrelevant(counts, data):
    shuffled = dict(data.draw(st.permutations(list(counts.items()))))
    base = _grow({b"a": 1})
    assert _grow(shuffled, base=base, vocab_size=8) == _grow(counts, base=base, vocab_size=8)


def test_sides_that_share_have_one_vocabulary_of_their_joint_counts():
    counts = {"source": Counter({b"a": 2, b"s": 1}), "target": Counter({b"t": 3, b"s": 3})}
    shared = _grow(
        counts, settings=dataclasses.replace(PAIR, share_vocabulary=True), min_frequency=2
    )
    assert shared["source"] == shared["target"]
    assert shared["target"].tokens == (b"s", b"t", b"a")
    apart = _grow(counts, settings=PAIR, min_frequency=2)
    assert (apart["source"].tokens, apart["target"].tokens) == ((b"a",), (b"s", b"t"))


def test_sharing_sides_grow_alike():
    settings = dataclasses.replace(PAIR, share_vocabulary=True)
    base = _grow({"source": Counter({b"b": 1}), "target": Counter()}, settings=settings)
    counts = {"source": Counter(), "target": Counter({b"a": 5, b"b": 1})}
    grown = _grow(counts, settings=settings, base=base)
    assert grown["source"].tokens == grown["target"].tokens == (b"b", b"a")


@pytest.mark.parametrize(
    "other",
    [
        dataclasses.replace(LM, special=SpecialIds(pad=3)),
        dataclasses.replace(LM, oov_buckets=2),
        dataclasses.replace(LM, target=dataclasses.replace(LM.target, lowercase=True)),
    ],
    ids=["reserved ids", "buckets", "lower case"],
)
def test_a_base_with_another_meaning_of_tokens_or_ids_is_refused(other):
    base = _grow({b"a": 1}, settings=other)
    with pytest.raises(ValueError, match="its ids mean something else"):
        _grow({b"a": 1}, base=base)


def test_the_result_carries_the_identity():
    assert _grow({b"a": 1}) == Vocabularies(
        {"target": _grow({b"a": 1})["target"]}, LM.token_identity()
    )


def test_all_pieces_are_tokens_in_the_order_of_their_file():
    settings = _with_tokenizer("wordpiece")
    cut = {"target": Subwords(b"b\na\n##c\n", (b"b", b"a", b"##c"))}
    found = _grow({b"a": 5}, settings=settings, subwords=cut, min_frequency=3, vocab_size=7)
    assert found["target"].tokens == (b"b", b"a", b"##c")
    assert (found["target"].subword_file, found["target"].subwords) == (
        "target.wordpiece.txt",
        b"b\na\n##c\n",
    )
    assert _grow({b"q": 9}, settings=settings, subwords=cut, base=found) == found
    with pytest.raises(InputError, match="got 3 pieces, 7 ids with the reserved ones, expected at"):
        _grow({}, settings=settings, subwords=cut, vocab_size=6)


def test_ids_are_their_own_tokens():
    settings = _with_tokenizer("ids")
    found = _grow({b"6": 2}, settings=settings, vocab_size=8)
    assert found["target"].tokens == (b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7")
    assert found["target"].first_id == 0
    assert _grow({b"7": 2}, settings=settings, vocab_size=8, base=found) == found
    with pytest.raises(InputError, match="got 9, expected 8 as in earlier runs"):
        _grow({}, settings=settings, vocab_size=9, base=found)
    with pytest.raises(InputError, match=r"data\.vocab_size: got 3 ids"):
        _grow({}, settings=settings, vocab_size=3)


def test_counts_are_by_id_with_eos_and_the_unknown():
    found = _grow({b"a": 5, b"b": 2, b"q": 1}, min_frequency=2)
    counted = with_counts(
        found, {"target": Counter({b"a": 5, b"b": 2, b"q": 1, b"r": 1})}, {"target": 4}
    )
    assert counted["target"].counts == (0, 2, 0, 4, 5, 2)  # pad, unk, bos, eos, a, b
    assert counted.digest == found.digest


def test_unknown_tokens_are_counted_under_the_ids_of_their_buckets():
    settings = dataclasses.replace(LM, oov_buckets=3)
    unseen = Counter({b"%d" % number: 1 for number in range(60)})
    found = with_counts(_grow({}, settings=settings), {"target": unseen}, {})
    counts = found["target"].counts
    assert (counts[0], *counts[2:4]) == (0, 0, 0)
    assert min(counts[1], *counts[4:6]) > 5
    assert sum(counts) == 60


def test_a_side_that_was_never_seen_has_counts_of_0():
    found = with_counts(_grow({b"a": 1}), {"target": Counter()}, {})
    assert found["target"].counts == (0, 0, 0, 0, 0)
