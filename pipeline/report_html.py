"""HTML elements that escape what they are given, and numbers as a reader wants them."""

import html
import math
from collections.abc import Iterable, Sequence
from typing import TypeGuard

NOTHING = "–"


class Html(str):
    """Markup that is ready; any other text is escaped where it is put in."""

    __slots__ = ()


Child = str | Iterable[str]


def element(name: str, *children: Child, **attributes: object) -> Html:
    """`<name attributes>children</name>`; `class_` and `aria_label` become class and aria-label."""
    given = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items()}
    text = "".join(f' {key}="{html.escape(str(value))}"' for key, value in given.items() if value)
    return Html(f"<{name}{text}>{join(*children)}</{name}>")


def join(*children: Child) -> Html:
    """The children one after another, escaped where they are not Html."""
    parts: list[str] = []
    for child in children:
        items: Iterable[str] = [child] if isinstance(child, str) else child
        parts += (item if isinstance(item, Html) else html.escape(item) for item in items)
    return Html("".join(parts))


def table(heads: Sequence[str], rows: Iterable[Html], *, text_columns: int = 1) -> Html:
    """A table that scrolls by itself when it is wide; all but the first columns are numbers."""
    cells = [
        element("th", head, class_="" if index < text_columns else "number", scope="col")
        for index, head in enumerate(heads)
    ]
    head = element("thead", element("tr", cells))
    return element("div", element("table", head, element("tbody", rows)), class_="wide")


def row(cells: Sequence[str], *, text_columns: int = 1, class_: str = "") -> Html:
    """A table row; the first cell names it."""
    first = element("th", cells[0], scope="row")
    rest = [
        element("td", cell, class_="" if index < text_columns else "number")
        for index, cell in enumerate(cells[1:], start=1)
    ]
    return element("tr", first, rest, class_=class_)


def number(value: object, *, sign: bool = False) -> str:
    """A measured value with four significant digits."""
    if not is_finite(value):
        return NOTHING
    size = abs(float(value))
    plus = "+" if sign else ""
    if size == 0:
        text = "0"
    elif size < 1e-4:
        text = f"{value:{plus}.2e}"
    elif size < 1e4:
        text = f"{value:{plus}.{max(0, 3 - math.floor(math.log10(size)))}f}"
    else:
        text = f"{value:{plus},.0f}"
    return text.replace("-", "−") if size else text


def percent(value: object, *, sign: bool = False) -> str:
    """A share as a percentage; a share just below 1 does not round up to 100 %."""
    if not is_finite(value):
        return NOTHING
    share = 100 * float(value)
    if 99.995 <= share < 100:
        share = 99.99
    return f"{share:{'+' if sign else ''}.2f}".replace("-", "−") + " %"


def count(value: object) -> str:
    """A whole number with thousands marked; other text as it is."""
    if not is_finite(value):
        return NOTHING if value is None or isinstance(value, float) else str(value)
    return f"{round(float(value)):,}"


def size(value: object) -> str:
    """Bytes in a unit that suits them."""
    if not is_finite(value):
        return NOTHING
    left = float(value)
    for unit in ("B", "kB", "MB"):
        if left < 1000:
            return f"{left:.0f} {unit}" if unit == "B" else f"{left:.1f} {unit}"
        left /= 1000
    return f"{left:.1f} GB"


def seconds(value: object) -> str:
    """A duration."""
    if not is_finite(value):
        return NOTHING
    whole = float(value)
    if whole < 60:
        return f"{whole:.1f} s"
    minutes, rest = divmod(round(whole), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def is_finite(value: object) -> TypeGuard[float]:
    """Whether this is a number that can be shown."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
