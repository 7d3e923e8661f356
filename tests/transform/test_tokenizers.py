"""Tokenizers: literal tokens, and text that comes back where a tokenizer promises it."""

import hypothesis
import pytest
import tensorflow as tf
from hypothesis import strategies as st
from subword_files import content

from transform import tokenizers
from transform.settings import ID_LIST, SUBWORDS, Side

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
        (_side("regex", pattern=r"\w+|[^\w\s]"), ["a, b\0c"], [b"a", b",", b"b", b"\0", b"c"]),
        (_side("regex", pattern="[a-z]+", lowercase=True), ["Ab 1 cD"], [b"ab", b"cd"]),
        (_side("character"), ["e\u0301x"], ["e\u0301".encode(), b"x"]),
        (_side("character", normalize="NFC"), ["e\u0301x"], ["\u00e9".encode(), b"x"]),
        (_side("whitespace", normalize="NFKC"), ["\ufb01 \uff21"], [b"fi", b"A"]),
        (_side("pretokenized", normalize="NFD"), ["\u00e9", "\0"], ["e\u0301".encode(), b"\0"]),
        (_side("whitespace", normalize="NFD", lowercase=True), ["\u00c9"], ["e\u0301".encode()]),
        (_side("whitespace", normalize="NFKC", lowercase=True), ["\u2122"], [b"tm"]),
    ],
)
def test_tokens(side, row, expected):
    assert tokenizers.tokenize(_rows([row]), side).to_list() == [expected]


def test_every_tokenizer_that_is_named_works_on_a_batch_without_rows(tmp_path):
    for name in tokenizers.NAMES:
        side = _side(name, pattern="a")
        if name in SUBWORDS:
            (tmp_path / name).write_bytes(content(name))
            side = _side(name, subwords=str(tmp_path / name))
        rows = _rows([]) if name != ID_LIST else tf.ragged.constant([], tf.int64, ragged_rank=1)
        found = tokenizers.tokenize(rows, side)
        assert found.to_list() == []
        assert tokenizers.detokenize(found, side).numpy().tolist() == []


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


def test_ids_are_tokens_in_decimal():
    rows = tf.ragged.constant([[7, 0, 123456789012], []], tf.int64, ragged_rank=1)
    found = tokenizers.tokenize(rows, _side(ID_LIST))
    assert found.to_list() == [[b"7", b"0", b"123456789012"], []]
    assert tokenizers.detokenize(found, _side(ID_LIST)).numpy().tolist() == [
        b"7 0 123456789012",
        b"",
    ]


def test_matches_come_back_with_one_space_between_them():
    side = _side("regex", pattern=r"\w+|[^\w\s]")
    found = tokenizers.tokenize(_rows([["don't  stop."], [""]]), side)
    assert tokenizers.detokenize(found, side).numpy().tolist() == [b"don ' t stop .", b""]


@pytest.mark.parametrize("tokenizer", ["whitespace", "character", "byte", "regex"])
def test_a_line_of_a_megabyte_is_cut(tokenizer):
    side = _side(tokenizer, pattern=r"\w+|\W")
    found = tokenizers.tokenize(_rows([["ab\0e\u0301 " * 150_000], ["x"]]), side)
    each = {"whitespace": 1, "character": 5, "byte": 7, "regex": 5}[tokenizer]
    assert found.row_lengths().numpy().tolist() == [each * 150_000, 1]


@pytest.mark.parametrize(
    ("tokenizer", "tokens", "expected"),
    [
        ("whitespace", ["é", "##a", "ab"], [2, 3, 2]),
        ("character", ["é", "\u2581"], [2, 3]),
        ("wordpiece", ["un", "##happy", "#"], [2, 5, 1]),
        ("sentencepiece", ["\u2581é", "a", "\u2581"], [3, 1, 1]),
    ],
)
def test_bytes_of_tokens_are_those_of_the_text_they_stand_for(tokenizer, tokens, expected) -> None:
    found = tokenizers.token_bytes(_rows([tokens, []]), _side(tokenizer))
    assert found.to_list() == [expected, []]
