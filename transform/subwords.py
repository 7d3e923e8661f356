"""Pieces of words: what a subword file holds, and how text is cut with it in the graph.

tensorflow_text is imported where it is needed and nowhere else, so that a model without subwords
needs no operation of it.
"""

import functools
import re
import unicodedata

import tensorflow as tf

from transform import text
from transform.settings import WORDPIECE, Side

UNKNOWN = "[UNK]"  # what wordpiece makes of a word that its pieces cannot spell
JOINER = "##"  # in front of a piece that continues a word
_LONGEST_WORD = 2**30  # bytes: a word is unknown for what it is made of, never for its length

# How BERT cuts text into words: punctuation (in ASCII all that is neither letter nor digit) and
# ideographs, which have no spaces between them, stand alone.
_IDEOGRAPHS = (
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2CEAF),
    (0x2F800, 0x2FA1F),
)
_ALONE = r"!-/:-@\[-`{-~\p{P}" + "".join(rf"\x{{{a:X}}}-\x{{{b:X}}}" for a, b in _IDEOGRAPHS)
_BETWEEN = r"\s\p{Z}\p{Cc}\p{Cf}"
WORD = f"[{_ALONE}]|[^{_ALONE}{_BETWEEN}]+"


class Wordpiece(tf.Module):
    """A wordpiece file: UTF-8 text, a piece on each line."""

    def __init__(self, content: bytes) -> None:
        """Make what cuts.

        Raises:
          ValueError: see `wordpieces`.
        """
        super().__init__()
        import tensorflow_text

        pieces = wordpieces(content)
        whole = sorted((piece for piece in pieces if _is_cut(piece)), key=len, reverse=True)
        self._word = "|".join([*(re.escape(piece) for piece in whole), WORD])
        self._cutter = tensorflow_text.FastWordpieceTokenizer(
            [UNKNOWN, *pieces],
            suffix_indicator=JOINER,
            max_bytes_per_word=_LONGEST_WORD,
            token_out_type=tf.string,
            unknown_token=UNKNOWN,
            no_pretokenization=True,
        )

    def cut(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """The pieces [N, (pieces)] of texts [N], `UNKNOWN` for a word that they cannot spell.

        A piece that words are cut within, such as "[SEP]", is found before words are.
        """
        return self._cutter.tokenize(text.matches(texts, self._word)).merge_dims(1, 2)

    def join(self, pieces: tf.RaggedTensor) -> tf.Tensor:
        """Texts [N] of pieces [N, (pieces)], with one space between words."""
        joined = tf.strings.reduce_join(pieces, axis=-1, separator=" ")
        return tf.strings.regex_replace(joined, f" {JOINER}", "")


class Sentencepiece(tf.Module):
    """A sentencepiece model."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        import tensorflow_text

        self._cutter = tensorflow_text.SentencepieceTokenizer(content, out_type=tf.string)

    def cut(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """The pieces [N, (pieces)] of texts [N]; what the model does not know is left as it is."""
        return self._cutter.tokenize(text.valid(texts))

    def join(self, pieces: tf.RaggedTensor) -> tf.Tensor:
        """Texts [N] of pieces [N, (pieces)]."""
        return self._cutter.detokenize(pieces)


def of(side: Side) -> Wordpiece | Sentencepiece:
    """What cuts the text of a side: made once for each file, outside of any graph.

    The graph that uses it must keep it: `tft.make_and_track_object`, or an attribute of what is saved.

    Raises:
      ValueError: the settings do not say where the file is (`Settings.with_subwords`).
    """
    if not side.subwords:
        raise ValueError(
            f"column {side.column!r}: {side.tokenizer} has no file of pieces yet: "
            "use Settings.with_subwords(folder of the vocabulary)"
        )
    with tf.init_scope():
        found = tf.io.gfile.stat(side.subwords)
        return _opened(side.tokenizer, side.subwords, (found.mtime_nsec, found.length))


@functools.lru_cache(maxsize=16)
def _opened(tokenizer: str, path: str, _version: tuple[int, int]) -> Wordpiece | Sentencepiece:
    with tf.io.gfile.GFile(path, "rb") as file:
        content = file.read()
    return Wordpiece(content) if tokenizer == WORDPIECE else Sentencepiece(content)


def wordpieces(content: bytes) -> list[str]:
    """The pieces of a wordpiece file in order, without the one for unknown words.

    Raises:
      ValueError: the file is not UTF-8, holds no piece, an empty line, or a piece twice.
    """
    lines = content.decode("utf-8").removesuffix("\n").split("\n")
    numbers: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        piece = line.removesuffix("\r")
        if not piece:
            raise ValueError(f"line {number}: got nothing, expected a piece")
        if piece in numbers:
            raise ValueError(
                f"line {number}: got {piece!r} again, which is on line {numbers[piece]}"
            )
        numbers[piece] = number
    numbers.pop(UNKNOWN, None)
    if not numbers:
        raise ValueError(f"got only {UNKNOWN}, expected pieces")
    return list(numbers)


def _is_cut(piece: str) -> bool:
    """Whether cutting into words would cut this piece of several characters."""
    continued = piece.startswith(JOINER) and len(piece) > len(JOINER)
    return not continued and len(piece) > 1 and any(_is_word_end(each) for each in piece)


def _is_word_end(character: str) -> bool:
    category = unicodedata.category(character)
    if character.isascii():
        return not character.isalnum()
    ideograph = any(first <= ord(character) <= last for first, last in _IDEOGRAPHS)
    return ideograph or category[0] in "PZ" or category in ("Cc", "Cf")
