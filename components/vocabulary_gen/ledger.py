"""The token ledger: where every token that was read went. It must balance to the token.

    {"splits": {split: {side: row}},              what the run is judged by
     "spans": {split: {span: {side: row}}},       the same by span, where ExampleGen says which
     "weights": {split: {"sum": Σw, "mean": Σw / trained, "factors": {name: mean}}},
     "checks": {"duplicates": {split: {"rows": n, "in_train": n}}}}

A row counts positions, eos and bos included. For each side

    tokens_read = kept + truncated + dropped,     of the target: kept = trained + zero_weight.

`context`, of windows, is a part of `zero_weight`; `dropped_by` has the reasons. `out_of_vocabulary`
and `eos_and_bos` are parts of kept + truncated, the first without context. Sequences that were dropped
are among `sequences`.
The factors' means are over the trained positions; they and the sum leave out `inverse_frequency`,
which needs the vocabulary that this pass makes; its own mean is 1 over the training split's tokens.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Set
from typing import Any

from components.vocabulary_gen.tally import SideLedger, Tally

Row = dict[str, Any]
Sides = dict[str, Row]
Json = Mapping[str, Any]
_WEIGHT = "loss_weights"
_REASONS = "dropped_by"


def unknown(tally: Tally, known: Mapping[str, Set[bytes]]) -> Counter:
    """How many tokens of each side are none of the `known` ones."""
    return Counter(
        {
            side: sum(n for token, n in tally.tokens[side].items() if token not in known[side])
            for side in tally.ledger
        }
    )


def build(
    counted: Mapping[tuple[str, str], Tally],
    unknown: Mapping[tuple[str, str], Mapping[str, int]],
    *,
    dropped: Json,
    sides: Iterable[str],
) -> dict[str, Any]:
    """The ledger without its checks.

    Args:
      counted: the tally of each split and span ("" where the span is not known).
      unknown: the unknown tokens of each of them, by side.
      dropped: what ExampleGen left out: {split: {span: {reason: {"sequences", "tokens": {side}}}}}.
      sides: the names of the sides.
    """
    keys = {*counted, *((split, str(span)) for split in dropped for span in dropped[split])}
    splits: dict[str, Sides] = {}
    spans: dict[str, dict[str, Sides]] = {}
    for split, span in sorted(keys, key=_in_order):
        tally = counted.get((split, span), Tally())
        reasons = dropped.get(split, {}).get(span, {})
        found = {
            side: _row(
                side,
                tally.ledger.get(side, SideLedger()),
                unknown.get((split, span), {}).get(side, 0),
                reasons,
            )
            for side in sides
        }
        if span:
            spans.setdefault(split, {})[span] = found
        splits[split] = _added(splits[split], found) if split in splits else found
    weights = {split: Tally() for split in splits}
    for (split, _), tally in sorted(counted.items()):
        weights[split].add(Tally(weights=tally.weights))
    return {
        "splits": splits,
        "spans": spans,
        "weights": {
            split: _weights(tally.weights, splits[split]["target"]["trained"])
            for split, tally in weights.items()
        },
    }


def balance(ledger: Json) -> None:
    """Make sure that every position is accounted for, in each split and span.

    Raises:
      AssertionError: one is not (a mistake of ours, not of the data).
    """
    for split, sides in ledger["splits"].items():
        _balance_sides(f"split {split!r}", sides)
    for split, spans in ledger["spans"].items():
        for span, sides in spans.items():
            _balance_sides(f"split {split!r}, span {span}", sides)


def _balance_sides(where: str, sides: Sides) -> None:
    for side, row in sides.items():
        whole = row["kept"] + row["truncated"] + row["dropped"]
        parts = row["trained"] + row["zero_weight"] if side == "target" else row["kept"]
        reasons = sum(row[_REASONS].values())
        if (row["tokens_read"], row["kept"], row["dropped"]) != (whole, parts, reasons):
            raise AssertionError(f"the token ledger of {where}, {side}, does not balance: {row}")
        if row.get("context", 0) > row.get("zero_weight", 0):
            raise AssertionError(f"the token ledger of {where} trains on context: {row}")


def _row(side: str, found: SideLedger, unknown: int, reasons: Json) -> Row:
    dropped = {reason: lost["tokens"].get(side, 0) for reason, lost in sorted(reasons.items())}
    row: Row = {
        "sequences": found.sequences + sum(lost["sequences"] for lost in reasons.values()),
        "tokens_read": found.tokens_read + sum(dropped.values()),
        "kept": found.kept,
        "truncated": found.truncated,
        "dropped": sum(dropped.values()),
    }
    if side == "target":  # only targets are trained on
        row |= {
            "trained": found.trained,
            "zero_weight": found.zero_weight,
            "context": found.context,
        }
    return row | {
        "out_of_vocabulary": unknown,
        "eos_and_bos": found.eos_and_bos,
        _REASONS: dropped,
    }


def _added(one: Sides, other: Sides) -> Sides:
    """The sum of the rows of two spans."""
    return {
        side: {name: _sum(value, other[side][name]) for name, value in row.items()}
        for side, row in one.items()
    }


def _sum(one: Any, other: Any) -> Any:
    return dict(Counter(one) + Counter(other)) if isinstance(one, dict) else one + other


def _weights(sums: Mapping[str, float], trained: int) -> dict[str, Any]:
    means = {name: value / trained if trained else 0.0 for name, value in sums.items()}
    return {
        "sum": sums.get(_WEIGHT, 0.0),
        "mean": means.pop(_WEIGHT, 0.0),
        "factors": means,
    }


def _in_order(key: tuple[str, str]) -> tuple[str, int, str]:
    """Splits by name, spans by number."""
    split, span = key
    return split, int(span) if span.isdigit() else -1, span
