"""Bos, both ends of cutting, windows and every weight factor: literal rows in, literal contract out.

With the default reserved ids a to f are the ids 4 to 9; 2 is bos, 3 is eos.
"""

import dataclasses
from dataclasses import dataclass, field

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st

from transform import preprocessing
from transform.settings import CONTEXT_LENGTH, CONTINUES, SPAN, Settings, Side, SpecialIds
from transform.vocabulary import Vocabularies, Vocabulary

LETTERS = tuple(letter.encode() for letter in "abcdef")
TEXT = Side("text", "whitespace", 5)
LM = Settings("lm", TEXT)
TYPES = {"text": tf.string, "tags": tf.string, "numbers": tf.float32, "row": tf.float32}


def _changed(settings=LM, *, special=None, factors=(), also=None, **side):
    """Settings with another target side, reserved ids, factors, and what these need."""
    return dataclasses.replace(
        settings,
        target=dataclasses.replace(settings.target, **side),
        special=special or settings.special,
        weights=("mask", *factors),
        **(also or {}),
    )


def _inputs(columns):
    return {
        name: tf.ragged.constant(rows, TYPES.get(name, tf.int64), ragged_rank=1).to_sparse()
        for name, rows in columns.items()
    }


def _transform(settings, columns, counts=()):
    return _by_settings(settings, _inputs(columns), counts)


def _by_settings(settings, inputs, counts):
    sides = {"target": Vocabulary(LETTERS, settings.special, counts=counts)}
    if settings.source:
        sides["source"] = Vocabulary(LETTERS, settings.special)
    if settings.input_chars:
        sides["characters"] = Vocabulary(LETTERS, settings.special)
    tables = {name: side.token_table() for name, side in sides.items()}
    vocabularies = Vocabularies(sides, settings.token_identity())
    return preprocessing.transform(inputs, settings, vocabularies, tables)


@dataclass(frozen=True)
class Case:
    settings: Settings
    columns: dict
    expected: dict
    counts: tuple = field(default=())


