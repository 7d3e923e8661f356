"""How far the newest spans are from those before them, and their splits from each other."""

from collections.abc import Mapping
from typing import Any

from pipeline.report.blocks import Block, Cell, Fold, Row, row, soft, table
from pipeline.report.formats import NOTHING, is_finite, number

Json = Mapping[str, Any]

_HEADS = ["column", "measure", "span", "split", "compared with", "difference", "limit"]


def drift(found: Json) -> tuple[Block, ...]:
    """Of SpanCheck's span_check.json: what was compared, the largest share of its limit first."""
    findings = found.get("findings") or ()
    compared = [each for each in findings if is_finite(each.get("value"))]
    left = [each for each in findings if not is_finite(each.get("value"))]
    if not found:
        return ()
    rows = [_finding(each) for each in sorted(compared, key=_used, reverse=True)]
    # A run that did not pass has no report.
    none = "" if findings else "No earlier span to compare with."
    others = table([*_HEADS[:5], "why not"], [_left(each) for each in left], text_columns=6)
    return (
        *soft(none),
        *table(_HEADS, rows, text_columns=5),
        *((Fold(f"{len(left)} not compared", others),) if left else ()),
    )


def _used(finding: Json) -> float:
    """How much of its limit a difference takes; of rows, whose limit is a ratio, none."""
    if finding.get("measure") == "rows":
        return 0.0
    return float(finding["value"]) / (float(finding.get("limit") or 0.0) or 1e-9)


def _finding(each: Json) -> Row:
    if each.get("measure") == "rows":
        limit = float(each.get("limit") or 0.0)
        most = f" to {number(1 / limit)}" if limit else ""
        return row([*_where(each), f"× {number(each['value'])}", f"{number(limit)}{most}"])
    return row([*_where(each), number(each["value"]), number(each.get("limit"))])


def _left(each: Json) -> Row:
    return row([*_where(each), str(each.get("text") or NOTHING)])


def _where(each: Json) -> list[str | Cell]:
    names = ("column", "measure", "span", "split", "against")
    found = {name: str(each.get(name) or NOTHING) for name in names}
    if found["measure"] == "columns":
        found["measure"] = "values"
    return [*found.values()]
