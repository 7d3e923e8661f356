"""Counting and cutting the tokens of many rows at once, with the tokeniser that Transform uses.

What windows are made of are pieces: tokens, but words where tokens are parts of words. A word is what
stands between white space; it has its space in front where the tokeniser takes the first word of a text
for another one than the same word later (a sentencepiece model without a dummy prefix). Such a model cuts
the rest of a word as it did within the word, so a word that is too long for a window may be cut too.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf

from components.example_gen.columns import Values
from components.example_gen.sequences import SequenceSide
from transform import tokenizers
from transform.settings import SENTENCEPIECE, SUBWORDS, Side

Pieces = tuple[list[Any], list[int]]  # and the number of tokens of each
# What stands between pieces to make a text of them, one space if not said; where two are possible,
# the second is taken if the first is wrong.
_JOINERS = {"character": (b"",), "byte": (b"",), "regex": (b" ", b"")}
_BYTE = re.compile(rb"<0x([0-9A-F]{2})>")
_SPACE = "\u2581".encode()
# White space as RE2 has it, which learning cuts words with; Python's has the vertical tab too.
_WORD_WITH_SPACE = re.compile(rb"[\t\n\f\r ]*[^\t\n\f\r ]+(?:[\t\n\f\r ]+\Z)?")


class NotCut(ValueError):
    """The words of a text, each by itself, have other tokens than the text."""

    def __init__(self, row: int) -> None:
        """Take the position of the row."""
        super().__init__(f"row {row}")
        self.row = row


def token_counts(
    rows: Sequence[Values | None], side: SequenceSide, *, inside: bool = False
) -> list[int]:
    """The number of tokens of each row's value, without bos and eos; `inside` as in `pieces`."""
    if side.is_list:
        return [len(values or ()) for values in rows]
    found = [_text(values) for values in rows]
    if inside and side.side.tokenizer in SUBWORDS and not _first_word_is_as_others(side.side):
        found = [b" " + text for text in found]
    return _counts(tokenizers.tokenize(_ragged(found), side.side))


def texts(rows: Sequence[Values | None]) -> tf.RaggedTensor:
    """Each row's text as a raw column, string [B, (1)]."""
    return _ragged([_text(values) for values in rows])


def pieces(
    rows: Sequence[Values | None], side: SequenceSide, *, inside: bool = False
) -> list[Pieces]:
    """The pieces of each row's value; `inside` a longer text, a row starts as any word does.

    A word of more tokens than fit into a window is cut between them, if the tokeniser allows it.

    Raises:
      NotCut: a row's tokens are not those of its words.
    """
    if side.is_list:
        return [(list(values or ()), [1] * len(values or ())) for values in rows]
    texts = [_text(values) for values in rows]
    if side.side.tokenizer not in SUBWORDS:
        return [(found, [1] * len(found)) for found in _tokenize(texts, side.side)]
    whole = _first_word_is_as_others(side.side)
    if whole:
        words = [text.split() for text in texts]
    else:
        texts = [b" " + text if inside else text for text in texts]
        words = [_WORD_WITH_SPACE.findall(text) for text in texts]
    right = [found is not None for found in contexts(texts, words, [0] * len(texts), side.side)]
    if not all(right):
        raise NotCut(right.index(False))
    flat = tokenizers.tokenize(_ragged(_flat(words)), side.side)
    counts = iter(_counts(flat))
    cut = [(found, list(itertools.islice(counts, len(found)))) for found in words]
    if whole or side.side.tokenizer != SENTENCEPIECE:
        return cut
    return [_without_long_words(*found, side.side) for found in cut]


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


def contexts(
    texts: Sequence[bytes], parts: Sequence[Sequence[bytes]], context: Sequence[int], side: Side
) -> list[int | None]:
    """How many tokens of each text are context, where the first `context` tokens of its parts are.

    A sentencepiece model chooses among pieces of nearly the same sum by rounding, which depends on what
    stands before: a word may have other pieces in another text. It is the same word all the same, and
    its pieces are counted in the text that is trained on.

    Returns:
      None where the text has other tokens than its parts, other than within them.
    """
    cut = iter(_tokenize(_flat(parts), side) if side.tokenizer in SUBWORDS else ())
    found: list[int | None] = []
    for own, of_text, known in zip(_tokenize(texts, side), parts, context, strict=True):
        alone = [next(cut) if side.tokenizer in SUBWORDS else [part] for part in of_text]
        if own == _flat(alone):
            found.append(known)
        elif side.tokenizer == SENTENCEPIECE:
            found.append(_context_in(own, alone, known))
        else:
            found.append(None)
    return found


def _context_in(own: list[bytes], parts: list[list[bytes]], context: int) -> int | None:
    """The tokens of a text up to where the first `context` ones of its parts end."""
    ends = [0, *itertools.accumulate(map(_length, own))]
    needed = list(itertools.accumulate(sum(map(_length, part)) for part in parts))
    end = sum(map(_length, _flat(parts)[:context]))
    if ends[-1] != needed[-1] or not {end, *needed} <= set(ends):
        return None
    return ends.index(end)


def _length(token: bytes) -> int:
    """Bytes of the text that a sentencepiece token stands for."""
    return 1 if _BYTE.fullmatch(token) else len(token.replace(_SPACE, b" "))


def _without_long_words(words: list[bytes], counts: list[int], side: Side) -> Pieces:
    """Words with their numbers of tokens; those that do not fit into a window cut into tokens."""
    long = [word for word, count in zip(words, counts, strict=True) if count > side.room]
    if not long:
        return words, counts
    cut = iter(_tokenize(long, side))
    parts: list[Any] = []
    numbers: list[int] = []
    for word, count in zip(words, counts, strict=True):
        found = [(word, count)] if count <= side.room else _written(next(cut))
        parts += [part for part, _ in found]
        numbers += [number for _, number in found]
    return parts, numbers


def _written(tokens: Sequence[bytes]) -> list[tuple[bytes, int]]:
    """The text of each sentencepiece token; of the bytes of one character together."""
    found: list[tuple[bytes, int]] = []
    held, number = b"", 0
    for token in tokens:
        byte = _BYTE.fullmatch(token)
        held += bytes([int(byte[1], 16)]) if byte else token.replace(_SPACE, b" ")
        number += 1
        if not byte or _is_text(held):
            found.append((held, number))
            held, number = b"", 0
    return [*found, (held, number)] if held else found


def _is_text(found: bytes) -> bool:
    try:
        found.decode()
    except UnicodeDecodeError:
        return False
    return True


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
