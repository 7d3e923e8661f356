"""The pieces of a `wordpiece` or `sentencepiece` side: learned from counted words, or given as a file.

`transform.tokenizers.words` says what a word is. The file is made once: a vocabulary that extends another
keeps its file, as other pieces would be other tokens.
"""

import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence

import sentencepiece
import tensorflow as tf

from components.errors import InputError
from transform import subwords
from transform.settings import WORDPIECE, Side

_LONGEST_PIECE = 50  # characters, of wordpiece; longer words are learned from in parts
_LONGEST_WORD = 1000  # characters; text without spaces is learned from in parts
_MOST_WORDS = 50_000  # the most frequent ones: as many take wordpiece up to two minutes
_SLACK = 0.02  # wordpiece stops looking for a better threshold this close to the size
_COVERAGE = 0.9995  # of all characters, where not each can have a piece
_BYTES = 256  # pieces of sentencepiece, so that nothing is unknown and every text comes back


def learn(
    word_counts: Counter, side: Side, size: int, markers: Sequence[str] = (), *, reserved: int = 0
) -> bytes:
    """The content of a file of pieces. Depends on the counts only, not on their order.

    Args:
      word_counts: how often each word (bytes, UTF-8) occurs in the training split.
      side: `wordpiece` or `sentencepiece`.
      size: most pieces, markers included: of all ids those that are not reserved.
      markers: tokens that are never cut, such as what starts a region.
      reserved: how many ids are none of pieces; for the message.

    Raises:
      InputError: there is no word, or `size` is too small for any useful pieces.
    """
    counted = sorted(
        (word.decode("utf-8"), count) for word, count in word_counts.items() if b"\0" not in word
    )
    if not counted:
        raise InputError(
            f"column {side.column!r}: found no word in the training split, expected text that "
            f"{side.tokenizer} pieces can be learned from"
        )
    make = _learned_wordpiece if side.tokenizer == WORDPIECE else _learned_sentencepiece
    try:
        return make(counted, side, size, list(dict.fromkeys(markers)))
    except _TooSmall as error:
        raise InputError(_too_small(side, size, reserved, error.needed)) from None


class _TooSmall(Exception):
    """There is room for fewer pieces than are needed, which are here by what they are."""

    def __init__(self, needed: dict[str, int]) -> None:
        super().__init__(str(needed))
        self.needed = needed


def pieces(content: bytes, side: Side) -> list[bytes]:
    """All pieces of a file in its order, but not what stands for unknown words or for control.

    Raises:
      ValueError: the file is none of the side's tokenizer, or holds no piece.
    """
    if side.tokenizer == WORDPIECE:
        return [piece.encode("utf-8") for piece in subwords.wordpieces(content)]
    if not content:
        raise ValueError("got an empty file, expected a sentencepiece model")
    try:
        model = sentencepiece.SentencePieceProcessor(model_proto=content)
    except RuntimeError:
        raise ValueError("got something else, expected a sentencepiece model") from None
    found = [
        model.id_to_piece(number).encode("utf-8")
        for number in range(model.get_piece_size())
        if not (model.is_unknown(number) or model.is_control(number))
    ]
    if not found:
        raise ValueError("the sentencepiece model holds no piece")
    return found


def check_given(path: str, side: Side) -> bytes:
    """The content of a file that the user gives.

    Raises:
      InputError: it cannot be read, or is no file of the side's tokenizer.
    """
    try:
        with tf.io.gfile.GFile(path, "rb") as file:
            content: bytes = file.read()
    except tf.errors.OpError as error:
        reason = error.message.split(";")[-1].strip()
        raise InputError(f"{path}: the {side.tokenizer} file cannot be read: {reason}") from None
    try:
        pieces(content, side)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: got the byte 0x{content[error.start]:02x} at {error.start}, expected a "
            f"{side.tokenizer} file: UTF-8 text, a piece on each line"
        ) from None
    except ValueError as error:
        raise InputError(f"{path}: not a {side.tokenizer} file: {error}") from None
    return content


