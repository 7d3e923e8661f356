"""The text of each scored position: words as the row has them, pieces as the model's table has them."""

import types

import numpy as np
import pytest
import tensorflow as tf

from components.errors import InputError
from pipeline.scoring.token_texts import TokenTexts
from transform.settings import Settings, Side

WORDS = ["<unk>"] * 4 + ["un", "##do", "ing"]


def _loaded(words: list[str]) -> types.SimpleNamespace:
    """A model whose decoding looks words up inside a function of its graph, beside other strings."""

    @tf.function
    def text_of(ids):
        return tf.gather(tf.constant(words), ids)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def serve(text):
        others = tf.constant(["x"] * len(words))
        return {"text": text_of(tf.zeros_like(text, tf.int64)) + others[0]}

    return types.SimpleNamespace(signatures={"serving_text": serve.get_concrete_function()})


def _example(**columns: list) -> bytes:
    example = tf.train.Example()
    for name, values in columns.items():
        feature = example.features.feature[name]
        if isinstance(values[0], int):
            feature.int64_list.value.extend(values)
        else:
            feature.bytes_list.value.extend(values)
    return example.SerializeToString()


@pytest.mark.parametrize(
    ("side", "values", "length", "expected"),
    [
        (Side("t", "whitespace", 9), [b"A  b"], 3, ["A", "b", "<eos>"]),
        (Side("t", "whitespace", 9, lowercase=True), [b"A  b"], 3, ["a", "b", "<eos>"]),
        (Side("t", "whitespace", 3), [b"a b c d"], 3, ["a", "b", "<eos>"]),
        (Side("t", "whitespace", 3, truncate="left"), [b"a b c d"], 3, ["c", "d", "<eos>"]),
        (Side("t", "whitespace", 9, append_eos=False), [b"a b"], 2, ["a", "b"]),
        (Side("t", "whitespace", 9), [b"a b"], 2, ["a", "b"]),  # a window that goes on: no eos
        (Side("t", "character", 9, prepend_bos=True), [b"a b"], 5, ["<bos>", *"a b", "<eos>"]),
        (Side("t", "byte", 9), ["ü".encode()], 3, ["\\xc3", "\\xbc", "<eos>"]),
        (Side("t", "pretokenized", 9), [b"a b", b"c"], 3, ["a b", "c", "<eos>"]),
        (Side("t", "ids", 9), [17, 5], 3, ["17", "5", "<eos>"]),
    ],
)
def test_words_are_the_rows(side, values, length, expected) -> None:
    texts = TokenTexts(_loaded(WORDS), Settings("lm", side), len(WORDS))
    assert texts([_example(t=values)], np.zeros([1, 9], int), [length]) == [expected]


def test_pieces_are_the_models() -> None:
    side = Side("t", "wordpiece", 9, prepend_bos=True)
    texts = TokenTexts(_loaded(WORDS), Settings("lm", side), len(WORDS))
    ids = np.array([[2, 4, 5, 1, 3, 0], [2, 6, 0, 0, 0, 0], [2, 3, 0, 0, 0, 0]])
    assert texts([], ids, [5, 2, 2]) == [
        ["<bos>", "un", "##do", "<unk>", "<eos>"],
        ["<bos>", "ing"],
        ["<bos>", "<eos>"],
    ]


def test_a_model_without_a_table_is_refused() -> None:
    settings = Settings("lm", Side("t", "wordpiece", 9))
    with pytest.raises(InputError, match="no table of 8 words"):
        TokenTexts(_loaded(WORDS), settings, 8)
