"""The closing table of a run, and how its numbers are written."""

from typing import Any


def _share(value: float) -> str:
    """A percentage; a share just below 1 does not round up to 100 %."""
    return f"{min(value, 0.9999) if value < 1 else value:.2%}"


_COLUMNS = (
    ("masked_token_loss", "loss/token", "{:.4f}".format),
    ("perplexity", "perplexity", "{:.3f}".format),
    ("token_accuracy", "token acc", _share),
    ("sequence_accuracy", "seq acc", _share),
    ("token_count", "tokens", "{:,.0f}".format),
)
_MOST_SLICES = 12


def closing_table(record: dict[str, Any]) -> list[str]:
    """Lines that say how good the model is, whether it is blessed and why, and where things are."""
    slices = record["metrics"]["slices"]
    width = max(12, *(len(each["slice"]) for each in slices[: _MOST_SLICES + 1])) + 2
    lines = ["", " " * (width + 2) + "".join(f"{title:>12}" for _, title, _ in _COLUMNS)]
    lines += [_row(each, width) for each in slices[: _MOST_SLICES + 1]]
    if len(slices) > _MOST_SLICES + 1:
        lines.append(f"  … {len(slices) - _MOST_SLICES - 1} more slices in the report")
    verdict = record["verdict"]
    lines += ["", "  blessed" if verdict["blessed"] else "  NOT blessed"]
    lines += [f"    {reason}" for reason in (*verdict["reasons"], *verdict["notes"])]
    model = record["pushed"] or "not pushed"
    lines += [
        "",
        f"  model   {model}",
        f"  report  {record['report']}",
        f"  log     {record['log']}",
    ]
    lines.append(f"  {record['seconds']:.1f} s in all")
    return lines


def _row(measured: dict[str, Any], width: int) -> str:
    values = measured["candidate"]
    cells = [form(values[name]) if name in values else "–" for name, _, form in _COLUMNS]
    return f"  {measured['slice']:<{width}}" + "".join(f"{cell:>12}" for cell in cells)
