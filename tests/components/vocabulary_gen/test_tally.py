"""Counting raw examples: where every token goes, and that counts add up however rows are split."""

import dataclasses
import functools
from collections import Counter

import hypothesis
import pytest
import tensorflow as tf
from hypothesis import strategies as st

from components.vocabulary_gen.measure import Measure
from components.vocabulary_gen.problems import KEPT, Problem
from components.vocabulary_gen.tally import (
    SideLedger,
    Tally,
    count,
    count_batch,
    total,
)
from transform.settings import Settings, Side, SpecialIds

SETTINGS = Settings(
    "seq2seq",
    Side("target", "pretokenized", 4),
    Side("source", "pretokenized", 3, append_eos=False),
    weights=("mask", "token", "example"),
    token_weights="token_weight",
    example_weights="example_weight",
)
LEAVES_ROOM = dataclasses.replace(SETTINGS, excess_length="raise")


@dataclasses.dataclass(frozen=True)
class Row:
    """A raw example; None leaves the feature out."""

    target: list[bytes]
    source: list[bytes] = dataclasses.field(default_factory=list)
    token_weight: list[float] | None = None
    example_weight: float | None = None

    def serialized(self) -> bytes:
        example = tf.train.Example()
        feature = example.features.feature
        feature["target"].bytes_list.value.extend(self.target)
        feature["source"].bytes_list.value.extend(self.source)
        if self.token_weight is not None:
            feature["token_weight"].float_list.value.extend(self.token_weight)
        if self.example_weight is not None:
            feature["example_weight"].float_list.value.append(self.example_weight)
        return example.SerializeToString()


@functools.cache
def _measure(settings, vocab_size=0):
    return Measure(settings, vocab_size)


def _count(rows, settings=SETTINGS):
    serialized = tf.constant([row.serialized() for row in rows], tf.string)
    return count_batch(_measure(settings), serialized)[0]


WORDS = st.lists(st.sampled_from([b"a", b"b", b"\xff\0", b"", b"\n"]), max_size=6)
WEIGHT = st.sampled_from([0.0, 0.5, 2.0])


@st.composite
def _row(draw):
    target = draw(WORDS)
    weights = st.lists(WEIGHT, min_size=len(target), max_size=len(target))
    return Row(target, draw(WORDS), draw(st.none() | weights), draw(st.none() | WEIGHT))


@st.composite
def _bad_row(draw):
    """A good row, or one with a wrong number of weights or a weight that is none."""
    row = draw(_row())
    faults = st.sampled_from([float("nan"), float("inf"), -1.0])
    return draw(
        st.sampled_from(
            [
                row,
                dataclasses.replace(row, token_weight=[1.0] * (len(row.target) + 1)),
                dataclasses.replace(row, example_weight=draw(faults)),
            ]
        )
    )


@st.composite
def _split(draw, rows):
    """Rows in another order and in several parts, some of them perhaps empty."""
    order = draw(st.permutations(rows))
    cuts = sorted(draw(st.lists(st.integers(0, len(rows)), max_size=3)))
    return [order[a:b] for a, b in zip([0, *cuts], [*cuts, len(rows)], strict=True)]


def _by_hand(rows, side):
    """The target's ledger, position by position, and the sum of the weights."""
    found, weight_sum = SideLedger(sequences=len(rows)), 0.0
    eos, bos = int(side.append_eos), int(side.prepend_bos)
    room = side.max_length - eos - bos
    for row in rows:
        token_weights = row.token_weight or [1.0] * len(row.target)
        scale = 1.0 if row.example_weight is None else row.example_weight
        left = max(0, len(row.target) - room)
        first = left if side.truncate == "left" else 0
        kept = [weight * scale for weight in token_weights[first : first + room]]
        kept = [0.0] * bos + kept + [scale] * eos
        found.tokens_read += bos + len(row.target) + eos
        found.kept += len(kept)
        found.truncated += left
        found.ends += eos
        found.eos_and_bos += eos + bos
        found.trained += sum(weight > 0 for weight in kept)
        found.trained_ends += eos * (scale > 0)
        found.zero_weight += sum(weight == 0 for weight in kept)
        weight_sum += sum(kept)
    return found, weight_sum


