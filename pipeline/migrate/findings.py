"""Everything that is said of the loss calls of one source."""

import ast
import dataclasses
from typing import Any

import libcst as cst
from libcst import metadata

from pipeline.migrate import denominators, equivalents, flow, rewrite, verdicts
from pipeline.migrate.catalogue import FUNCTIONS
from pipeline.migrate.sources import Source, check_syntax
from pipeline.migrate.values import LossCall

_WORDS = {name.rpartition(".")[2] for name in FUNCTIONS} | {"seq2seq"}


@dataclasses.dataclass(frozen=True)
class Finding:
    """One call: which function it is, what it divides by, what is wrong with it, ours for it.

    Attributes:
      then: what the source does with the result, as (line of the file, words).
      edit: what `--write` replaces, or why it leaves the call alone.
    """

    source: Source
    call: LossCall
    outcome: denominators.Outcome
    then: list[tuple[int, str]]
    problems: list[verdicts.Problem]
    ours: equivalents.Equivalents
    edit: rewrite.Edit | str


@dataclasses.dataclass(frozen=True)
class Examined:
    """A source, what was found in it, its text after `--write`, and why it could not be read."""

    source: Source
    findings: list[Finding]
    text: str
    problem: str | None = None


def examine(source: Source) -> Examined:
    """Find the loss calls of a source."""
    problem = check_syntax(source)
    if problem is not None:
        return Examined(source, [], source.text, problem)
    if not any(word in source.text for word in _WORDS):
        return Examined(source, [], source.text)
    try:
        wrapper = metadata.MetadataWrapper(cst.parse_module(source.text))
        calls = flow.loss_calls(wrapper, source.line)
        found = _findings(source, calls)
        edits = [each.edit for each in found if isinstance(each.edit, rewrite.Edit)]
        ranges: Any = wrapper.resolve(metadata.PositionProvider)
        text = rewrite.rewritten(source.text, edits, ranges)
    except cst.ParserSyntaxError as error:
        place = f"{source.path}:{source.line + error.raw_line}"
        return Examined(source, [], source.text, f"{place}: cannot be parsed: {error.message}")
    except RecursionError:
        place = f"{source.path}:{source.line + 1}"
        return Examined(source, [], source.text, f"{place}: nested too deeply")
    return Examined(source, found, text)


def _findings(source: Source, calls: list[LossCall]) -> list[Finding]:
    tf = _tensorflow(source.text)
    found = [_finding(source, call, tf) for call in calls]
    # A name stands for all its calls: it is replaced for all or for none.
    blocked = {
        each.call.reference.node: each for each in found if not isinstance(each.edit, rewrite.Edit)
    }
    return [
        dataclasses.replace(each, edit=f"shares its name with the call in line {other.call.line}")
        if isinstance(each.edit, rewrite.Edit)
        and (other := blocked.get(each.call.reference.node)) is not None
        else each
        for each in found
    ]


def _finding(source: Source, call: LossCall, tf: str) -> Finding:
    outcome = denominators.outcome(call)
    problems = verdicts.problems(call, outcome)
    uses = [(use.line, denominators.then(use)) for use in call.uses]
    edit = rewrite.edit(call, outcome, problems)
    return Finding(
        source=source,
        call=call,
        outcome=outcome,
        then=[(line, text) for line, text in uses if text is not None],
        problems=problems,
        ours=equivalents.equivalents(call, outcome, problems, tf),
        edit=edit if source.encoding else "Markdown is not rewritten",
    )


def _tensorflow(text: str) -> str:
    """What a file calls TensorFlow."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name == "tensorflow" or alias.name.startswith("tensorflow.compat.v"):
                    return alias.asname or alias.name
        elif isinstance(node, ast.ImportFrom) and node.module == "tensorflow.compat":
            for alias in node.names:
                return alias.asname or alias.name
    return "tf"
