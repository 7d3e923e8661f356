"""The report's account of tokens: where those of each split went, and what they weigh."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.report_html import Html, count, element, join, number, row, table

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
_NOTE = (
    "Targets: tokens read = trained + weight 0 + cut off + left out, to the token; bos and eos count. "
    "Sources are not trained on. Unknown tokens are counted before cutting."
)


def ledger_tables(ledger: Json) -> Html:
    """VocabularyGen's ledger.json by split; the same by span if there are several; weights."""
    by_split = [
        ((split, side), counts)
        for split, sides in _mappings(ledger.get("splits"))
        for side, counts in _mappings(sides)
    ]
    by_span = [
        ((split, span, side), counts)
        for split, spans in _mappings(ledger.get("spans"))
        if len(spans) > 1
        for span, sides in _mappings(spans)
        for side, counts in _mappings(sides)
    ]
    if not by_split:
        return Html("")
    notes = element("p", _NOTE, class_="soft")
    parts = [_table(["split", "side"], by_split), notes, *_dropped(by_split), *_shared(ledger)]
    if by_span:
        parts += [element("h3", "By span"), _table(["split", "span", "side"], by_span)]
    return join(*parts, _weights(ledger.get("weights")))


def _mappings(values: Any) -> list[tuple[str, Json]]:
    """The entries that hold something to go on with."""
    found = values.items() if isinstance(values, Mapping) else ()
    return [(str(name), value) for name, value in found if isinstance(value, Mapping)]


def _table(keys: list[str], rows: Rows) -> Html:
    names = [
        name for name in _COLUMNS if name in _ALWAYS or any(counts.get(name) for _, counts in rows)
    ]
    lines = [
        row([*labels, *(count(counts.get(name)) for name in names)], text_columns=len(keys))
        for labels, counts in rows
    ]
    return table([*keys, *(_COLUMNS[name] for name in names)], lines, text_columns=len(keys))


def _dropped(rows: Rows) -> Iterator[Html]:
    """Why tokens were left out."""
    for labels, counts in rows:
        for reason, tokens in (counts.get("dropped_by") or {}).items():
            text = f"{', '.join(labels)}: {count(tokens)} tokens left out, "
            yield element("p", text + str(reason).replace("_", " "))


def _shared(ledger: Json) -> Iterator[Html]:
    """Rows that should not be where they are."""
    checks = dict(_mappings(ledger)).get("checks", {})
    for split, found in _mappings(checks.get("duplicates")):
        if found.get("in_train"):
            text = f"{count(found['in_train'])} of {count(found.get('rows'))} {split} rows are in "
            yield element("p", f"{text}the training split too.", class_="warning")


def _weights(weights: Any) -> Html:
    """What each factor does to the weights; nothing where there is no factor."""
    rows = _mappings(weights)
    names = list(dict.fromkeys(name for _, each in rows for name in each.get("factors") or ()))
    if not names:
        return Html("")
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
    note = element(
        "p", "Means over the trained positions, before inverse_frequency.", class_="soft"
    )
    return join(element("h3", "Weights"), table(heads, lines), note)
