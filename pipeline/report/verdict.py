"""The verdict first: blessed or not, the serving check, whether it was pushed, and the reasons."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.report.as_html import blocks as as_html
from pipeline.report.blocks import Block, Drawn, Fold, Text, bullets, row, soft, table
from pipeline.report.data import ReportData
from pipeline.report.elements import element
from pipeline.report.formats import NOTHING, is_finite
from pipeline.report.measures import interval, label, written

Json = Mapping[str, Any]

_MOST_REASONS = 12
_MOST_FINDINGS = 60
_KINDS = {
    "finite": "is finite",
    "max": "at most",
    "min": "at least",
    "max_increase": "change, at most",
    "max_decrease": "change, at least",
}
_CHANGES = ("max_increase", "max_decrease", "margin")


def banner(data: ReportData) -> tuple[Block, ...]:
    """What everybody wants to know, and why it is so."""
    verdict = data.verdict
    if "blessed" not in verdict:
        return _banner("", "No verdict", (Text("The run ended before evaluation."),))
    blessed, served = bool(verdict["blessed"]), data.serving.get("passed", True)
    title = "Blessed" if blessed else "Not blessed"
    title += f": {_plain_name(verdict['verdict'])}" if verdict.get("verdict") else ""
    title += ", but the serving check failed" if blessed and not served else ""
    tone = "good" if blessed and served else "bad"
    inside: tuple[Block, ...] = ()
    if not served:
        failed = [f"serving check: {each}" for each in data.serving.get("reasons") or ()]
        inside += bullets(_limited(failed, "serving_check.json"))
    inside += bullets(_limited(verdict.get("reasons") or (), "verdict.json"))
    inside += soft(" · ".join(_notes(data, blessed)))
    return _banner(tone, title, inside)


def _banner(tone: str, title: str, inside: tuple[Block, ...]) -> tuple[Block, ...]:
    mark = {"good": "✓ ", "bad": "✕ "}.get(tone, "")
    html = element(
        "div", element("strong", mark, title), as_html(inside), class_=f"verdict {tone}".strip()
    )
    return (Drawn(html, (Text(f"{mark}{title}"), *inside)),)


def _limited(reasons: Sequence[Any], file: str) -> Iterator[str]:
    yield from map(str, reasons[:_MOST_REASONS])
    if len(reasons) > _MOST_REASONS:
        yield f"… and {len(reasons) - _MOST_REASONS:,} more in {file}"


def _notes(data: ReportData, blessed: bool) -> Iterator[str]:
    yield from map(str, data.verdict.get("notes") or ())
    if data.serving.get("passed"):
        yield "serving check passed"
    if data.places.get("model"):
        yield f"pushed to {data.places['model']}"
    elif data.not_pushed or blessed:
        yield f"not pushed: {data.not_pushed}" if data.not_pushed else "not pushed"


def checks(verdict: Json) -> tuple[Block, ...]:
    """Every check of the verdict, those that failed first."""
    findings = verdict.get("findings") or ()
    if not findings:
        return ()
    ordered = sorted(findings, key=lambda each: bool(each.get("passed")))
    rows = [
        row(
            [
                str(each.get("slice") or "overall"),
                _what(each),
                _plain_name(each.get("verdict") or ("passed" if each.get("passed") else "failed")),
                *_numbers(each),
            ],
            tone="" if each.get("passed") else "failed",
        )
        for each in ordered[:_MOST_FINDINGS]
    ]
    heads = ["slice", "check", "verdict", "value", "interval", "limit"]
    failed = sum(not each.get("passed") for each in findings)
    title = f"{len(findings):,} checks, {failed:,} failed"
    left = len(findings) - len(rows)
    more = soft(f"… and {left:,} more in verdict.json" if left else "")
    return (Fold(title, table(heads, rows, text_columns=3) + more),)


def _plain_name(name: object) -> str:
    return str(name).replace("_", " ")


def _what(finding: Json) -> str:
    kind = str(finding.get("kind", ""))
    return f"{label(str(finding.get('metric', '')))} {_KINDS.get(kind, _plain_name(kind))}".strip()


def _numbers(finding: Json) -> tuple[str, str, str]:
    name, sign = str(finding.get("metric", "")), is_change(finding)
    low, high = finding.get("low"), finding.get("high")
    both = is_finite(low) and is_finite(high)
    return (
        written(name, finding.get("value"), sign=sign),
        interval(name, low, high, sign=sign) if both else NOTHING,  # type: ignore[arg-type]
        written(name, finding.get("bound"), sign=sign),
    )


def is_change(finding: Json) -> bool:
    """Whether it judges candidate - baseline."""
    return finding.get("kind") in _CHANGES
