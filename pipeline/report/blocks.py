"""What a report is made of, before it is HTML or markdown: both are written from the same blocks.

So a number is formatted once, and the two cannot say different things. `tone` is one of "", "soft",
"good", "bad", "warning"; colour is never all that tells them apart.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pipeline.report.elements import Html

_NONE = Html("")


@dataclass(frozen=True)
class Note:
    """A smaller line below a cell's value."""

    text: str
    tone: str = "soft"


@dataclass(frozen=True)
class Cell:
    """One cell of a table; `drawing` and `link` are seen in HTML only."""

    text: str
    notes: tuple[Note, ...] = ()
    tone: str = ""
    drawing: Html = _NONE
    link: str = ""
    code: bool = False


@dataclass(frozen=True)
class Row:
    """The first cell names the row. A group is a heading above the rows after it."""

    cells: tuple[Cell, ...]
    tone: str = ""
    group: bool = False


@dataclass(frozen=True)
class Table:
    """A table; its first `text_columns` columns are text, the others numbers.

    Attributes:
      heads: empty where the rows are pairs of name and value.
      look: a class of the style sheet, for HTML.
      drawn: index of the column that holds drawings alone, which markdown leaves out; -1: none.
    """

    heads: tuple[str, ...]
    rows: tuple[Row, ...]
    text_columns: int = 1
    look: str = ""
    drawn: int = -1


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    tone: str = ""


@dataclass(frozen=True)
class Bullets:
    """A list of lines."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Heading:
    """Of a part of a section."""

    text: str


@dataclass(frozen=True)
class Drawn:
    """What HTML shows in a way of its own, and markdown in blocks that say the same."""

    html: Html
    plain: tuple["Block", ...] = ()


@dataclass(frozen=True)
class Fold:
    """Folded away until it is asked for; markdown shows it."""

    title: str
    blocks: tuple["Block", ...]


Block: TypeAlias = Table | Text | Bullets | Heading | Drawn | Fold


@dataclass(frozen=True)
class Section:
    """A titled part of the report; without blocks it is left out."""

    title: str
    blocks: tuple[Block, ...]


def row(cells: Iterable[str | Cell], *, tone: str = "", group: bool = False) -> Row:
    """A row of cells, of which plain ones are their text."""
    made = (cell if isinstance(cell, Cell) else Cell(cell) for cell in cells)
    return Row(tuple(made), tone, group)


def table(
    heads: Sequence[str],
    rows: Iterable[Row],
    *,
    text_columns: int = 1,
    look: str = "",
    drawn: int = -1,
) -> tuple[Block, ...]:
    """A table, or nothing where it would have no rows."""
    found = tuple(rows)
    return (Table(tuple(heads), found, text_columns, look, drawn),) if found else ()


def pairs(values: Iterable[tuple[str, str | Cell]]) -> tuple[Block, ...]:
    """A table of names and what they stand for."""
    return table((), [row(pair) for pair in values], text_columns=2, look="pairs")


def bullets(items: Iterable[object]) -> tuple[Block, ...]:
    """A list, or nothing where it would be empty."""
    found = tuple(map(str, items))
    return (Bullets(found),) if found else ()


def soft(text: str) -> tuple[Block, ...]:
    """A remark, or nothing."""
    return (Text(text, "soft"),) if text else ()
