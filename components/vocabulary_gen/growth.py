"""How a vocabulary grows: old tokens keep their ids, frequent new ones come after them."""

from collections import Counter

from transform.settings import Settings
from transform.vocabulary import Vocabularies, Vocabulary


def grow(
    counts: dict[str, Counter],
    settings: Settings,
    *,
    vocab_size: int,
    min_frequency: int,
    base: Vocabularies | None,
) -> Vocabularies:
    """The vocabularies of a run.

    Args:
      counts: how often each token occurs in the training split, by side (and `characters`).
      settings: reserved ids, out-of-vocabulary buckets, whether the sides share.
      vocab_size: most ids a side may have, reserved ones included.
      min_frequency: fewer occurrences leave a new token out of the vocabulary.
      base: what earlier runs made; its tokens are kept, in order, even when they are not in the data.

    Raises:
      ValueError: `base` was made with another meaning of tokens or ids.
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
        old = base[name].tokens if base else ()
        room = vocab_size - Vocabulary(old, settings.special, settings.oov_buckets).size
        new = _admitted(found, known=set(old), min_frequency=min_frequency)[: max(0, room)]
        sides[name] = Vocabulary((*old, *new), settings.special, settings.oov_buckets)
    return Vocabularies(sides, settings.token_identity())


def _admitted(found: Counter, *, known: set[bytes], min_frequency: int) -> list[bytes]:
    """New tokens, most frequent first; ties in byte order, so that the result depends on counts only."""
    fresh = [
        (token, count)
        for token, count in found.items()
        if count >= min_frequency and token not in known
    ]
    return [token for token, _ in sorted(fresh, key=lambda pair: (-pair[1], pair[0]))]