NO_EOS_BUT_BOS = {"append_eos": False, "prepend_bos": True, "truncate": "left"}
LONG = [["a b c d e f"], ["a"], [""]]
FRAMES = {
    "bos: weight 0, counted in the length": Case(
        _changed(prepend_bos=True),
        {"text": LONG},
        {
            "targets": [[2, 4, 5, 6, 3], [2, 4, 3, 0, 0], [2, 3, 0, 0, 0]],
            "target_lengths": [5, 3, 2],
            "loss_weights": [[0, 1, 1, 1, 1], [0, 1, 1, 0, 0], [0, 1, 0, 0, 0]],
        },
    ),
    "bos without eos": Case(
        _changed(prepend_bos=True, append_eos=False),
        {"text": LONG},
        {
            "targets": [[2, 4, 5, 6, 7], [2, 4, 0, 0, 0], [2, 0, 0, 0, 0]],
            "target_lengths": [5, 2, 1],
            "loss_weights": [[0, 1, 1, 1, 1], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0]],
        },
    ),
    "left": Case(
        _changed(truncate="left"),
        {"text": LONG},
        {
            "targets": [[6, 7, 8, 9, 3], [4, 3, 0, 0, 0], [3, 0, 0, 0, 0]],
            "target_lengths": [5, 2, 1],
            "loss_weights": [[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 0, 0, 0, 0]],
        },
    ),
    "left, neither bos nor eos": Case(
        _changed(truncate="left", append_eos=False),
        {"text": LONG},
        {
            "targets": [[5, 6, 7, 8, 9], [4, 0, 0, 0, 0], [0, 0, 0, 0, 0]],
            "target_lengths": [5, 1, 0],
            "loss_weights": [[1, 1, 1, 1, 1], [1, 0, 0, 0, 0], [0, 0, 0, 0, 0]],
        },
    ),
    "left, bos, eos, nothing between them": Case(
        _changed(truncate="left", prepend_bos=True, max_length=2),
        {"text": LONG},
        {
            "targets": [[2, 3], [2, 3], [2, 3]],
            "target_lengths": [2, 2, 2],
            "loss_weights": [[0, 1], [0, 1], [0, 1]],
        },
    ),
    "left, bos, pad_id 7: ids start after it": Case(
        _changed(truncate="left", prepend_bos=True, special=SpecialIds(pad=7)),
        {"text": LONG},
        {
            "targets": [[2, 11, 12, 13, 3], [2, 8, 3, 7, 7], [2, 3, 7, 7, 7]],
            "target_lengths": [5, 3, 2],
            "loss_weights": [[0, 1, 1, 1, 1], [0, 1, 1, 0, 0], [0, 1, 0, 0, 0]],
        },
    ),
    "left, bos, pad_id = eos_id = bos_id": Case(
        _changed(truncate="left", prepend_bos=True, special=SpecialIds(pad=3, bos=3)),
        {"text": LONG},
        {
            "targets": [[3, 7, 8, 9, 3], [3, 4, 3, 3, 3], [3, 3, 3, 3, 3]],
            "target_lengths": [5, 3, 2],
            "loss_weights": [[0, 1, 1, 1, 1], [0, 1, 1, 0, 0], [0, 1, 0, 0, 0]],
        },
    ),
    "left: token weights are cut at the same end": Case(
        _changed(
            truncate="left", prepend_bos=True, factors=["token"], also={"token_weights": "numbers"}
        ),
        {"text": LONG, "numbers": [[1, 2, 3, 4, 5, 6], [7], []]},
        {
            "targets": [[2, 7, 8, 9, 3], [2, 4, 3, 0, 0], [2, 3, 0, 0, 0]],
            "target_lengths": [5, 3, 2],
            "loss_weights": [[0, 4, 5, 6, 1], [0, 7, 1, 0, 0], [0, 1, 0, 0, 0]],
        },
    ),
    "tagging with bos and characters: all stay aligned": Case(
        Settings(
            "tagging",
            Side("tags", "pretokenized", 4, **NO_EOS_BUT_BOS),
            Side("text", "pretokenized", 4, **NO_EOS_BUT_BOS),
            input_chars=2,
        ),
        {"text": [["a", "bc", "d", "efa"], ["f"]], "tags": [["a", "b", "c", "d"], ["e"]]},
        {
            "inputs": [[2, 1, 7, 1], [2, 9, 0, 0]],
            "input_lengths": [4, 2],
            "input_chars": [
                [[0, 0], [5, 6], [7, 0], [8, 9]],
                [[0, 0], [9, 0], [0, 0], [0, 0]],
            ],
            "targets": [[2, 5, 6, 7], [2, 8, 0, 0]],
            "target_lengths": [4, 2],
            "loss_weights": [[0, 1, 1, 1], [0, 1, 0, 0]],
        },
    ),
}

WINDOWS = {"excess_length": "window"}
WINDOW_COLUMNS = {
    "text": [["a b c d"], ["c d e f"], ["e f"], ["a"]],
    CONTEXT_LENGTH: [[0], [2], [2], []],
    CONTINUES: [[1], [1], [0], []],
}
WINDOWED = {
    "windows: context has weight 0, only a text's last one has eos; absent values mean 0": Case(
        _changed(also=WINDOWS),
        WINDOW_COLUMNS,
        {
            "targets": [[4, 5, 6, 7, 0], [6, 7, 8, 9, 0], [8, 9, 3, 0, 0], [4, 3, 0, 0, 0]],
            "target_lengths": [4, 4, 3, 2],
            "loss_weights": [
                [1, 1, 1, 1, 0],
                [0, 0, 1, 1, 0],
                [0, 0, 1, 0, 0],
                [1, 1, 0, 0, 0],
            ],
        },
    ),
    "windows with bos and example weights": Case(
        _changed(
            max_length=6,
            prepend_bos=True,
            factors=["example"],
            also=WINDOWS | {"example_weights": "row"},
        ),
        WINDOW_COLUMNS | {"row": [[2], [2], [2], []]},
        {
            "targets": [
                [2, 4, 5, 6, 7, 0],
                [2, 6, 7, 8, 9, 0],
                [2, 8, 9, 3, 0, 0],
                [2, 4, 3, 0, 0, 0],
            ],
            "target_lengths": [5, 5, 4, 3],
            "loss_weights": [
                [0, 2, 2, 2, 2, 0],
                [0, 0, 0, 2, 2, 0],
                [0, 0, 0, 2, 0, 0],
                [0, 1, 1, 0, 0, 0],
            ],
        },
    ),
    "windows without eos": Case(
        _changed(max_length=4, append_eos=False, also=WINDOWS),
        WINDOW_COLUMNS,
        {
            "targets": [[4, 5, 6, 7], [6, 7, 8, 9], [8, 9, 0, 0], [4, 0, 0, 0]],
            "target_lengths": [4, 4, 2, 1],
            "loss_weights": [[1, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 0], [1, 0, 0, 0]],
        },
    ),
    "windows as served: none of the columns is there": Case(
        _changed(also=WINDOWS),
        {"text": [["a b c d e f"]]},
        {
            "targets": [[4, 5, 6, 7, 3]],
            "target_lengths": [5],
            "loss_weights": [[1, 1, 1, 1, 1]],
        },
    ),
    "the columns mean nothing under another policy": Case(
        LM,
        {"text": [["a b"]], CONTEXT_LENGTH: [[1]], CONTINUES: [[1]]},
        {"targets": [[4, 5, 3, 0, 0]], "target_lengths": [3], "loss_weights": [[1, 1, 1, 0, 0]]},
    ),
}

