"""The parse spec of the contract, and the examples that its docstring promises."""

import dataclasses

import pytest
import tensorflow as tf

from transform import features, preprocessing
from transform.features import Lengths, feature_spec
from transform.settings import CONTEXT_LENGTH, CONTINUES, Settings, Side, SpecialIds
from transform.vocabulary import Vocabularies, Vocabulary

TARGET_SIDE = {
    "targets": ([3], tf.int64),
    "target_lengths": ([], tf.int64),
    "loss_weights": ([3], tf.float32),
}
SOURCE_SIDE = {"inputs": ([2], tf.int64), "input_lengths": ([], tf.int64)}


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        (Lengths(3), TARGET_SIDE),
        (Lengths(3, 2), TARGET_SIDE | SOURCE_SIDE),
        (Lengths(3, 2, 5), TARGET_SIDE | SOURCE_SIDE | {"input_chars": ([2, 5], tf.int64)}),
    ],
    ids=["lm", "seq2seq", "tagging with characters"],
)
def test_feature_spec(lengths, expected):
    found = {name: (spec.shape, spec.dtype) for name, spec in feature_spec(lengths).items()}
    assert found == expected


TEXT = Side("text", "whitespace", 6)
LETTERS = tuple(letter.encode() for letter in "abcdef")
EXAMPLES = {
    "token weights": (
        Settings("lm", TEXT, weights=("mask", "token"), token_weights="numbers"),
        {"text": tf.constant(["a b c"]), "numbers": tf.constant([[0.5, 2.0, 1.0]])},
    ),
    "bos, left, pad_id = eos_id": (
        Settings(
            "lm",
            dataclasses.replace(TEXT, prepend_bos=True, truncate="left"),
            special=SpecialIds(pad=3),
        ),
        {"text": tf.constant(["a b c d e f", "a"])},
    ),
    "windows": (
        Settings("lm", dataclasses.replace(TEXT, max_length=5), excess_length="window"),
        {
            "text": tf.constant(["a b c d", "c d e f"]),
            CONTEXT_LENGTH: tf.constant([0, 2], tf.int64),
            CONTINUES: tf.constant([1, 0], tf.int64),
        },
    ),
    "regions": (
        Settings("lm", TEXT, weights=("mask", "region"), regions=(("b", 2.0),), region_before=0.5),
        {"text": tf.constant(["a b c d"])},
    ),
}


def _line(name, rows):
    """A feature of one or two rows as the docstring has it, but for the number of spaces."""
    cells = [
        "[" + " ".join(f"{number:g}" for number in row) + " ]"
        if isinstance(row, list)
        else str(row)
        for row in rows
    ]
    return " ".join([name, *cells])


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_of_the_docstring(name):
    settings, inputs = EXAMPLES[name]
    vocabulary = Vocabulary(LETTERS, settings.special)
    found = preprocessing.transform(
        inputs,
        settings,
        Vocabularies({"target": vocabulary}, settings.token_identity()),
        {"target": vocabulary.token_table()},
    )
    lines = [_line(key, value.numpy().tolist()) for key, value in found.items()]
    promised = [" ".join(line.split()) for line in features.__doc__.splitlines()]
    assert any(promised[place : place + 3] == lines for place in range(len(promised)))
