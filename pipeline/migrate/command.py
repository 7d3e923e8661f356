"""`tokenline migrate`: prints what it finds, and with `--write` replaces what is certain."""

import difflib
import os
import shutil
import sys
import tempfile
import textwrap

from pipeline.migrate import equivalents, rewrite
from pipeline.migrate.equivalents import Line
from pipeline.migrate.findings import Examined, Finding, examine
from pipeline.migrate.sources import read

_WIDTH = 100
_LABEL = 9  # columns of "  result "
_BAD_INPUT = 2


def migrate(paths: list[str], *, write: bool, diff: bool) -> int:
    """Report on all files; returns 0, or 2 where a path or file could not be read."""
    found = read(paths)
    problems = list(found.problems)
    results = []
    seen: dict[str, str] = {}
    for source in found.sources:
        result = examine(source)
        results.append(result)
        if result.problem is not None:
            problems.append(result.problem)
        for finding in result.findings:
            print(_new(finding, seen), end="\n\n")
    _diff(results) if diff else None
    written = _write(results, problems) if write else 0
    unread = {each.source.path for each in results if each.problem and each.source.encoding}
    _summary(results, found.files - len(unread), write=write, written=written)
    sys.stdout.flush()
    for problem in problems:
        print(f"tokenline: {problem}", file=sys.stderr)
    return _BAD_INPUT if problems else 0


def _new(finding: Finding, seen: dict[str, str]) -> str:
    """The lines of a finding; of a loss of Keras with all the same to say, only where that stands.

    A repository of classifiers has many of them, and says the same of each.
    """
    head, *rest = shown(finding)
    text, place = "\n".join(rest), head.split("  ")[0]
    if finding.call.function.keras and text in seen:
        return f"{head}\n  as in  {seen[text]}"
    seen[text] = place
    return f"{head}\n{text}"


def shown(finding: Finding) -> list[str]:
    """The lines that say everything of one call."""
    call, outcome = finding.call, finding.outcome
    column = finding.source.column + call.column
    head = f"{finding.source.path}:{call.line}:{column}  {call.function.name}"
    if call.how in ("compile", "mention"):
        head += {"compile": ", in compile", "mention": ", named here"}[call.how]
    elif call.maker is not None:
        head += f", made in line {call.maker.line}"
    lines = [head, *_field("really", call.function.truth)]
    raises = outcome.refused is None and finding.ours.none == equivalents.RAISES
    meant = "none, it raises; meant: " if raises else ""
    lines += _field("result", f"{meant}{outcome.shape}  {outcome.formula}")
    for line, text in finding.then:
        lines += _field("then", f"line {line}: {text}")
    for problem in finding.problems:
        lines += _field("stops" if problem.stops else "wrong", problem.text)
    lines += _ours("same", finding.ours.same, finding.ours.none)
    return lines + _ours("better", finding.ours.better, "")


def _field(label: str, text: str) -> list[str]:
    indent = " " * _LABEL
    width = min(_WIDTH, max(60, shutil.get_terminal_size((_WIDTH, 24)).columns))
    return textwrap.wrap(
        text,
        width,
        initial_indent=f"  {label}".ljust(_LABEL),
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _ours(label: str, line: Line | None, none: str) -> list[str]:
    """A line of code, never wrapped: it is for copying."""
    start = f"  {label}".ljust(_LABEL)
    if line is None:
        return [f"{start}- ({none})"] if none else []
    if not line.remark:
        return [start + line.code]
    if len(start + line.code + line.remark) + 4 <= _WIDTH:
        return [f"{start}{line.code}  # {line.remark}"]
    return [start + line.code, f"{' ' * _LABEL}# {line.remark}"]


def _diff(results: list[Examined]) -> None:
    for result in results:
        before, after = (t.splitlines(keepends=True) for t in (result.source.text, result.text))
        path = result.source.path
        for line in difflib.unified_diff(before, after, path, f"{path} (with --write)"):
            print(line.rstrip("\r\n"))


def _write(results: list[Examined], problems: list[str]) -> int:
    """Write the files that change; returns how many calls were replaced."""
    written = 0
    for result in results:
        if result.text == result.source.text:
            continue
        try:
            _replace(result)
        except OSError as error:
            problems.append(f"{result.source.path}: cannot be written: {error.strerror}")
            continue
        written += sum(isinstance(each.edit, rewrite.Edit) for each in result.findings)
        for line, code in rewrite.stale_imports(result.text):
            print(f"{result.source.path}:{line}: `{code}` fails in TF 2; remove it if unused")
    return written


def _replace(result: Examined) -> None:
    """Put the new text in the file's place at once, with the file's mode."""
    path = os.path.realpath(result.source.path)
    data = result.text.encode(result.source.encoding or "utf-8")
    with tempfile.NamedTemporaryFile(dir=os.path.dirname(path), delete=False) as file:
        file.write(data)
    shutil.copymode(path, file.name)
    os.replace(file.name, path)


def _summary(results: list[Examined], files: int, *, write: bool, written: int) -> None:
    findings = [finding for result in results for finding in result.findings]
    certain = [each for each in findings if isinstance(each.edit, rewrite.Edit)]
    left = [each for each in findings if not isinstance(each.edit, rewrite.Edit)]
    if write:
        for each in left:
            place = f"{each.source.path}:{each.call.line}"
            print(f"{place}: left alone: {each.edit}")
    calls = f"{len(findings)} loss call{'s' * (len(findings) != 1)}"
    read_ = f"{files} file{'s' * (files != 1)} read"
    if not findings:
        print(f"{read_}, no sequence loss found")
        return
    print(f"{read_}, {calls} found", end="")
    if write:
        print(f", {written} rewritten, {len(left)} left alone")
    elif certain:
        print(f"; --write rewrites {len(certain)} and leaves {len(left)} alone")
    else:
        print("; --write would rewrite none")
    print("ours: from components.sequence_loss import compat, sequence_loss, ...", end="")
    print("  (w: weights, loss: of each token)")
