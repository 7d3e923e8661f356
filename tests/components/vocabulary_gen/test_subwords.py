"""Pieces are learned from counts alone, within their bound; files that are none are refused."""

import random
import subprocess
import sys
from collections import Counter

import pytest
import tensorflow as tf

from components.errors import InputError
from components.vocabulary_gen import subwords
from transform import tokenizers
from transform.settings import SENTENCEPIECE, SUBWORDS, WORDPIECE, Side

TEXT = (
    "the quick brown fox jumps over the lazy dog and the lazy dog sleeps while a naïve fox runs away "
    "running runner jumped jumping jumper quickly lazily brownish 漢字 שלום don't stop, now. "
) * 20


def _counts(tokenizer, text=TEXT):
    rows = tf.ragged.constant([[text]], tf.string, ragged_rank=1)
    found = subwords.words(rows, Side("text", tokenizer, 9))
    return Counter(found.flat_values.numpy().tolist())


def _learned(tokenizer, size, **options):
    return subwords.learn(_counts(tokenizer), Side("text", tokenizer, 9), size, **options)


@pytest.mark.parametrize("tokenizer", SUBWORDS)
@pytest.mark.parametrize("size", [340, 400, 1000])
def test_there_are_never_more_pieces_than_asked_for(tokenizer, size):
    side = Side("text", tokenizer, 9)
    pieces = subwords.pieces(_learned(tokenizer, size, markers=["<sep>"]), side)
    assert len(pieces) <= size
    assert len(set(pieces)) == len(pieces)
    assert b"<sep>" in pieces


def test_a_small_bound_leaves_rare_characters_out_and_not_the_words_they_are_in():
    pieces = subwords.pieces(_learned(WORDPIECE, 12), Side("text", WORDPIECE, 9))
    assert pieces[:3] == [b"e", b"n", b"o"]
    assert 3 < len(pieces) <= 12


def test_words_that_are_all_as_frequent_do_not_pass_the_bound():
    words = Counter(f"{first}{second}".encode() for first in "abcdefgh" for second in "abcdefgh")
    side = Side("text", WORDPIECE, 9)
    assert len(subwords.pieces(subwords.learn(words, side, 40), side)) == 40


def test_learned_sentencepiece_gives_every_text_back(tmp_path):
    (tmp_path / "file").write_bytes(_learned(SENTENCEPIECE, 400))
    side = Side("text", SENTENCEPIECE, 9, subwords=str(tmp_path / "file"))
    texts = [
        "",
        "  the fox",
        "fox\n\tthe  ",
        "\0",
        "ס \U0001f468\u200d\U0001f469",
        "<0x41>",
        "e\u0301",
    ]
    rows = tf.ragged.constant([[each] for each in texts], tf.string, ragged_rank=1)
    found = tokenizers.detokenize(tokenizers.tokenize(rows, side), side)
    assert found.numpy().tolist() == [each.encode() for each in texts]


@pytest.mark.parametrize("tokenizer", SUBWORDS)
def test_the_order_of_the_counts_does_not_matter(tokenizer):
    counts = list(_counts(tokenizer).items())
    random.Random(1).shuffle(counts)
    side = Side("text", tokenizer, 9)
    shuffled = subwords.learn(Counter(dict(counts)), side, 400)
    assert shuffled == _learned(tokenizer, 400)


_LEARN = """
import hashlib, sys
from collections import Counter
from components.vocabulary_gen import subwords
from transform.settings import Side
counts = Counter({each.encode(): 3 for each in sys.argv[2].split()})
content = subwords.learn(counts, Side("text", sys.argv[1], 9), 320)
print(hashlib.sha256(content).hexdigest())
"""


@pytest.mark.parametrize("tokenizer", SUBWORDS)
def test_another_process_learns_the_same(tokenizer):
    command = [sys.executable, "-c", _LEARN, tokenizer, TEXT]
    hashes = {
        subprocess.run(
            command, env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True, check=True, text=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(hashes) == 1


@pytest.mark.parametrize("tokenizer", SUBWORDS)
def test_what_was_learned_cuts_into_its_own_pieces(tmp_path, tokenizer):
    content = _learned(tokenizer, 400, markers=["<sep>"])
    (tmp_path / "file").write_bytes(content)
    side = Side("text", tokenizer, 9, subwords=str(tmp_path / "file"))
    rows = tf.ragged.constant([["jumping <sep> the fox\0 סל \U0001f468"]], tf.string, ragged_rank=1)
    tokens = tokenizers.tokenize(rows, side).to_list()[0]
    known = set(subwords.pieces(content, side))
    assert b"<sep>" in tokens
    if tokenizer == SENTENCEPIECE:
        assert set(tokens) <= known
    else:
        assert set(tokens) - known == {b"[UNK]"}  # letters that the text has not: ס and the emoji


@pytest.mark.parametrize("tokenizer", SUBWORDS)
def test_nothing_to_learn_from_is_an_error(tokenizer):
    with pytest.raises(InputError, match="column 'text': found no word in the training split"):
        subwords.learn(Counter(), Side("text", tokenizer, 9), 400)


@pytest.mark.parametrize(("tokenizer", "size"), [(SENTENCEPIECE, 200), (WORDPIECE, 1)])
def test_too_few_pieces_are_an_error(tokenizer, size):
    with pytest.raises(InputError, match=rf"data.vocab_size leaves {size} {tokenizer} pieces"):
        _learned(tokenizer, size, markers=["<sep>"])


def test_one_long_word_and_one_short_one_are_enough():
    for tokenizer in SUBWORDS:
        for word in (b"a", "漢".encode() * 5000, b" a"):
            content = subwords.learn(Counter({word: 1}), Side("text", tokenizer, 9), 400)
            assert subwords.pieces(content, Side("text", tokenizer, 9))


@pytest.mark.parametrize(
    ("tokenizer", "content", "message"),
    [
        (SENTENCEPIECE, b"", "not a sentencepiece file: got an empty file"),
        (SENTENCEPIECE, b"the\nfox\n", "not a sentencepiece file: got something else"),
        (WORDPIECE, b"", "not a wordpiece file: line 1: got nothing, expected a piece"),
        (WORDPIECE, b"a\na\n", "not a wordpiece file: line 2: got 'a' again, which is on line 1"),
        (WORDPIECE, b"ab\xff", "got the byte 0xff at 2, expected a wordpiece file: UTF-8 text"),
    ],
)
def test_a_given_file_that_is_none(tmp_path, tokenizer, content, message):
    path = tmp_path / "given"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        subwords.check_given(str(path), Side("text", tokenizer, 9))
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_given_file_that_is_missing(tmp_path):
    with pytest.raises(InputError, match="the wordpiece file cannot be read: No such file"):
        subwords.check_given(str(tmp_path / "none"), Side("text", WORDPIECE, 9))


@pytest.mark.parametrize("tokenizer", SUBWORDS)
def test_a_given_file_is_returned(tmp_path, tokenizer):
    content = _learned(tokenizer, 400)
    (tmp_path / "given").write_bytes(content)
    side = Side("text", tokenizer, 9)
    assert subwords.check_given(str(tmp_path / "given"), side) == content


def test_control_and_unknown_pieces_are_no_tokens():
    pieces = subwords.pieces(_learned(SENTENCEPIECE, 400), Side("text", SENTENCEPIECE, 9))
    assert b"<unk>" not in pieces
    assert pieces[0] == b"<0x00>"
    assert b"[UNK]" not in subwords.pieces(_learned(WORDPIECE, 400), Side("text", WORDPIECE, 9))