# Ids 0 to 9; what occurs: unk twice, eos 4 times, a 8 times, b twice: 16, 4 on average.
COUNTS = (0, 2, 0, 4, 8, 2, 0, 0, 0, 0)
REGION = {"regions": (("b", 2.0), ("d", 0.0)), "region_before": 0.5}
FACTORS = {
    "inverse_frequency: eos and unknown ones under their ids, unseen ones at the cap": Case(
        _changed(factors=["inverse_frequency"]),
        {"text": [["a b c x"]]},
        {
            "targets": [[4, 5, 6, 1, 3]],
            "target_lengths": [5],
            "loss_weights": [[0.5, 2, 10, 2, 1]],
        },
        COUNTS,
    ),
    "inverse_frequency with bos: weight 0 all the same": Case(
        _changed(factors=["inverse_frequency"], prepend_bos=True),
        {"text": [["a"]]},
        {"targets": [[2, 4, 3, 0, 0]], "target_lengths": [3], "loss_weights": [[0, 0.5, 1, 0, 0]]},
        COUNTS,
    ),
    "region": Case(
        _changed(factors=["region"], also=REGION),
        {"text": [["a b c"], ["a c d"], ["a b c d e"], [""]]},
        {
            "targets": [[4, 5, 6, 3, 0], [4, 6, 7, 3, 0], [4, 5, 6, 7, 3], [3, 0, 0, 0, 0]],
            "target_lengths": [4, 4, 5, 1],
            "loss_weights": [
                [0.5, 0.5, 2, 2, 0],
                [0.5, 0.5, 0.5, 0, 0],
                [0.5, 0.5, 2, 2, 0],
                [0.5, 0, 0, 0, 0],
            ],
        },
    ),
    "region, left, bos: a marker that was cut off still holds": Case(
        _changed(factors=["region"], also=REGION, truncate="left", prepend_bos=True),
        {"text": [["a b c e f"], ["b a d e f"]]},
        {
            "targets": [[2, 6, 8, 9, 3], [2, 7, 8, 9, 3]],
            "target_lengths": [5, 5],
            "loss_weights": [[0, 2, 2, 2, 2], [0, 2, 0, 0, 0]],
        },
    ),
    "region, right: a completion that was cut off trains no eos": Case(
        _changed(factors=["region"], also=REGION | {"region_before": 0.0}),
        {"text": [["a a a a b c"]]},
        {"targets": [[4, 4, 4, 4, 3]], "target_lengths": [5], "loss_weights": [[0, 0, 0, 0, 0]]},
    ),
    "class, by the text of the token: also of an unknown one": Case(
        _changed(factors=["class"], also={"class_weights": (("a", 0.25), ("x", 3.0))}),
        {"text": [["a b x"]]},
        {
            "targets": [[4, 5, 1, 3, 0]],
            "target_lengths": [4],
            "loss_weights": [[0.25, 1, 3, 1, 0]],
        },
    ),
    "span_age": Case(
        _changed(factors=["span_age"], also={"newest_span": 9, "span_half_life": 2.0}),
        {"text": [["a"], ["a"], ["a"], ["a"]], SPAN: [[9], [5], [], [11]]},
        {
            "targets": [[4, 3, 0, 0, 0]] * 4,
            "target_lengths": [2] * 4,
            "loss_weights": [
                [1, 1, 0, 0, 0],
                [0.25, 0.25, 0, 0, 0],
                [1, 1, 0, 0, 0],
                [1, 1, 0, 0, 0],
            ],
        },
    ),
    "the product of all": Case(
        _changed(
            factors=["token", "example", "inverse_frequency", "region", "class", "span_age"],
            also=REGION
            | {"token_weights": "numbers", "example_weights": "row"}
            | {"class_weights": (("a", 8.0),), "newest_span": 1},
        ),
        {"text": [["b a c"]], "numbers": [[2, 1, 3]], "row": [[4]], SPAN: [[0]]},
        {
            "targets": [[5, 4, 6, 3, 0]],
            "target_lengths": [4],
            # token * example * inverse frequency * region * class * span age
            "loss_weights": [
                [
                    2 * 4 * 2 * 0.5 * 1 * 0.5,
                    1 * 4 * 0.5 * 2 * 8 * 0.5,
                    3 * 4 * 10 * 2 * 1 * 0.5,
                    1 * 4 * 1 * 2 * 1 * 0.5,
                    0,
                ]
            ],
        },
        COUNTS,
    ),
}
CASES = FRAMES | WINDOWED | FACTORS


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_rows_to_contract(case):
    found = _transform(case.settings, case.columns, case.counts)
    assert {name: value.numpy().tolist() for name, value in found.items()} == case.expected


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_counting_needs_no_ids(case):
    """Lengths, and which positions have a weight, are the same without the vocabulary."""
    inputs = _inputs(case.columns)
    found = preprocessing.tokens(inputs, case.settings.target)
    lengths, weights = preprocessing.loss_weights(inputs, case.settings, found)
    assert lengths.numpy().tolist() == case.expected["target_lengths"]
    assert ((weights.numpy() > 0) == (np.array(case.expected["loss_weights"]) > 0)).all()


