"""HTML elements that escape what they are given."""

import html
from collections.abc import Iterable


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
