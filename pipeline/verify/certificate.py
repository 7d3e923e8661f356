"""The certificate: rows of checks, as a table, as JSON and as Markdown. Standard library only."""

import dataclasses
import json
import math
from dataclasses import dataclass
from typing import Any

PASS, FAIL, NOT_EXERCISED = "PASS", "FAIL", "not exercised"
INVARIANTS = {
    1: "masking equals deleting",
    2: "poison-proof",
    3: "splitting equals not splitting",
    4: "one number",
    5: "TensorFlow 1 parity",
    9: "no skew",
}
_FOOTNOTES = (
    "* relative (1e-6 or 1e-5), plus float32's rounding, which counts where the loss is small: "
    "1.2e-7 nats a token, times 1 + √V/8 + max |logit|",
    "1: not for batch_mean and length_mean, whose divisors count positions whatever their weight",
    "3: packing of sequences and length buckets are not split here: tokenline's tests do that; the "
    "trainer's validation in 4 reads its batches bucketed",
    "5: against formulas in float64; recordings of TensorFlow 1 are compared in tokenline's tests",
    "9: of what is served, words are compared with the vocabulary and a prompt's ids (the number of "
    "tags) with Transform's; not covered: which ids decoding chooses, a translation's source ids",
)
_HEADER = ("compared", "rows", "tokens", "largest abs", "relative", "allowed", "")


@dataclass(frozen=True)
class Check:
    """One row: what was compared, on how much, and how far apart it was at most.

    Attributes:
      invariant: its number in the design, a key of `INVARIANTS`.
      compared: the two things that must be equal.
      rows, tokens: examples, and positions with weight > 0.
      absolute, relative: of the worst comparison of this row; relative to the largest absolute
        value of what was wanted. None where nothing was compared.
      allowed: the largest deviation that passes, in words.
      status: PASS, FAIL or NOT_EXERCISED.
      note: which comparison was worst, or why nothing was compared.
    """

    invariant: int
    compared: str
    rows: int
    tokens: int
    absolute: float | None
    relative: float | None
    allowed: str
    status: str
    note: str = ""


@dataclass(frozen=True)
class Certificate:
    """All checks, and what they were made on.

    `facts` is the same for the same model, sample and code; `times` is not.
    """

    facts: dict[str, Any]
    checks: tuple[Check, ...]
    times: dict[str, Any]

    @property
    def passed(self) -> bool:
        """No check failed, and at least one was exercised for each invariant."""
        exercised = {check.invariant for check in self.checks if check.status == PASS}
        failed = any(check.status == FAIL for check in self.checks)
        return not failed and exercised == set(INVARIANTS)

    @property
    def verdict(self) -> str:
        """One line."""
        count = dict.fromkeys((PASS, FAIL, NOT_EXERCISED), 0)
        for check in self.checks:
            count[check.status] += 1
        held = {check.invariant for check in self.checks if check.status == PASS}
        idle = "".join(f"; nothing exercised invariant {n}" for n in sorted(set(INVARIANTS) - held))
        outcome = "PASS" if self.passed else "FAIL"
        return (
            f"{outcome}: {count[PASS]} checks passed, {count[FAIL]} failed, "
            f"{count[NOT_EXERCISED]} not exercised{idle}"
        )

    def to_json(self) -> str:
        """Valid JSON: a deviation that is not a finite number is text."""
        rows = [{k: _jsonable(v) for k, v in dataclasses.asdict(c).items()} for c in self.checks]
        content = self.facts | {"verdict": self.verdict, "passed": self.passed, "checks": rows}
        return json.dumps(content | {"times": self.times}, indent=1, sort_keys=True) + "\n"

    def table(self) -> str:
        """For the terminal: aligned columns, an invariant a heading; the note of what did not pass."""
        cells = [_HEADER, *map(_cells, self.checks)]
        widths = [max(len(row[column]) for row in cells) for column in range(len(_HEADER))]
        lines = [_aligned(_HEADER, widths)]
        for number, name in INVARIANTS.items():
            lines.append(f"{number}  {name}")
            for check in self._of(number):
                lines.append(_aligned(_cells(check), widths))
                if check.note and check.status != PASS:
                    lines.append(f"       {check.note}")
        return "\n".join([*lines, *_FOOTNOTES])

    def to_markdown(self) -> str:
        """The same table as a page, with what it was made on above it."""
        lines = ["# Invariance certificate", "", f"**{self.verdict}**", ""]
        lines += [f"- {name}: `{_flat(value)}`" for name, value in sorted(self.facts.items())]
        for number, name in INVARIANTS.items():
            lines += ["", f"## {number}. {name}", ""]
            lines += [
                "| " + " | ".join((*_HEADER[:-1], "verdict", "note")) + " |",
                "|---" * 8 + "|",
            ]
            lines += [_markdown_row((*_cells(c), c.note)) for c in self._of(number)]
        lines += ["", *(f"{_plain(note)}\n" for note in _FOOTNOTES)]
        lines += [f"- {name}: {value}" for name, value in sorted(self.times.items())]
        return "\n".join(lines) + "\n"

    def _of(self, invariant: int) -> list[Check]:
        return [check for check in self.checks if check.invariant == invariant]


def _cells(check: Check) -> tuple[str, ...]:
    amounts = (f"{check.rows:,}", f"{check.tokens:,}")
    deviations = tuple(_amount(value) for value in (check.absolute, check.relative))
    return (check.compared, *amounts, *deviations, check.allowed, check.status)


def _amount(value: float | None) -> str:
    if value is None:
        return "-"
    return "0" if value == 0 else f"{value:.1e}"


def _aligned(row: tuple[str, ...], widths: list[int]) -> str:
    first, *numbers, allowed, status = row
    middle = "  ".join(f"{cell:>{width}}" for cell, width in zip(numbers, widths[1:], strict=False))
    return f"   {first:<{widths[0]}}  {middle}  {allowed:<{widths[-2]}}  {status}".rstrip()


def _markdown_row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _plain(note: str) -> str:
    """A footnote whose star Markdown does not take for a list."""
    return note.replace("*", "\\*", 1)


def _flat(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _jsonable(value: Any) -> Any:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
