"""Cutting a document into windows. Pure Python.

A document comes as pieces in order, each with its number of tokens: a token is a piece, or a word is
where tokens are parts of words, since a text can only be cut where tokenising the halves gives what
tokenising the whole gave.

Example, room 4, stride 3, each letter a piece of one token (the context is in brackets):

    a b c d e f g h  ->  a b c d,  (d) e f g,  (g) h
"""

import bisect
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Piece = Any  # text, or an id


class PieceTooLong(ValueError):
    """A piece has more tokens than a window holds."""

    def __init__(self, piece: Piece, tokens: int, owner: Any) -> None:
        """Take the piece, its number of tokens and its owner."""
        super().__init__(f"{piece!r}: {tokens} tokens")
        self.piece, self.tokens, self.owner = piece, tokens, owner


@dataclass(frozen=True, slots=True)
class Window:
    """Some neighbouring pieces of a document.

    Attributes:
      context: how many of the first tokens were scored in an earlier window.
      continues: the document goes on after this window.
      owner: of the first piece that is not context (of the last piece, where there is none).
    """

    pieces: Sequence[Piece]
    context: int
    continues: bool
    owner: Any


class WindowCutter:
    """Cuts one document, however long, holding little more than what was last added.

    A window holds as many pieces as fit. The next one starts `stride` tokens after it, or at the
    nearest piece before; later only where the pieces are so long that there would be no progress.
    """

    def __init__(self, *, room: int, stride: int) -> None:
        """Take the tokens that fit into a window, and those from one start to the next."""
        self._room, self._stride = room, stride
        self._pieces: list[Piece] = []
        self._ends: list[int] = []  # tokens of the document up to the end of each piece
        self._owners: list[Any] = []
        self._first = 0  # the piece that the next window starts with
        self._dropped = 0  # tokens of the document before the pieces that are held
        self._scored = 0  # tokens of the document that are in a window by now

    def add(self, pieces: Sequence[Piece], counts: Sequence[int], owner: Any) -> Iterator[Window]:
        """Append pieces with their numbers of tokens; yield the windows that are full by now.

        Raises:
          PieceTooLong: a piece does not fit into a window.
        """
        end = self._ends[-1] if self._ends else self._dropped
        self._pieces += pieces
        self._ends += itertools.islice(itertools.accumulate(counts, initial=end), 1, None)
        self._owners += [owner] * len(pieces)
        while self._overflows():
            self._shorten_context()
            # The context may have been all that was too much.
            if self._overflows():
                yield self._full_window()
        self._forget()

    def finish(self) -> Iterator[Window]:
        """End the document; yield its last window."""
        if self._ends and self._ends[-1] > self._scored:
            yield self._window(len(self._pieces), continues=False)

    def _overflows(self) -> bool:
        return bool(self._ends) and self._ends[-1] - self._before(self._first) > self._room

    def _shorten_context(self) -> None:
        """Keep no more context than leaves room for the next piece."""
        unscored = bisect.bisect_right(self._ends, self._scored)
        while self._ends[unscored] - self._before(self._first) > self._room:
            if self._first == unscored:
                tokens = self._ends[unscored] - self._before(unscored)
                raise PieceTooLong(self._pieces[unscored], tokens, self._owners[unscored])
            self._first += 1

    def _full_window(self) -> Window:
        start = self._before(self._first)
        end = bisect.bisect_right(self._ends, start + self._room)
        window = self._window(end, continues=True)
        self._scored = self._ends[end - 1]
        # Where even the first piece is longer than the stride, progress comes first.
        next_start = bisect.bisect_right(self._ends, start + self._stride)
        self._first = max(next_start, self._first + 1)
        return window

    def _window(self, end: int, *, continues: bool) -> Window:
        unscored = bisect.bisect_right(self._ends, self._scored)
        return Window(
            pieces=self._pieces[self._first : end],
            context=max(0, self._scored - self._before(self._first)),
            continues=continues,
            owner=self._owners[unscored],
        )

    def _before(self, piece: int) -> int:
        """Tokens of the document before a piece."""
        return self._ends[piece - 1] if piece else self._dropped

    def _forget(self) -> None:
        self._dropped = self._before(self._first)
        del self._pieces[: self._first], self._ends[: self._first], self._owners[: self._first]
        self._first = 0
