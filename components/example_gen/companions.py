"""Lists with a value for each token, such as token weights: cut where the tokens are cut.

On its way through a `WindowCutter` a piece has with it what its row says of its tokens, so a window of
pieces is a window of values too, whichever rows they are from. Pure Python.
"""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

from components.example_gen.columns import Kind, Values
from components.example_gen.sequences import Companion
from components.example_gen.windows import Piece


class Accompanied(NamedTuple):
    """A piece, its number of tokens, and by companion a value for each (None: the row has none)."""

    piece: Piece
    tokens: int
    values: tuple[Values | None, ...]


def accompany(
    pieces: Sequence[Piece], counts: Sequence[int], values: Sequence[Values | None]
) -> list[Accompanied]:
    """The pieces of a row with what belongs to them.

    Args:
      pieces: of a row, or what stands between two.
      counts: how many tokens each has.
      values: of each companion, one for each token of the row, or None.
    """
    ends = itertools.accumulate(counts)
    return [
        Accompanied(piece, count, tuple(v and v[end - count : end] for v in values))
        for piece, count, end in zip(pieces, counts, ends, strict=True)
    ]


def values_of(pieces: Sequence[Accompanied], position: int) -> Values | None:
    """What the companion at this position holds for the tokens of some pieces.

    Where some rows have no weights and others do, a token of the former weighs 1, as it would alone.

    Returns:
      One value for each token; None where no row has any.
    """
    found = [(piece.values[position], piece.tokens) for piece in pieces]
    if all(values is None for values, _ in found):
        return None
    filled: list[Any] = [[1.0] * count if values is None else values for values, count in found]
    return list(itertools.chain.from_iterable(filled))


def mismatch(values: Values | None, tokens: int, companion: Companion) -> str:
    """What is wrong with a companion of a row of so many tokens; "" if nothing is."""
    if values is None or len(values) == tokens:
        return ""
    what = "weights" if companion.column.kind is Kind.WEIGHT_LIST else "values"
    return (
        f"column {companion.column.name!r}: got {len(values)} {what} for {tokens} tokens, "
        "expected one for each"
    )
