"""The account of tokens: where those of each split went, and what they weigh."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.report.blocks import Block, Bullets, Drawn, Heading, Text, row, soft, table
from pipeline.report.elements import Html, element
from pipeline.report.formats import count, is_finite, number, share

Json = Mapping[str, Any]
Labels = tuple[str, ...]
Rows = Sequence[tuple[Labels, Json]]

_ALWAYS = {
    "sequences": "sequences",
    "tokens_read": "tokens read",
    "trained": "trained",
    "zero_weight": "weight 0",
    "truncated": "cut off",
    "out_of_vocabulary": "unknown",
}
_IF_ANY = {"context": "of it context", "dropped": "left out"}
_COLUMNS = {
    name: (_ALWAYS | _IF_ANY)[name]
    for name in (*list(_ALWAYS)[:4], "context", "truncated", "dropped", "out_of_vocabulary")
}
_FATES = ("trained", "zero_weight", "truncated", "dropped")  # what becomes of a token that is read
_NOTE = (
    "Targets: tokens read = trained + weight 0 + cut off + left out, to the token; bos and eos count. "
    "Sources are not trained on. Unknown tokens are counted before cutting."
)


def ledger(found: Json) -> tuple[Block, ...]:
    """VocabularyGen's ledger.json by split; the same by span if there are several; weights."""
    by_split = [
        ((split, side), counts)
        for split, sides in _mappings(found.get("splits"))
        for side, counts in _mappings(sides)
    ]
    by_span = [
        ((split, span, side), counts)
        for split, spans in _mappings(found.get("spans"))
        if len(spans) > 1
        for span, sides in _mappings(spans)
        for side, counts in _mappings(sides)
    ]
    if not by_split:
        return ()
    parts = [*_fates(by_split), *_table(["split", "side"], by_split), *soft(_NOTE)]
    parts += [*_dropped(by_split), *_shared(found)]
    if by_span:
        parts += [Heading("By span"), *_table(["split", "span", "side"], by_span)]
    return (*parts, *_weights(found.get("weights")))


def _mappings(values: Any) -> list[tuple[str, Json]]:
    """The entries that hold something to go on with."""
    found = values.items() if isinstance(values, Mapping) else ()
    return [(str(name), value) for name, value in found if isinstance(value, Mapping)]


def _fates(rows: Rows) -> tuple[Block, ...]:
    """A bar of what became of the tokens of each split's targets."""
    bars = [bar for labels, counts in rows if (bar := _bar(labels, counts))]
    if not bars:
        return ()
    drawn = element("div", [html for html, _ in bars], class_="fates")
    return (Drawn(drawn, (Bullets(tuple(said for _, said in bars)),)),)


def _bar(labels: Labels, counts: Json) -> tuple[Html, str] | None:
    total = counts.get("tokens_read")
    known = {name: counts.get(name) for name in _FATES}
    parts = {name: value for name, value in known.items() if is_finite(value) and value}
    if labels[-1] != "target" or not is_finite(total) or not total or not parts:
        return None
    pieces = [
        element("i", class_=name.replace("_", "-"), style=f"width:{100 * value / total:.2f}%")
        for name, value in parts.items()
    ]
    shares = ", ".join(f"{_COLUMNS[name]} {share(value / total)}" for name, value in parts.items())
    said = f"{', '.join(labels[:-1])}: {shares}"
    return element("div", element("span", said), element("div", pieces, class_="stack")), said


def _table(keys: list[str], rows: Rows) -> tuple[Block, ...]:
    names = [
        name for name in _COLUMNS if name in _ALWAYS or any(counts.get(name) for _, counts in rows)
    ]
    lines = [
        row([*labels, *(count(counts.get(name)) for name in names)]) for labels, counts in rows
    ]
    heads = [*keys, *(_COLUMNS[name] for name in names)]
    return table(heads, lines, text_columns=len(keys))


def _dropped(rows: Rows) -> Iterator[Block]:
    """Why tokens were left out."""
    for labels, counts in rows:
        for reason, tokens in (counts.get("dropped_by") or {}).items():
            text = f"{', '.join(labels)}: {count(tokens)} tokens left out, "
            yield Text(text + str(reason).replace("_", " "))


def _shared(found: Json) -> Iterator[Block]:
    """Rows that should not be where they are."""
    checks = dict(_mappings(found)).get("checks", {})
    for split, counts in _mappings(checks.get("duplicates")):
        if counts.get("in_train"):
            text = (
                f"{count(counts['in_train'])} of {count(counts.get('rows'))} {split} rows are in "
            )
            yield Text(f"{text}the training split too.", "warning")


def _weights(weights: Any) -> tuple[Block, ...]:
    """What each factor does to the weights; nothing where there is no factor."""
    rows = _mappings(weights)
    names = list(dict.fromkeys(name for _, each in rows for name in each.get("factors") or ()))
    if not names:
        return ()
    lines = [
        row(
            [
                split,
                number(each.get("sum")),
                number(each.get("mean")),
                *(number((each.get("factors") or {}).get(name)) for name in names),
            ]
        )
        for split, each in rows
    ]
    heads = ["split", "Σ w", "mean w", *(name.replace("_", " ") for name in names)]
    said = soft("Means over the trained positions, before inverse_frequency.")
    return (Heading("Weights"), *table(heads, lines), *said)
