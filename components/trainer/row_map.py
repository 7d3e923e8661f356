"""Which row of an older model each id of a grown vocabulary gets: matched by token, never by place."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from components.errors import InputError
from transform.vocabulary import Vocabulary

Array: TypeAlias = npt.NDArray[Any]
_NEW = -1
_ROLES = ("pad", "unk", "bos", "eos")


@dataclass(frozen=True)
class Rows:
    """Where the rows of one side come from.

    Attributes:
      sources: int64 [rows now], the row of the older model, or -1 for a new one.
      before: rows of the older model.
    """

    sources: npt.NDArray[np.int64]
    before: int

    def counts(self) -> dict[str, int]:
        """`kept` at their place, `moved` to another, `new`; `left_out`: older ones without a place."""
        known = self.sources != _NEW
        kept = int(np.sum(self.sources == np.arange(len(self.sources))))
        return {
            "kept": kept,
            "moved": int(known.sum()) - kept,
            "new": int((~known).sum()),
            "left_out": self.before - len(np.unique(self.sources[known])),
        }

    def remapped(self, values: Array, axis: int, *, zeros: bool = False) -> Array:
        """`values` with these rows along `axis`: old ones to the bit, new ones the mean of all old ones.

        Args:
          values: as many rows along `axis` as there were before.
          axis: which one counts ids.
          zeros: new rows are 0 instead, as an optimizer's slots are.
        """
        new = (self.sources == _NEW).reshape([-1 if i == axis else 1 for i in range(values.ndim)])
        mean = np.mean(values, axis=axis, keepdims=True, dtype=np.float64).astype(values.dtype)
        taken = np.take(values, np.maximum(self.sources, 0), axis=axis)
        return np.where(new, np.zeros_like(mean) if zeros else mean, taken)


def vocabulary_axis(path: str) -> tuple[str, int] | None:
    """(side, axis) of a variable with a row for each id, None of any other.

    Args:
      path: the variable's, as Keras names it.
    """
    if path.endswith("projection_kernel"):
        return "target", 1
    if path.endswith("projection_bias"):
        return "target", 0
    if path.endswith("character_embedding/embeddings"):
        return "characters", 0
    if path.endswith("token_embedding/embeddings"):
        return ("source" if "/encoder/" in path else "target"), 0
    return None


def match(side: str, old: Vocabulary, new: Vocabulary) -> Rows:
    """The rows of one side.

    Tokens are matched by themselves, the reserved ids by what they are for, further
    out-of-vocabulary ids by their number.

    Raises:
      InputError: `new` does not have all tokens of `old`: the two are unrelated.
    """
    place = {token: old.first_id + index for index, token in enumerate(old.tokens)}
    found = [place.get(token, _NEW) for token in new.tokens]
    shared = sum(source != _NEW for source in found)
    if shared < len(place) or old.identity != new.identity:
        raise InputError(
            f"vocabulary of the {side} side: got one that shares {shared:,} of the base model's "
            f"{len(place):,} tokens, expected all of them"
        )
    return Rows(np.array(_reserved(old, new) + found, np.int64), old.size)


def _reserved(old: Vocabulary, new: Vocabulary) -> list[int]:
    """The sources of the ids before the first token; a side of ids has none."""
    if new.identity:
        return []
    sources = [_NEW] * new.first_id
    for bucket in range(min(old.oov_buckets, new.oov_buckets) - 1):
        sources[new.special.reserved + bucket] = old.special.reserved + bucket
    for unused in range(min(old.special.reserved, new.special.reserved)):
        sources[unused] = unused
    for role in _ROLES:
        sources[getattr(new.special, role)] = getattr(old.special, role)
    return sources
