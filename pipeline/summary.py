"""The closing table of a run, and how its numbers are written."""

import os
from typing import Any

from components.vocabulary_gen.shares import cut_tokens


def _share(value: float) -> str:
    """A percentage; a share just below 1 does not round up to 100 %."""
    return f"{min(value, 0.9999) if value < 1 else value:.2%}"


_COLUMNS = (
    ("masked_token_loss", "loss/token", "{:.4f}".format),
    ("perplexity", "perplexity", "{:.3f}".format),
    ("token_accuracy", "token acc", _share),
    ("sequence_accuracy", "seq acc", _share),
    ("bits_per_byte", "bits/byte", "{:.4f}".format),
    ("token_count", "tokens", "{:,.0f}".format),
)
# Of a sample that was decoded, or of tags.
_OF_TASK = (
    ("bleu", "BLEU", "{:.2f}".format),
    ("chrf", "chrF", "{:.2f}".format),
    ("exact_match", "exact match", _share),
    ("tag_macro_f1", "macro F1 of the tags", _share),
    ("span_f1", "F1 of the spans", _share),
)
_LONGEST_LABEL = 40
_MOST_REASONS = 8
_LOSSES = {
    "out_of_vocabulary": "out of vocabulary",
    "truncated": "cut off",
    "dropped": "left out",
    "zero_weight": "of weight 0",
}


def closing_table(record: dict[str, Any]) -> list[str]:
    """Lines that say how good the model is, whether it is blessed and why, and where things are."""
    lines = ["", *_measured(record["metrics"]["slices"], record.get("decoded") or {})]
    lines += ["", *_verdict(record["verdict"]), *_served(record.get("serving_check"))]
    model = record["pushed"] or _not_pushed(record)
    lines += ["", *(f"  data    {text}" for text in _data(record))]
    lines += [f"  model   {model}", f"  report  {record['report']}", f"  log     {record['log']}"]
    lines.append(f"  {record['seconds']:.1f} s in all")
    return lines


def _verdict(verdict: dict[str, Any]) -> list[str]:
    """Blessed or not, under which name, and why."""
    name = f": {verdict['verdict'].replace('_', ' ')}" if "verdict" in verdict else ""
    reasons = verdict["reasons"][:_MOST_REASONS]
    lines = [f"  {'blessed' if verdict['blessed'] else 'NOT blessed'}{name}"]
    lines += [f"    {reason}" for reason in reasons]
    if more := len(verdict["reasons"]) - len(reasons):
        lines.append(f"    … {more} more reasons in the report")
    return [*lines, *(f"    {note}" for note in verdict["notes"])]


def _served(check: dict[str, Any] | None) -> list[str]:
    """ServingCheck's verdict; nothing where it is turned off."""
    if check is None:
        return []
    if not check["passed"]:
        here = os.getcwd() + os.sep
        reasons = [reason.replace(here, "") for reason in check["reasons"]]
        return ["  serving check FAILED", *(f"    {reason}" for reason in reasons)]
    slowest = max(each["p95"] for each in check["latency_ms"].values())
    text = f"no skew, p95 {slowest:.1f} ms, {check['memory_mb']:.0f} MB"
    return [f"  serving check passed: {text}"]


def _not_pushed(record: dict[str, Any]) -> str:
    reason = record.get("not_pushed")
    return f"not pushed: {reason}" if reason else "not pushed"


def _measured(slices: list[dict[str, Any]], decoded: dict[str, Any]) -> list[str]:
    """The headline, and the slice with the largest loss among those that are large enough to judge."""
    whole, *others = slices
    rows = [(_label(whole["slice"]), whole)]
    known = [each for each in others if "masked_token_loss" in (each["candidate"] or {})]
    large = [each for each in known if each.get("gated", True)]
    if known:
        worst = max(large or known, key=lambda each: each["candidate"]["masked_token_loss"])
        rows.append((f"worst of {len(large or known)}: {_label(worst['slice'])}", worst))
    width = max(12, *(len(label) for label, _ in rows)) + 2
    lines = [" " * (width + 2) + "".join(f"{title:>12}" for _, title, _ in _COLUMNS)]
    lines += [_row(label, each, width) for label, each in rows]
    if len(others) > 1:
        lines.append(f"  … {len(others)} slices in the report{_too_small(others, len(large))}")
    return lines + _of_task(whole["candidate"] or {}, decoded)


def _too_small(slices: list[dict[str, Any]], large: int) -> str:
    """How many slices have enough to be judged, where not all have."""
    if all(each.get("gated", True) for each in slices):
        return ""
    return f", {large or 'none'} of them with enough tokens and examples to be judged"


def _of_task(values: dict[str, Any], decoded: dict[str, Any]) -> list[str]:
    """Scores of decoded text, of how many examples they are; of tags."""
    found = [f"{name} {shown(values[key])}" for key, name, shown in _OF_TASK if key in values]
    if not found:
        return []
    examples = decoded.get("examples")
    of_sample = f"of {examples:,} decoded example{'s' * (examples > 1)}: " if examples else ""
    return [f"  {of_sample}{', '.join(found)}"]


def _data(record: dict[str, Any]) -> list[str]:
    """What was read, and whatever of it did not reach the loss as it stood."""
    ingest, ledger = record["ingest"], record["ledger"]
    splits = ", ".join(f"{name} {rows:,}" for name, rows in ingest["splits"].items())
    lines = [f"{ingest['rows']:,} rows ({splits})"]
    if ingest["bad_rows"]:
        first = ingest["first_bad_rows"][0]
        lines.append(f"{ingest['bad_rows']:,} bad rows left out, the first: {first}")
    if ingest["unconfigured_columns"]:
        names = ", ".join(sorted(ingest["unconfigured_columns"]))
        lines.append(f"columns not used: {names[:80]}")
    absent = [
        name for name, rows in ingest["columns_without_value"].items() if rows == ingest["rows"]
    ]
    if absent:
        lines.append(f"columns without a value in any row: {', '.join(sorted(absent))}")
    for split, sides in ledger["splits"].items():
        for side, row in sides.items():
            lost = [
                f"{row[key] / _divisor(row, key):.1%} {text}"
                for key, text in _LOSSES.items()
                if row.get(key) and row["tokens_read"]
            ]
            if lost:
                lines.append(f"{split} {side} tokens: {', '.join(lost)}")
    for split, found in ledger["checks"]["duplicates"].items():
        if found["in_train"]:
            text = f"{found['in_train']:,} of {found['rows']:,} {split} rows are in the training split too"
            lines.append(f"warning: {text}")
    return lines


def _divisor(row: dict[str, int], key: str) -> int:
    """What a count is a share of: what is unknown, as `max_oov_rate` has it, of tokens that were cut."""
    return cut_tokens(row) if key == "out_of_vocabulary" else row["tokens_read"]


def _label(text: str) -> str:
    """A slice's name as one short line, whatever bytes its value holds."""
    plain = "".join(each if each.isprintable() else "·" for each in text)
    return plain if len(plain) <= _LONGEST_LABEL else plain[: _LONGEST_LABEL - 1] + "…"


def _row(label: str, measured: dict[str, Any], width: int) -> str:
    values = measured["candidate"]
    cells = [form(values[name]) if name in values else "–" for name, _, form in _COLUMNS]
    return f"  {label:<{width}}" + "".join(f"{cell:>12}" for cell in cells)