FRAMES = [  # max_length, eos, bos, the end that is cut
    (4, True, False, "right"),
    (1, True, False, "right"),
    (3, False, False, "left"),
    (5, True, True, "left"),
    (2, True, True, "right"),
    (9, False, True, "right"),
]


@pytest.mark.parametrize("frame", FRAMES)
@hypothesis.settings(max_examples=25, deadline=None)
@hypothesis.given(rows=st.lists(_row(), max_size=5))
def test_the_ledger_balances_to_the_token(frame, rows):
    side = Side("target", "pretokenized", *frame[:3], truncate=frame[3])
    tally = _count(rows, dataclasses.replace(SETTINGS, target=side))
    row = tally.ledger["target"]
    assert row.tokens_read == row.trained + row.zero_weight + row.truncated
    assert row.tokens_read == row.kept + row.truncated
    assert (row, tally.weights["loss_weights"]) == _by_hand(rows, side)
    source = tally.ledger["source"]
    assert (source.kept, source.truncated) == (
        sum(min(3, len(row.source)) for row in rows),
        sum(max(0, len(row.source) - 3) for row in rows),
    )
    words = [word for row in rows for word in row.target]
    assert tally.tokens["target"] == Counter(words)  # what trimming cuts is counted, eos is not


@hypothesis.settings(max_examples=30, deadline=None)
@hypothesis.given(data=st.data(), rows=st.lists(_row(), min_size=1, max_size=6))
def test_the_total_of_any_split_is_the_count_of_the_whole(data, rows):
    parts = data.draw(_split(rows))
    assert total(_count(part) for part in parts) == _count(rows)


@hypothesis.settings(max_examples=20, deadline=None)
@hypothesis.given(rows=st.lists(_bad_row(), min_size=1, max_size=6), data=st.data())
def test_problems_keep_their_rows_whatever_the_batches(data, rows):
    cut = data.draw(st.integers(0, len(rows)))
    found = total([_count(rows[cut:]).after(cut), _count(rows[:cut])])
    whole = _count(rows)
    assert (found.problems, found.problem_count) == (whole.problems, whole.problem_count)
    assert all(each.text == _start(rows[each.row]) for each in whole.problems)


def _start(row):
    return b" ".join(row.source).decode("utf-8", "replace")


def test_of_more_problems_than_are_kept_the_first_are():
    bad = [Row([b"a"], [b"%04d" % n], example_weight=-1.0) for n in range(KEPT + 9)]
    rows = [row for each in bad for row in (Row([b"a"]), each)]
    whole = _count(rows)
    assert [each.row for each in whole.problems] == list(range(1, 2 * KEPT, 2))
    assert [each.text for each in whole.problems] == [f"{n:04}" for n in range(KEPT)]
    assert whole.problem_count == KEPT + 9
    assert total([_count(rows[:7]), _count(rows[7:]).after(7)]).problems == whole.problems


@hypothesis.given(
    parts=st.lists(
        st.builds(
            Tally,
            st.dictionaries(
                st.sampled_from(["source", "target"]),
                st.dictionaries(st.binary(max_size=4), st.integers(1, 9)).map(Counter),
            ),
            st.dictionaries(
                st.sampled_from(["source", "target"]),
                st.builds(SideLedger, *[st.integers(0, 9)] * 9),
            ),
            st.dictionaries(st.sampled_from(["loss_weights", "token"]), st.integers(0, 9)),
            st.lists(st.builds(Problem, st.integers(0, 9), st.text(), st.text()), max_size=3),
            st.integers(0, 9),
        ),
        max_size=4,
    )
)
def test_tallies_add_up_in_any_grouping_and_survive_json(parts):
    whole = total(parts)
    assert Tally.from_json(whole.to_json()) == whole
    assert total([total(parts[:2]), total(parts[2:])]) == whole
    assert total([total(parts)]) == whole
    assert total(reversed(parts)) == whole


def test_total_leaves_its_parts_alone():
    part = _count([Row([b"a"])])
    before = part.to_json()
    total([part, part])
    assert part.to_json() == before


