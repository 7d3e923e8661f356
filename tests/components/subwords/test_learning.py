"""Pieces are learned from counts alone, within their bound; files that are none are refused."""

import random
import subprocess
import sys
from collections import Counter

import pytest
import tensorflow as tf

from components.errors import InputError
from components.subwords import learning
from transform import tokenizers
from transform.settings import SENTENCEPIECE, SUBWORDS, WORDPIECE, Side

TEXT = (
    "the quick brown fox jumps over the lazy dog and the lazy dog sleeps while a naïve fox runs away "
    "running runner jumped jumping jumper quickly lazily brownish 漢字 שלום don't stop, now. "
) * 20


def _counts(tokenizer, text=TEXT):
    rows = tf.ragged.constant([[text]], tf.string, ragged_rank=1)
    found = tokenizers.words(rows, Side("text", tokenizer, 9))
    return Counter(found.flat_values.numpy().tolist())


def _learned(tokenizer, size, **options):
    return learning.learn(_counts(tokenizer), Side("text", tokenizer, 9), size, **options)


@pytest.mark.parametrize("tokenizer", SUBWORDS)
@pytest.mark.parametrize("size", [340, 400, 1000])
def test_there_are_never_more_pieces_than_asked_for(tokenizer, size):
    side = Side("text", tokenizer, 9)
    pieces = learning.pieces(_learned(tokenizer, size, markers=["<sep>"]), side)
    assert len(pieces) <= size
    assert len(set(pieces)) == len(pieces)
    assert b"<sep>" in pieces


def test_a_small_bound_leaves_rare_characters_out_and_not_the_words_they_are_in():
    pieces = learning.pieces(_learned(WORDPIECE, 12), Side("text", WORDPIECE, 9))
    assert pieces[:3] == [b"e", b"n", b"o"]
    assert 3 < len(pieces) <= 12


def test_words_that_are_all_as_frequent_do_not_pass_the_bound():
    words = Counter(f"{first}{second}".encode() for first in "abcdefgh" for second in "abcdefgh")
    side = Side("text", WORDPIECE, 9)
    assert len(learning.pieces(learning.learn(words, side, 40), side)) == 40


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
    shuffled = learning.learn(Counter(dict(counts)), side, 400)
    assert shuffled == _learned(tokenizer, 400)


_LEARN = """
import hashlib, sys
from collections import Counter
from components.subwords import learning
from transform.settings import Side
counts = Counter({each.encode(): 3 for each in sys.argv[2].split()})
content = learning.learn(counts, Side("text", sys.argv[1], 9), 320)
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
    known = set(learning.pieces(content, side))
    assert b"<sep>" in tokens
    if tokenizer == SENTENCEPIECE:
        assert set(tokens) <= known
    else:
        assert set(tokens) - known == {b"[UNK]"}  # letters that the text has not: ס and the emoji


@pytest.mark.parametrize("tokenizer", SUBWORDS)
def test_nothing_to_learn_from_is_an_error(tokenizer):
    with pytest.raises(InputError, match="column 'text': found no word in the training split"):
        learning.learn(Counter(), Side("text", tokenizer, 9), 400)


WORDS = Counter({b"the": 5, b" quick": 3, b" brown": 2, b" fox": 1, " \u00f1".encode(): 1})
LETTERS = 17  # in these words, the space among them


@pytest.mark.parametrize(
    ("tokenizer", "size", "markers", "message"),
    [
        (
            SENTENCEPIECE, 256 + LETTERS - 1, [],
            "column 'text': got 276 ids (data.vocab_size), expected at least 277 for sentencepiece: "
            "4 reserved, 256 bytes, 17 characters",
        ),
        (
            SENTENCEPIECE, 6, ["<sep>"],
            "column 'text': got 10 ids (data.vocab_size), expected at least 278 for sentencepiece: "
            "4 reserved, 256 bytes, 1 marker, 17 characters",
        ),
        (
            WORDPIECE, 1, ["<sep>"],
            "column 'text': got 5 ids (data.vocab_size), expected at least 6 for wordpiece: "
            "4 reserved, 1 marker, 1 piece",
        ),
    ],
)  # fmt: skip
def test_too_few_ids_are_an_error_that_says_how_many_would_do(tokenizer, size, markers, message):
    side = Side("text", tokenizer, 9)
    with pytest.raises(InputError) as caught:
        learning.learn(WORDS, side, size, markers, reserved=4)
    assert str(caught.value) == message
    enough = int(message.split("at least ")[1].split()[0]) - 4
    assert learning.learn(WORDS, side, enough, markers, reserved=4)


def test_as_many_ids_as_the_message_asks_for_are_enough():
    """Also where rare characters need no piece: most of these 600 occur once."""
    side = Side("text", SENTENCEPIECE, 9)
    rare = {chr(0x4E00 + number).encode(): 1 for number in range(600)}
    counts = Counter({b"aaaaaaaaaabbbbbbbbbb": 1_000_000} | rare)
    with pytest.raises(InputError, match=r"256 bytes, 2 characters$"):
        learning.learn(counts, side, 257, reserved=4)
    for size in (258, 259, 300, 600, 857, 858, 859, 2400, 2404):
        assert learning.learn(counts, side, size, reserved=4)


def test_one_long_word_and_one_short_one_are_enough():
    for tokenizer in SUBWORDS:
        for word in (b"a", "漢".encode() * 5000, b" a"):
            content = learning.learn(Counter({word: 1}), Side("text", tokenizer, 9), 400)
            assert learning.pieces(content, Side("text", tokenizer, 9))


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
        learning.check_given(str(path), Side("text", tokenizer, 9))
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_given_file_that_is_missing(tmp_path):
    with pytest.raises(InputError, match="the wordpiece file cannot be read: No such file"):
        learning.check_given(str(tmp_path / "none"), Side("text", WORDPIECE, 9))


@pytest.mark.parametrize("tokenizer", SUBWORDS)
def test_a_given_file_is_returned(tmp_path, tokenizer):
    content = _learned(tokenizer, 400)
    (tmp_path / "given").write_bytes(content)
    side = Side("text", tokenizer, 9)
    assert learning.check_given(str(tmp_path / "given"), side) == content


def test_control_and_unknown_pieces_are_no_tokens():
    pieces = learning.pieces(_learned(SENTENCEPIECE, 400), Side("text", SENTENCEPIECE, 9))
    assert b"<unk>" not in pieces
    assert pieces[0] == b"<0x00>"
    assert b"[UNK]" not in learning.pieces(_learned(WORDPIECE, 400), Side("text", WORDPIECE, 9))
