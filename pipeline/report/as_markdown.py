"""Blocks as markdown that reads well in a terminal, in a log and where markdown is rendered.

What comes from data is made harmless: no control character reaches a terminal, no image or element
a renderer.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from pipeline.report.blocks import (
    Block,
    Bullets,
    Cell,
    Drawn,
    Fold,
    Heading,
    Row,
    Section,
    Table,
    Text,
)

_MARKS = {"warning": "**!** "}


def document(
    title: str, subtitle: str, head: Sequence[Block], sections: Sequence[Section], foot: str
) -> str:
    """The whole text; the arguments are those of `as_html.document`."""
    parts = [f"# {plain(title)}", plain(subtitle), *blocks(head)]
    for section in sections:
        if section.blocks:
            parts += [f"## {plain(section.title)}", *blocks(section.blocks)]
    parts += ["---", plain(foot)]
    return "\n\n".join(part for part in parts if part) + "\n"


def blocks(items: Iterable[Block]) -> list[str]:
    """A text for each block."""
    return [text for item in items for text in _block(item)]


def plain(text: str) -> str:
    """Text that means itself: one line, escaped, what cannot be printed as a middle dot."""
    line = "".join(
        " " if each in "\n\r\t" else each if each.isprintable() else "·" for each in text
    )
    line = re.sub(r"[\\`*\[\]|]", r"\\\g<0>", line.strip())
    line = re.sub(r"&(?=[#A-Za-z])|<(?=[A-Za-z/!?])", r"\\\g<0>", line)
    return re.sub(r"^(\d*)([#>+-]|(?<=\d)[.)])(?=\s|#|$)", r"\1\\\2", line)


def _block(block: Block) -> list[str]:
    match block:
        case Table():
            return [_table(block)]
        case Text(text, tone):
            return [_MARKS.get(tone, "") + plain(text)]
        case Bullets(items):
            return ["\n".join(f"- {plain(item)}" for item in items)]
        case Heading(text):
            return [f"### {plain(text)}"]
        case Drawn(_, inside):
            return blocks(inside)
        case Fold(title, inside):
            return [f"### {plain(title)}", *blocks(inside)]


def _table(found: Table) -> str:
    """Columns of even width, as a terminal shows them."""
    shown = [index for index in range(_columns(found)) if index != found.drawn]
    heads = [*map(plain, found.heads)] or [""] * _columns(found)
    rows = (_cells(each, len(heads)) for each in found.rows)
    lines = [heads, *(cells for cells in rows if any(cells))]  # a row of drawings alone is none
    lines = [[line[index] for index in shown] for line in lines]
    widths = [max(3, *(_width(line[place]) for line in lines)) for place in range(len(shown))]
    right = [index >= found.text_columns for index in shown]
    rule = [
        "-" * (width - 1) + (":" if is_right else "-")
        for width, is_right in zip(widths, right, strict=True)
    ]
    texts = [_line(line, widths, right) for line in lines]
    return "\n".join([texts[0], _line(rule, widths, right), *texts[1:]])


def _columns(found: Table) -> int:
    return len(found.heads) or max(len(row.cells) for row in found.rows)


def _cells(row: Row, columns: int) -> list[str]:
    cells = [_cell(cell) for cell in row.cells]
    return cells + [""] * (columns - len(cells))


def _cell(cell: Cell) -> str:
    """The value, and its notes in parentheses."""
    said = "; ".join(plain(note.text) for note in cell.notes if note.text)
    return plain(cell.text) + (f" ({said})" if said else "")


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = []
    for cell, width, is_right in zip(cells, widths, right, strict=True):
        space = " " * (width - _width(cell))
        padded.append(space + cell if is_right else cell + space)
    return f"| {' | '.join(padded)} |"


def _width(text: str) -> int:
    """Columns of a terminal: wide characters take two, marks that combine none."""
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1
        for each in text
    )
