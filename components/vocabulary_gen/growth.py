"""How a vocabulary grows: old tokens keep their ids, frequent new ones come after them."""

import dataclasses
from collections import Counter
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.errors import InputError
from components.subwords.files import Subwords
from transform.settings import ID_LIST, SUBWORDS, Settings, subword_file
from transform.vocabulary import Vocabularies, Vocabulary


def grow(
    counts: dict[str, Counter],
    settings: Settings,
    *,
    vocab_size: int,
    min_frequency: int,
    base: Vocabularies | None,
    subwords: Mapping[str, Subwords] | None = None,
) -> Vocabularies:
    """The vocabularies of a run.

    Args:
      counts: how often each token occurs in the training split, by side (and `characters`).
      settings: reserved ids, out-of-vocabulary buckets, whether the sides share.
      vocab_size: most ids a side may have, reserved ones included; of a side of ids, exactly.
      min_frequency: fewer occurrences leave a new token out of the vocabulary.
      base: what earlier runs made; its tokens are kept, in order, even when they are not in the data.
      subwords: of the sides that are cut into pieces; all pieces are tokens, seen or not.

    Raises:
      ValueError: `base` was made with another meaning of tokens or ids.
      InputError: the pieces, or the reserved ids of a side of ids, do not fit into `vocab_size`; a
        side of ids has another size than in `base`.
    """
    if base and base.token_identity != settings.token_identity():
        raise ValueError(
            f"the vocabulary to extend was made with {base.token_identity}, got {settings.token_identity()}: "
            "its ids mean something else"
        )
    if settings.share_vocabulary:
        both = counts["source"] + counts["target"]
        counts = {**counts, "source": both, "target": both}
    sides = {}
    for name, found in counts.items():
        old = base[name] if base else None
        side = settings.sides.get(name)  # None: the characters
        if side and side.tokenizer in SUBWORDS:
            sides[name] = _of_pieces(name, settings, (subwords or {})[name], vocab_size)
        elif side and side.tokenizer == ID_LIST:
            sides[name] = _of_ids(name, settings, vocab_size, old)
        else:
            tokens = old.tokens if old else ()
            room = vocab_size - Vocabulary(tokens, settings.special, settings.oov_buckets).size
            new = _admitted(found, known=set(tokens), min_frequency=min_frequency)[: max(0, room)]
            sides[name] = Vocabulary((*tokens, *new), settings.special, settings.oov_buckets)
    return Vocabularies(sides, settings.token_identity())


def with_counts(
    vocabularies: Vocabularies, counts: dict[str, Counter], ends: Mapping[str, int]
) -> Vocabularies:
    """The same vocabularies, with how often each id occurs in the training split.

    Args:
      vocabularies: made by `grow`.
      counts: as `grow` takes them; unknown tokens count under the ids that they get.
      ends: how many eos each side has.
    """
    sides = {
        name: dataclasses.replace(side, counts=_by_id(side, counts[name], ends.get(name, 0)))
        for name, side in vocabularies.sides.items()
    }
    return dataclasses.replace(vocabularies, sides=sides)


def _by_id(side: Vocabulary, found: Counter, ends: int) -> tuple[int, ...]:
    totals: npt.NDArray[np.int64] = np.zeros(side.size, np.int64)
    if found:
        tokens = tf.RaggedTensor.from_row_lengths(tf.constant(list(found)), [len(found)])
        ids = side.ids(tokens, side.token_table()).flat_values.numpy()
        np.add.at(totals, ids, np.fromiter(found.values(), np.int64, len(found)))
    totals[side.special.eos] += ends
    return tuple(totals.tolist())


def _admitted(found: Counter, *, known: set[bytes], min_frequency: int) -> list[bytes]:
    """New tokens, most frequent first; ties in byte order, so that the result depends on counts only."""
    fresh = [
        (token, count)
        for token, count in found.items()
        if count >= min_frequency and token not in known
    ]
    return [token for token, _ in sorted(fresh, key=lambda pair: (-pair[1], pair[0]))]


def _of_pieces(name: str, settings: Settings, found: Subwords, vocab_size: int) -> Vocabulary:
    made = Vocabulary(
        found.pieces,
        settings.special,
        settings.oov_buckets,
        subword_file=subword_file(name, settings.sides[name]),
        subwords=found.content,
    )
    if made.size > vocab_size:
        raise InputError(
            f"transform.{name}_subwords: got {len(found.pieces):,} pieces, {made.size:,} ids with the "
            f"reserved ones, expected at most {vocab_size:,} (data.vocab_size)"
        )
    return made


def _of_ids(name: str, settings: Settings, vocab_size: int, base: Vocabulary | None) -> Vocabulary:
    if base and base.size != vocab_size:
        raise InputError(
            f"data.vocab_size: got {vocab_size:,}, expected {base.size:,} as in earlier runs: the ids "
            f"of the {name} column are the user's own"
        )
    try:
        return Vocabulary.of_ids(vocab_size, settings.special)
    except ValueError as error:
        raise InputError(str(error)) from None