@pytest.mark.parametrize(
    "name",
    [
        "tagging with bos and characters: all stay aligned",
        "windows with bos and example weights",
        "the product of all",
    ],
)
def test_static_shapes_are_known_while_tracing(name):
    case = CASES[name]
    specs = {
        column: tf.SparseTensorSpec([None, None], TYPES.get(column, tf.int64))
        for column in case.columns
    }
    traced = tf.function(
        lambda inputs: _by_settings(case.settings, inputs, case.counts)
    ).get_concrete_function(specs)
    assert {key: shape.as_list() for key, shape in traced.output_shapes.items()} == {
        key: [None, *np.shape(value)[1:]] for key, value in case.expected.items()
    }


def test_factors_by_name_multiply_to_the_weights():
    case = FACTORS["the product of all"]
    inputs = _inputs(case.columns)
    found = preprocessing.tokens(inputs, case.settings.target)
    targets = tf.constant(case.expected["targets"], tf.int64)
    by_name = preprocessing.factors(inputs, case.settings, found, targets=targets, counts=COUNTS)
    assert tuple(by_name) == case.settings.weights
    product = np.prod([np.broadcast_to(one, [1, 5]) for one in by_name.values()], axis=0)
    assert product.tolist() == case.expected["loss_weights"]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_kept_tokens_are_those_between_bos_and_eos(case):
    side = case.settings.target
    kept = preprocessing.kept_tokens(_inputs(case.columns), side).to_list()
    first = case.settings.special.reserved
    for tokens, ids in zip(kept, case.expected["targets"], strict=True):
        own = ids[int(side.prepend_bos) :][: len(tokens)]
        assert own == [first + LETTERS.index(t) if t in LETTERS else 1 for t in tokens]


def test_context_lengths_and_ended():
    inputs = _inputs(WINDOW_COLUMNS)
    settings = _changed(also=WINDOWS)
    found = preprocessing.tokens(inputs, settings.target)
    assert preprocessing.context_lengths(inputs, settings, found).numpy().tolist() == [0, 2, 2, 0]
    assert preprocessing.ended(inputs, settings, found).numpy().tolist() == [0, 0, 1, 1]
    assert preprocessing.context_lengths(inputs, LM, found).numpy().tolist() == [0, 0, 0, 0]


