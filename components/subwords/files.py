"""Where the subword files come from: an earlier run, else the user, else the training split."""

import hashlib
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import tensorflow as tf

from components import progress
from components.errors import InputError
from components.subwords import learning
from transform.settings import SUBWORDS, Settings, Side, subword_file
from transform.vocabulary import Vocabularies, Vocabulary


@dataclass(frozen=True)
class Subwords:
    """What cuts a side's text: the content of its file, and its pieces in the file's order."""

    content: bytes
    pieces: tuple[bytes, ...]


def unlearned(settings: Settings, base: Vocabularies | None) -> tuple[str, ...]:
    """The sides whose subwords no file gives."""
    return () if base else settings.unlearned


def subwords_of(
    settings: Settings,
    base: Vocabularies | None,
    words: Mapping[str, Counter],
    vocab_size: int,
) -> dict[str, Subwords]:
    """What cuts each side that is cut into subwords.

    Args:
      settings: the sides; `Side.subwords` is the user's file, if there is one.
      base: the vocabulary to extend: what cut its sides goes on cutting them.
      words: how often each word occurs in the training split, of the `unlearned` sides.
      vocab_size: most ids that a side may have.

    Raises:
      InputError: a file is no model of its kind, differs from that of earlier runs, or sides that
        share a vocabulary are cut by different files.
    """
    if settings.share_vocabulary and words:
        both = sum(words.values(), Counter())
        words = dict.fromkeys(words, both)
    found = {}
    learned = b""
    for name, side in _cut_sides(settings).items():
        given = learning.check_given(side.subwords, side) if side.subwords else b""
        if base:
            found[name] = _same(name, given, base[name].subwords)
        elif given:
            found[name] = given
        else:
            if not (learned and settings.share_vocabulary):  # sides that share have the same words
                learned = _learned(words.get(name, Counter()), side, settings, vocab_size)
            found[name] = learned
    if settings.share_vocabulary and len(set(found.values())) > 1:
        raise InputError(
            "transform.share_vocabulary: got different subwords for sources "
            f"({_short(found['source'])}) and targets ({_short(found['target'])}), expected the same"
        )
    return {
        name: Subwords(content, tuple(learning.pieces(content, settings.sides[name])))
        for name, content in found.items()
    }


def write(found: Mapping[str, Subwords], settings: Settings, folder: str) -> None:
    """Put the files where `Settings.with_subwords(folder)` expects them."""
    tf.io.gfile.makedirs(folder)
    for name, each in found.items():
        path = os.path.join(folder, subword_file(name, settings.sides[name]))
        with tf.io.gfile.GFile(path, "wb") as stream:
            stream.write(each.content)


def _cut_sides(settings: Settings) -> dict[str, Side]:
    return {name: side for name, side in settings.sides.items() if side.tokenizer in SUBWORDS}


def _same(name: str, given: bytes, earlier: bytes) -> bytes:
    if given and given != earlier:
        raise InputError(
            f"transform.{name}_subwords: got a file of hash {_short(given)}, expected that of earlier "
            f"runs, {_short(earlier)}: with other pieces no id would mean what it did; give the "
            "pipeline another name to start anew"
        )
    return earlier


def _learned(words: Counter, side: Side, settings: Settings, vocab_size: int) -> bytes:
    reserved = Vocabulary((), settings.special, settings.oov_buckets).size
    progress.update(f"learning {side.tokenizer} for {side.column!r} from {len(words):,} words")
    # A marker that were cut into pieces would start no region.
    markers = [marker for marker, _ in settings.regions]
    return learning.learn(words, side, vocab_size - reserved, markers, reserved=reserved)


def _short(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]
