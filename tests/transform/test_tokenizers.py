"""Tokenizers: literal tokens, and text that comes back where a tokenizer promises it."""

import hypothesis
import pytest
import tensorflow as tf
from hypothesis import strategies as st

from transform import tokenizers
from transform.settings import Side

# Texts without surrogates: what UTF-8 can hold, NUL, newlines and combining marks included.
TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), max_size=4)


def _side(tokenizer, **options):
    return Side("text", tokenizer, 9, **options)


def _rows(rows):
    return tf.ragged.constant(rows, tf.string, ragged_rank=1)


@pytest.mark.parametrize(
    ("side", "row", "expected"),
    [
        (_side("whitespace"), [" a\t b\nc "], [b"a", b"b", b"c"]),
        (_side("whitespace"), ["don't stop."], [b"don't", b"stop."]),
        (_side("whitespace"), [], []),
        (_side("character"), ["a é"], [b"a", b" ", "é".encode()]),
        (_side("byte"), ["é"], [b"\xc3", b"\xa9"]),
        (_side("pretokenized"), ["New York", "", "x"], [b"New York", b"", b"x"]),
        (_side("whitespace", lowercase=True), ["ÀB"], ["àb".encode()]),
        (_side("pretokenized", lowercase=True), ["ÀB", "C"], ["àb".encode(), b"c"]),
        (_side("pretokenized", lowercase=True), ["A\0É", "\0", ""], ["a\0é".encode(), b"\0", b""]),
        (_side("whitespace"), ["ÀB"], ["ÀB".encode()]),
    ],
)
def test_tokens(side, row, expected):
    assert tokenizers.tokenize(_rows([row]), side).to_list() == [expected]


def test_every_tokenizer_that_is_named_works_on_a_batch_without_rows():
    for name in tokenizers.NAMES:
        found = tokenizers.tokenize(_rows([]), _side(name))
        assert found.to_list() == []
        assert tokenizers.detokenize(found, _side(name)).numpy().tolist() == []


@pytest.mark.parametrize("tokenizer", ["character", "byte"])
@hypothesis.settings(max_examples=25, deadline=None)
@hypothesis.given(texts=TEXTS)
def test_characters_and_bytes_lose_nothing(tokenizer, texts):
    side = _side(tokenizer)
    found = tokenizers.tokenize(_rows([[text] for text in texts]), side)
    encoded = [text.encode() for text in texts]
    assert tokenizers.detokenize(found, side).numpy().tolist() == encoded


def test_words_come_back_with_one_space_between_them():
    side = _side("whitespace")
    found = tokenizers.tokenize(_rows([["  né   b "], [""]]), side)
    assert tokenizers.detokenize(found, side).numpy().tolist() == ["né b".encode(), b""]
