"""Blocks as one HTML page that holds everything itself: no script, no font, no image, no request."""

import re
from collections.abc import Iterable, Sequence

from pipeline.report.blocks import (
    Block,
    Bullets,
    Cell,
    Drawn,
    Fold,
    Heading,
    Note,
    Row,
    Section,
    Table,
    Text,
)
from pipeline.report.elements import Html, element, join
from pipeline.report.style import STYLE

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_MARKS = {"good": "✓ ", "bad": "✕ ", "warning": "! "}  # so that colour is not alone


def document(
    title: str, subtitle: str, head: Sequence[Block], sections: Sequence[Section], foot: str
) -> str:
    """The page.

    Args:
      title: what the run is of.
      subtitle: which run it is.
      head: comes before the list of sections.
      sections: those without blocks are left out.
      foot: the last line.
    """
    shown = [section for section in sections if section.blocks]
    return "<!doctype html>\n" + element(
        "html",
        _head(title),
        element(
            "body",
            element("header", element("h1", title), element("p", subtitle, class_="soft")),
            element("main", blocks(head), _contents(shown), map(_section, shown)),
            element("footer", foot),
        ),
        lang="en",
    )


def blocks(items: Iterable[Block]) -> Html:
    """The blocks one after another."""
    return join(map(_block, items))


def _head(title: str) -> Html:
    return element(
        "head",
        Html('<meta charset="utf-8">'),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'),
        element("title", f"{title} – tokenline report"),
        element("style", Html(STYLE)),
    )


def _contents(sections: Sequence[Section]) -> Html:
    links = [element("a", each.title, href=f"#{_anchor(each.title)}") for each in sections]
    return element("nav", links, aria_label="Sections") if len(links) > 1 else Html("")


def _section(section: Section) -> Html:
    place = _anchor(section.title)
    return element("section", element("h2", section.title), blocks(section.blocks), id=place)


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z]+", "-", title.lower()).strip("-")


def _block(block: Block) -> Html:
    match block:
        case Table():
            return _table(block)
        case Text(text, tone):
            return element("p", _MARKS.get(tone, ""), text, class_=tone)
        case Bullets(items):
            return element("ul", [element("li", item) for item in items])
        case Heading(text):
            return element("h3", text)
        case Drawn(html):
            return html
        case Fold(title, inside):
            return element("details", element("summary", title), blocks(inside))


def _table(found: Table) -> Html:
    """A table that scrolls by itself when it is wide."""
    names = [
        element("th", head, class_="" if index < found.text_columns else "number", scope="col")
        for index, head in enumerate(found.heads)
    ]
    head = element("thead", element("tr", names)) if names else Html("")
    body = element("tbody", [_row(each, found) for each in found.rows])
    return element("div", element("table", head, body, class_=found.look), class_="wide")


def _row(row: Row, found: Table) -> Html:
    if row.group:
        heading = element("th", row.cells[0].text, colspan=len(found.heads), scope="rowgroup")
        return element("tr", heading, class_="group")
    first = element("th", _cell(row.cells[0]), scope="row")
    rest = [
        element("td", _cell(cell), class_=_look(index, cell, found))
        for index, cell in enumerate(row.cells[1:], start=1)
    ]
    return element("tr", first, rest, class_=row.tone)


def _look(index: int, cell: Cell, found: Table) -> str:
    if index == found.drawn:
        return "drawing"
    kind = "" if index < found.text_columns else "number"
    return f"{kind} {cell.tone}".strip()


def _cell(cell: Cell) -> Html:
    text: str = element("code", cell.text) if cell.code else cell.text
    text = element("a", text, href=cell.link) if cell.link else text
    return join(cell.drawing, text, map(note, cell.notes))


def note(each: Note) -> Html:
    """A smaller line."""
    return element("span", each.text, class_=f"note {each.tone}") if each.text else Html("")
