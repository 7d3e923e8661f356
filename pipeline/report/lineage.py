"""What was made from what: spans → statistics → transform → model → blessing, as a chain."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.report.blocks import Block, Drawn, row, table
from pipeline.report.elements import Html, element, join
from pipeline.report.formats import count, moment, seconds

Json = Mapping[str, Any]

_DIGITS = 12  # of a hash


def lineage(nodes: Sequence[Json], ingest: Json) -> tuple[Block, ...]:
    """The data, then a link for each node that ran or whose result was taken from the cache."""
    if not nodes:
        return ()
    spans = _spans(ingest)
    first = element("li", element("strong", "Data"), element("span", spans, class_="note soft"))
    chain = element("ol", first if spans else "", map(_link, nodes), class_="chain")
    heads = ["component", "execution", "state", "made", "read", "wrote"]
    rows = [row(["Data", "", "", "", "", spans])] if spans else []
    rows += [
        row(
            [
                str(node.get("name", "")),
                _number(node.get("execution")),
                _state(node),
                _made(node),
                ", ".join(_named(each) for each in node.get("inputs") or ()),
                ", ".join(_written(each) for each in node.get("outputs") or ()),
            ]
        )
        for node in nodes
    ]
    return (Drawn(chain, table(heads, rows, text_columns=6)),)


def _spans(ingest: Json) -> str:
    """What there was to read: rows of each span; where there are no spans, of all files."""
    files = len(ingest.get("files") or ())
    if not files:
        return ""
    spans = ingest.get("spans") or {}
    rows = ", ".join(f"span {span}: {count(rows)} rows" for span, rows in spans.items())
    return f"{rows or count(ingest.get('rows')) + ' rows'}, in {files:,} file{'s' * (files > 1)}"


def _link(node: Json) -> Html:
    about = " · ".join(
        part for part in (_number(node.get("execution")), _state(node), _made(node)) if part
    )
    inputs = ", ".join(_named(each) for each in node.get("inputs") or ())
    return element(
        "li",
        element("strong", str(node.get("name", ""))),
        element("span", about, class_="note soft"),
        element("div", "← ", inputs, class_="reads") if inputs else "",
        element("ul", [_output(each) for each in node.get("outputs") or ()]),
        class_="cached" if node.get("cached") else "",
    )


def _output(each: Json) -> Html:
    name = str(each.get("name", ""))
    shown = element("a", name, href=each["link"]) if each.get("link") else Html(join(name))
    hashed = _hash(each)
    about = " ".join(part for part in (_number(each.get("id")), str(each.get("type", ""))) if part)
    code = element("code", hashed) if hashed else ""
    return element("li", shown, element("span", f" {about} ", class_="soft"), code)


def _written(each: Json) -> str:
    parts = (str(each.get("name", "")), _number(each.get("id")), _hash(each))
    return " ".join(part for part in parts if part)


def _named(each: Json) -> str:
    """An input: what it is, which one, and which run made it if it was another."""
    run = f"of run {each['run']}" if each.get("run") else ""
    parts = (str(each.get("name", "")), _number(each.get("id")), run)
    return " ".join(part for part in parts if part)


def _hash(each: Json) -> str:
    return str(each.get("hash") or "")[:_DIGITS]


def _number(value: object) -> str:
    return "" if value is None else f"#{value}"


def _state(node: Json) -> str:
    if not node.get("cached"):
        return "ran"
    return f"cached, of run {node['run']}" if node.get("run") else "cached"


def _made(node: Json) -> str:
    """When it ended, and how long it took."""
    started, ended = node.get("started"), node.get("ended")
    if not started or not ended:
        return ""
    return f"{moment(ended)}, {seconds((ended - started) / 1000)}"
