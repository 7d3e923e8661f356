"""Counting and cutting the tokens of many rows at once, with the tokeniser that Transform uses.

What windows are made of are pieces: tokens, but words where tokens are parts of words. A word is what
stands between white space; it has its space in front where the tokeniser takes the first word of a text
for another one than the same word later (a sentencepiece model without a dummy prefix).
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf

from components.example_gen.columns import Values
from components.example_gen.sequences import SequenceSide
from transform import tokenizers
from transform.settings import SUBWORDS, Side

Pieces = tuple[list[Any], list[int]]  # and the number of tokens of each
# What stands between pieces to make a text of them, one space if not said; where two are possible,
# the second is taken if the first is wrong.
_JOINERS = {"character": (b"",), "byte": (b"",), "regex": (b" ", b"")}
_WORD_WITH_SPACE = re.compile(rb"\s*\S+(?:\s+\Z)?")


class NotCut(ValueError):
    """The words of a text, each by itself, have other tokens than the text."""

    def __init__(self, row: int) -> None:
        """Take the position of the row."""
        super().__init__(f"row {row}")
        self.row = row


def token_counts(rows: Sequence[Values | None], side: SequenceSide) -> list[int]:
    """The number of tokens of each row's value, without bos and eos."""
    if side.is_list:
        return [len(values or ()) for values in rows]
    return _counts(tokenizers.tokenize(_ragged([_text(values) for values in rows]), side.side))


def pieces(
    rows: Sequence[Values | None], side: SequenceSide, *, inside: bool = False
) -> list[Pieces]:
    """The pieces of each row's value; `inside` a longer text, a row starts as any word does.

    Raises:
      NotCut: a row's tokens are not those of its words.
    """
    if side.is_list:
        return [(list(values or ()), [1] * len(values or ())) for values in rows]
    texts = [_text(values) for values in rows]
    if side.side.tokenizer not in SUBWORDS:
        return [(found, [1] * len(found)) for found in _tokenize(texts, side.side)]
    if _first_word_is_as_others(side.side):
        words = [text.split() for text in texts]
    else:
        texts = [b" " + text if inside else text for text in texts]
        words = [_WORD_WITH_SPACE.findall(text) for text in texts]
    right = same_tokens(texts, words, side.side)
    if not all(right):
        raise NotCut(right.index(False))
    flat = tokenizers.tokenize(_ragged(_flat(words)), side.side)
    counts = iter(_counts(flat))
    return [(found, list(itertools.islice(counts, len(found)))) for found in words]


def joiners(documents: Sequence[Sequence[bytes]], side: Side) -> list[bytes]:
    """What to put between the pieces of each document, given its first ones."""
    first, *second = _JOINERS.get(side.tokenizer, (b" ",))
    if side.tokenizer in SUBWORDS and not _first_word_is_as_others(side):
        first = b""
    if not second:
        return [first] * len(documents)
    right = same_tokens([first.join(document) for document in documents], documents, side)
    return [first if is_right else second[0] for is_right in right]


def same_tokens(texts: Sequence[bytes], parts: Sequence[Sequence[bytes]], side: Side) -> list[bool]:
    """Whether each text has exactly the tokens of the pieces that it was joined from."""
    expected: Sequence[Sequence[bytes]] = parts
    if side.tokenizer in SUBWORDS:
        cut = iter(_tokenize(_flat(parts), side))
        expected = [_flat(itertools.islice(cut, len(part))) for part in parts]
    found = _tokenize(texts, side)
    return [got == list(wanted) for got, wanted in zip(found, expected, strict=True)]


def _first_word_is_as_others(side: Side) -> bool:
    both, one = _tokenize([b"a a", b"a"], side)
    return both == one * 2


def _tokenize(texts: Sequence[bytes], side: Side) -> list[list[bytes]]:
    found = tokenizers.tokenize(_ragged(texts), side)
    tokens: Iterator[bytes] = iter(found.flat_values.numpy().tolist())
    return [list(itertools.islice(tokens, count)) for count in _counts(found)]


def _counts(found: tf.RaggedTensor) -> list[int]:
    return found.row_lengths().numpy().tolist()


def _text(values: Values | None) -> bytes:
    return values[0] if values else b""  # type: ignore[return-value]


def _ragged(texts: Sequence[bytes]) -> tf.RaggedTensor:
    """Texts as a raw column [B, (1)]."""
    flat = tf.constant(list(texts), tf.string, shape=[len(texts)])
    return tf.RaggedTensor.from_uniform_row_length(flat, 1)


def _flat(lists: Any) -> list[bytes]:
    return list(itertools.chain.from_iterable(lists))