def test_characters_are_counted_of_the_tokens_that_are_kept():
    settings = Settings(
        "tagging",
        Side("target", "pretokenized", 3),
        Side("source", "pretokenized", 3),
        input_chars=2,
    )
    tally = _count([Row([b"N"] * 3, [b"abb", "é".encode(), b"zz"])], settings)
    assert tally.tokens["characters"] == Counter({b"a": 1, b"b": 1, "é".encode(): 1})


@pytest.mark.parametrize(
    ("row", "reason", "text"),
    [
        (
            Row([b"a", b"b"], [b"the", b"text"], [1.0]),
            "column 'token_weight': got 1 weights for 2 tokens, expected one for each",
            "the text",
        ),
        (
            Row([b"a"], [b"t"], [-0.5]),
            "column 'token_weight': got the weight -0.5, expected a finite number >= 0",
            "t",
        ),
        (
            Row([b"a"], [b"t"], None, float("nan")),
            "column 'example_weight': got the weight nan, expected a finite number >= 0",
            "t",
        ),
        (
            Row([b"a", b"b"], [b"t"], [1.0, 1e20], 1e20),
            "column 'token_weight' times 'example_weight': got a weight above 1e+30, expected less: "
            "sums of such weights overflow",
            "t",
        ),
        (
            Row([b"a"], [b"t"], None, float("inf")),
            "column 'example_weight': got the weight inf, expected a finite number >= 0",
            "t",
        ),
        (
            Row([b"a"] * 4, [b"t" * 41]),
            "column 'target': got 4 tokens, expected at most 3 (data.excess_length: raise)",
            "t" * 39 + "…",
        ),
        (
            Row([b"a"], [b"t"] * 4),
            "column 'source': got 4 tokens, expected at most 3 (data.excess_length: raise)",
            "t t t t",
        ),
    ],
    ids=["number", "negative", "nan", "heavy", "infinite", "long target", "long source"],
)
def test_a_bad_row_is_named(row, reason, text):
    good = Row([b"a"], [b"fine"], [1.0], 1.0)
    tally = _count([good, row, good], LEAVES_ROOM)
    assert tally.problems == [Problem(1, reason, text)]
    assert tally.problem_count == 1


def test_what_fits_exactly_is_no_problem():
    row = Row([b"a"] * 3, [b"t"] * 3, [1.0] * 3)
    assert _count([row], LEAVES_ROOM).problems == []


def _lm(text, **numbers):
    example = tf.train.Example()
    example.features.feature["text"].bytes_list.value.append(text)
    for name, number in numbers.items():
        example.features.feature[name].int64_list.value.append(number)
    return example.SerializeToString()


def _count_lm(rows, **changes):
    side = {name: changes.pop(name) for name in ("truncate", "prepend_bos") if name in changes}
    settings = Settings("lm", Side("text", "whitespace", 4, **side), **changes)
    return count(rows, settings)


def test_context_has_no_weight_and_only_the_last_window_ends():
    first = _lm(b"a b c d", _context_length=0, _continues=1)
    rows = [
        first,
        _lm(b"c d e f", _context_length=2, _continues=1),
        _lm(b"e f g", _context_length=2),
    ]
    side = Side("text", "whitespace", 5)
    tally = count(rows, Settings("lm", side, excess_length="window"))
    assert tally.problems == []
    assert tally.ledger["target"] == SideLedger(
        sequences=3,
        tokens_read=12,
        kept=12,
        truncated=0,
        ends=1,
        eos_and_bos=1,
        trained=8,  # a to g and eos, each once
        trained_ends=1,
        zero_weight=4,
        context=4,
    )
    assert tally.tokens["target"] == Counter(dict.fromkeys(b"a b c d e f g".split(), 1))


REGIONS = {"weights": ("mask", "region"), "regions": (("<p>", 0.0), ("<c>", 1.0))}