def test_added_columns_are_those_that_are_read():
    assert preprocessing.added_columns(LM) == set()
    assert preprocessing.added_columns(_changed(also=WINDOWS)) == {CONTEXT_LENGTH, CONTINUES}
    assert preprocessing.added_columns(_changed(factors=["span_age"])) == {SPAN}


def test_inverse_frequency_without_counts_is_an_error():
    with pytest.raises(ValueError, match="inverse_frequency: the vocabulary has no counts"):
        _transform(_changed(factors=["inverse_frequency"]), {"text": [["a"]]})


def test_span_age_without_the_column_is_an_error():
    with pytest.raises(ValueError, match="column '_span' is not in the raw features"):
        _transform(_changed(factors=["span_age"]), {"text": [["a"]]})


def _windows(length, room, stride):
    """(first token, end, context, goes on) of each window of a text of `length` tokens."""
    found = []
    for start in range(0, max(1, length), stride):
        end = min(start + room, length)
        context = found[-1][1] - start if found else 0
        if found and end - start <= context:
            break
        found.append((start, end, context, end < length))
        if end == length:
            break
    return found


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=4),
    st.integers(1, 9),
    st.integers(1, 9),
    st.booleans(),
    st.booleans(),
)
@budget(deadline=None, max_examples=60)
def test_windows_score_each_token_once(text_lengths, room, stride, bos, eos):
    """The tokens of a text are its numbers, and the scored ones are all of them, in order."""
    stride = min(stride, room)
    side = Side("text", "whitespace", room + bos + eos, append_eos=eos, prepend_bos=bos)
    windows = [_windows(length, room, stride) for length in text_lengths]
    flat = [window for one in windows for window in one]
    settings = Settings("lm", side, excess_length="window")
    tokens = tuple(str(number).encode() for number in range(40))
    vocabulary = Vocabulary(tokens)
    columns = {
        "text": [[" ".join(map(str, range(start, end)))] for start, end, _, _ in flat],
        CONTEXT_LENGTH: [[context] for _, _, context, _ in flat],
        CONTINUES: [[int(goes_on)] for *_, goes_on in flat],
    }
    found = preprocessing.transform(
        _inputs(columns),
        settings,
        Vocabularies({"target": vocabulary}, settings.token_identity()),
        {"target": vocabulary.token_table()},
    )
    scored = [
        ids[weights == 1].tolist()
        for ids, weights in zip(
            found["targets"].numpy(), found["loss_weights"].numpy(), strict=True
        )
    ]
    rows = iter(scored)
    for length, one in zip(text_lengths, windows, strict=True):
        of_text = [number for _ in one for number in next(rows)]
        expected = [vocabulary.first_id + number for number in range(length)]
        assert of_text == expected + [vocabulary.special.eos] * eos


def test_what_a_model_is_given_is_bos_a_windows_context_and_regions_of_weight_0() -> None:
    rows = {"text": [["a b c"], ["a"], ["b <m> c d"]]}

    def found(settings, **columns) -> list[list[int]]:
        inputs = _inputs(rows | columns)
        tokens = preprocessing.tokens(inputs, settings.target)
        return tf.cast(preprocessing.given(inputs, settings, tokens), tf.int32).numpy().tolist()

    assert found(LM) == [[0] * 5] * 3
    assert found(_changed(prepend_bos=True)) == [[1, 0, 0, 0, 0]] * 3
    windows = _changed(also={"excess_length": "window"}, prepend_bos=True)
    context = found(windows, **{CONTEXT_LENGTH: [[2], [], [0]]})
    assert context == [[1, 1, 1, 0, 0], [1, 0, 0, 0, 0], [1, 0, 0, 0, 0]]
    regions = {"regions": (("<m>", 0.5),), "region_before": 0.0}
    # eos is in the region of what stands before it; a weight of another factor makes no prompt.
    asked = [
        row[:length]
        for row, length in zip(
            found(
                _changed(
                    factors=("region", "class"), also=regions | {"class_weights": (("c", 0.0),)}
                )
            ),
            (4, 2, 5),
            strict=True,
        )
    ]
    assert asked == [[1, 1, 1, 1], [1, 1], [1, 1, 0, 0, 0]]
