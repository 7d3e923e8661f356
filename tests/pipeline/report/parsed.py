"""A page as a reader's program sees it."""

import html.parser

VOID = {"meta"}


class Page(html.parser.HTMLParser):
    """Checks that tags nest; collects tags, the text (no style, no figure), and the tables."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open or "svg" in self.open:
            return
        self.text.append(data)
        if "td" in self.open or "th" in self.open:
            self.tables[-1][-1][-1] += f" {data}"

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())

    @property
    def attributes(self) -> list[tuple[str, str]]:
        return [(name, value or "") for _, given in self.tags for name, value in given.items()]