def _learned_wordpiece(
    counted: list[tuple[str, int]], side: Side, size: int, markers: list[str]
) -> bytes:
    from tensorflow_text.tools.wordpiece_vocab import wordpiece_tokenizer_learner_lib as learner

    if size <= len(markers):
        raise _TooSmall({"marker": len(markers), "piece": 1})
    parts = _spelled(counted, max(1, size // 4))
    # A word is a piece where it is as frequent as the threshold: below this one there are too many.
    counts = sorted((count for _, count in parts), reverse=True)
    lowest = counts[size] if len(counts) > size else 1
    found = learner.learn(
        parts,
        size + 1,  # UNKNOWN is in the file, but no piece
        [subwords.UNKNOWN, *markers],
        lower_thresh=lowest,
        upper_thresh=100 * lowest,
        max_input_tokens=_MOST_WORDS,
        max_token_length=_LONGEST_PIECE,
        max_unique_chars=size,
        slack_ratio=_SLACK,
        joiner=subwords.JOINER,
    )
    # The search may end above the size. Characters come first, then frequent pieces before rare ones.
    return ("\n".join(found[: size + 1]) + "\n").encode("utf-8")


def _spelled(counted: list[tuple[str, int]], characters: int) -> list[tuple[str, int]]:
    """Words as the learner uses them whole: parts without rare characters, and not too long.

    Each character takes two pieces, with and without the joiner; there must be room for longer ones.
    """
    alphabet: Counter = Counter()
    for word, count in counted:
        alphabet.update(dict.fromkeys(word, count))
    frequent = sorted(alphabet, key=lambda each: (-alphabet[each], each))[:characters]
    common = re.compile(f"[{re.escape(''.join(frequent))}]{{1,{_LONGEST_PIECE}}}")
    parts: Counter = Counter()
    for word, count in counted:
        for part in common.findall(word):
            parts[part] += count
    return sorted(parts.items())


def _learned_sentencepiece(
    counted: list[tuple[str, int]], side: Side, size: int, markers: list[str]
) -> bytes:
    alphabet = len({character for word, _ in counted for character in word})
    all_fit = alphabet <= min(size // 4, size - _BYTES - len(markers))
    written = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=_lines(counted),
            model_writer=written,
            input_format="tsv",
            model_type="unigram",
            vocab_size=size + 1,  # the unknown piece is no token of ours
            hard_vocab_limit=False,
            character_coverage=1.0 if all_fit else _COVERAGE,
            byte_fallback=True,
            # Text is normalised before. No space is added in front: then a part of a text that
            # begins with a piece is cut as it was within the text.
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            add_dummy_prefix=False,
            user_defined_symbols=markers,
            unk_id=0,
            bos_id=-1,
            eos_id=-1,
            pad_id=-1,
            num_threads=1,  # the order of additions, and so the result, depends on it
            max_sentence_length=8 * _LONGEST_WORD,
            minloglevel=2,
        )
    except RuntimeError as error:
        # Which characters are needed only the library knows: "<size> vs <needed>", unknown included.
        found = re.search(r"required_chars\. \d+ vs (\d+)", str(error))
        if not found:
            reason = " ".join(str(error).split()).rpartition("] ")[2]  # without its source lines
            raise InputError(
                f"column {side.column!r}: no {side.tokenizer} pieces can be learned: {reason}"
            ) from None
        characters = int(found[1]) - 1 - _BYTES - len(markers)
        needed = {"byte": _BYTES, "marker": len(markers), "character": characters}
        raise _TooSmall(needed) from None
    return written.getvalue()


def _lines(counted: list[tuple[str, int]]) -> Iterator[str]:
    """A line for each word, or part of a long one: text, tab, count."""
    for word, count in counted:
        for start in range(0, len(word), _LONGEST_WORD):
            yield f"{word[start : start + _LONGEST_WORD]}\t{count}"


def _too_small(side: Side, size: int, reserved: int, needed: dict[str, int]) -> str:
    parts = [f"{count:,} {what}{'s' * (count > 1)}" for what, count in needed.items() if count]
    return (
        f"column {side.column!r}: got {size + reserved:,} ids (data.vocab_size), expected at least "
        f"{reserved + sum(needed.values()):,} for {side.tokenizer}: "
        f"{', '.join([f'{reserved:,} reserved', *parts])}"
    )
