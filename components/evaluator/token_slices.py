"""Which slices a token belongs to: its position, how often training saw it, its class.

A model's ids mean what its own vocabulary says, so the candidate's decide for the baseline's tokens
too, one by one: the n-th token with weight of an example is the same token to both, or there is no
comparison.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from components.errors import InputError
from components.evaluator import slicing
from components.evaluator.exact import Ints
from transform.vocabulary import Vocabulary

_RESERVED = ("pad", "unk", "bos", "eos")

_LABELS = {
    slicing.TOKEN_POSITION: slicing.POSITION_LABELS,
    slicing.TOKEN_FREQUENCY: slicing.FREQUENCY_LABELS,
    slicing.TOKEN_UNKNOWN: slicing.KNOWN_LABELS,
    slicing.TOKEN_REGION: slicing.REGION_LABELS,
}


def token_texts(vocabulary: Vocabulary) -> list[str]:
    """The text of each id: `<eos>` and the like for reserved ones."""
    texts = ["<unk>"] * vocabulary.first_id
    for name in _RESERVED:
        if (number := getattr(vocabulary.special, name)) < len(texts):
            texts[number] = f"<{name}>"
    return texts + [token.decode("utf-8", "backslashreplace") for token in vocabulary.tokens]


@dataclasses.dataclass(frozen=True)
class TokenSlices:
    """The token columns asked for, and what is needed to tell a token's value.

    Attributes:
      columns: of `slicing.TOKEN_COLUMNS`.
      frequencies: by id, the place in `slicing.FREQUENCY_LABELS`.
      unknown: by id, whether it stands for tokens that are not in the vocabulary.
      texts: by id.
    """

    columns: tuple[str, ...]
    frequencies: Ints
    unknown: npt.NDArray[np.bool_]
    texts: tuple[str, ...]

    def codes(self, positions: Ints, ids: Ints, regions: Ints) -> dict[str, Ints]:
        """By column, the slice value of each of N tokens as a number, see `label`.

        Args:
          positions: [N], from 0.
          ids: [N], of the candidate's targets.
          regions: [N], as `score` gives them.

        Raises:
          InputError: an id is none of the vocabulary's.
        """
        largest, known = int(ids.max(initial=0)), len(self.texts)
        if largest >= known > 0:
            raise InputError(
                f"slices: got the target id {largest}, expected one of the {known} of the vocabulary"
            )
        found: dict[str, Ints] = {}
        for column in self.columns:
            if column == slicing.TOKEN_POSITION:
                found[column] = np.searchsorted(slicing.POSITION_LIMITS, positions + 1)
            elif column == slicing.TOKEN_FREQUENCY:
                found[column] = self.frequencies[ids]
            elif column == slicing.TOKEN_UNKNOWN:
                found[column] = self.unknown[ids].astype(np.int64)
            else:
                found[column] = regions if column == slicing.TOKEN_REGION else ids
        return found

    def label(self, column: str, code: int) -> str:
        """The slice value that a number of `codes` stands for."""
        labels = _LABELS.get(column, self.texts)
        return labels[code] if code < len(labels) else f"region {code}"


def make_token_slices(columns: Sequence[str], vocabulary: Vocabulary | None) -> TokenSlices:
    """The token columns among slice columns.

    Raises:
      InputError: one of them needs a vocabulary, or its counts, and there is none.
    """
    wanted = tuple(column for column in columns if column in slicing.TOKEN_COLUMNS)
    free = (slicing.TOKEN_POSITION, slicing.TOKEN_REGION)
    if vocabulary is None:
        if bound := [column for column in wanted if column not in free]:
            raise InputError(f"slices: {bound[0]!r} needs a vocabulary, got none")
        nothing: Ints = np.zeros(0, np.int64)
        return TokenSlices(wanted, nothing, nothing.astype(bool), ())
    if slicing.TOKEN_FREQUENCY in wanted and not vocabulary.counts:
        text = "needs a vocabulary with counts (target.counts.json), got one without"
        raise InputError(f"slices: {slicing.TOKEN_FREQUENCY!r} {text}")
    unknown = np.asarray(vocabulary.is_unknown(np.arange(vocabulary.size, dtype=np.int64)))
    counts: Ints = np.array(vocabulary.counts or [0] * vocabulary.size, np.int64)
    frequencies = np.searchsorted(slicing.FREQUENCY_LIMITS, counts)
    last = len(slicing.FREQUENCY_LABELS) - 1
    return TokenSlices(
        wanted, np.where(unknown, last, frequencies), unknown, tuple(token_texts(vocabulary))
    )