@pytest.mark.parametrize(
    ("text", "options", "lost"),
    [
        (b"<p> x <c> y", {}, True),
        (b"<p> <c> x y z", {}, False),
        (b"<p> x y z <c>", {}, False),
        (b"<p> x y z", {}, False),
        (b"<c> x y z <p> v w x", {"truncate": "left"}, True),
        (b"<p> x y z <c> v", {"truncate": "left"}, False),
        (b"<p> <c> x", {"prepend_bos": True}, True),
        (b"<p> x y z <c> y", {"region_before": 0.5}, False),
    ],
)
def test_a_row_whose_weighted_region_is_cut_off_is_named(text, options, lost):
    tally = _count_lm([_lm(text)], **REGIONS, **options)
    assert tally.problem_count == int(lost)
    if lost:
        found, room = len(text.split()), 2 if "prepend_bos" in options else 3
        reason = (
            f"column 'text': got {found} tokens, and trimming to {room} cuts off every token whose "
            "region has a weight above 0; expected one to be left "
            "(data.max_target_length, data.truncate)"
        )
        assert tally.problems == [Problem(0, reason, text.decode())]


def test_what_each_factor_adds_up_to_over_the_trained_positions():
    rows = [_lm(b"<p> a <c>"), _lm(b"<c> a b", _span=1)]
    changes = {
        "weights": ("mask", "region", "class", "span_age", "inverse_frequency"),
        "class_weights": (("a", 3.0),),
        "span_half_life": 1.0,
        "newest_span": 2,
    }
    tally = _count_lm(rows, **(REGIONS | changes))
    row = tally.ledger["target"]
    # Trained: eos of the first row, with weight 1; a, b, eos of the second, 3, 1 and 1 halved.
    assert (row.trained, row.zero_weight) == (4, 4)
    assert tally.weights == {"loss_weights": 3.5, "region": 4.0, "class": 6.0, "span_age": 2.5}


def _prints(rows, settings):
    return count_batch(_measure(settings), tf.constant(rows))[1].tolist()


def test_rows_with_the_same_texts_have_the_same_fingerprint():
    rows = [
        Row([b"a", b"b"], [b"x"], [1.0, 2.0]),
        Row([b"a", b"b"], [b"x"], None, 0.5),
        Row([b"ab"], [b"x"]),
        Row([b"a"], [b"b", b"x"]),
        Row([], []),
        Row([], [b"a", b"b", b"x"]),
    ]
    first, again, *others = _prints([row.serialized() for row in rows], SETTINGS)
    assert first == again
    assert len({first, *others}) == 5


def _ids(rows):
    examples = [tf.train.Example() for _ in rows]
    for example, row in zip(examples, rows, strict=True):
        example.features.feature["ids"].int64_list.value.extend(row)
    return [example.SerializeToString() for example in examples]


OUTSIDE = "expected one from 0 to 6"
PADDED = "which is data.pad_id; expected sequences without padding, or another pad_id"


def _id_problems(rows, special, **changes):
    settings = Settings("lm", Side("ids", "ids", 9), special=special, **changes)
    return count(_ids(rows), settings, vocab_size=7).problems


def test_ids_outside_the_vocabulary_are_named():
    found = _id_problems([[4], [4, 7, -1], [], [-1, 7]], SpecialIds())
    assert found == [
        Problem(1, f"column 'ids', item 2: got the id 7, {OUTSIDE}", "4 7 -1"),
        Problem(3, f"column 'ids', item 1: got the id -1, {OUTSIDE}", "-1 7"),
    ]


def test_padding_among_the_ids_is_named_unless_it_is_the_end():
    rows = [[4, 5, 6], [4, 5, 0, 0], [5, 1, 2, 3], [4, 6, 7, 0]]
    assert _id_problems(rows, SpecialIds()) == [
        Problem(1, f"column 'ids', item 3: got the id 0, {PADDED}", "4 5 0 0"),
        Problem(3, f"column 'ids', item 3: got the id 7, {OUTSIDE}", "4 6 7 0"),
        Problem(3, f"column 'ids', item 4: got the id 0, {PADDED}", "4 6 7 0"),
    ]
    assert [each.row for each in _id_problems(rows, SpecialIds(pad=5))] == [0, 1, 2, 3]
    ended = SpecialIds(pad=6, unk=1, bos=2, eos=6)
    assert [each.reason for each in _id_problems(rows, ended)] == [
        f"column 'ids', item 3: got the id 7, {OUTSIDE}"
    ]


def test_an_item_of_a_window_has_no_number_of_its_own():
    (found,) = _id_problems([[4, 0]], SpecialIds(), excess_length="window")
    assert found.reason == f"column 'ids': got the id 0, {PADDED}"
