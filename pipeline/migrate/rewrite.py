"""Replaces the calls whose exact equivalent is certain, in the text itself: nothing else moves."""

import ast
import dataclasses
import re
from typing import Any

import libcst as cst

from pipeline.migrate.catalogue import Family
from pipeline.migrate.denominators import Outcome
from pipeline.migrate.equivalents import class_arguments, exact_callee
from pipeline.migrate.values import LossCall
from pipeline.migrate.verdicts import Problem

_PACKAGE = "components.sequence_loss"
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")
_GONE = ("tensorflow.contrib", "tensorflow_addons")


@dataclasses.dataclass(frozen=True)
class Edit:
    """A node of the source and what replaces it, `name` (one of ours) first: it may get an alias."""

    node: cst.CSTNode
    name: str
    rest: str


def edit(call: LossCall, outcome: Outcome, problems: list[Problem]) -> Edit | str:
    """What to replace, or why the call is left alone."""
    obstacle = _obstacle(call, problems)
    if obstacle is not None:
        return obstacle
    if call.function.family is Family.ADDONS_CLASS:
        return _class_edit(call, outcome)
    callee = exact_callee(call)
    if callee is None:
        return "nothing of ours has the same arguments"
    name, dot, rest = callee.partition(".")
    return Edit(call.reference.node, name, dot + rest)


def rewritten(text: str, edits: list[Edit], ranges: Any) -> str:
    """The text with the edits made and the import added once; the same text for no edits."""
    if not edits:
        return text
    names = _names(text, {each.name for each in edits})
    lines = _LINE.findall(text)
    starts = [sum(map(len, lines[:n])) for n in range(len(lines))]
    spans = {}
    for each in edits:
        place = ranges[each.node]
        start = starts[place.start.line - 1] + place.start.column
        end = starts[place.end.line - 1] + place.end.column
        spans[start, end] = names[each.name] + each.rest
    for (start, end), new in sorted(spans.items(), reverse=True):
        text = text[:start] + new + text[end:]
    text = _with_import(text, names)
    ast.parse(text)  # rather an error than a broken file
    return text


def stale_imports(text: str) -> list[tuple[int, str]]:
    """Line and code of imports that fail in TensorFlow 2, or without Addons."""
    found = []
    for node in ast.walk(ast.parse(text)):
        modules: list[str] = []
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif node.module:
            modules = [f"{node.module}.{alias.name}" for alias in node.names]
        if any(module.startswith(_GONE) for module in modules):
            found.append((node.lineno, ast.unparse(node)))
    return sorted(found)


def _obstacle(call: LossCall, problems: list[Problem]) -> str | None:
    family = call.function.family
    if call.how == "compile" or family is Family.KERAS_CLASS:
        return "Keras's loss gives another number"
    if family is Family.LOSSES:
        return "compat has no tf.losses"
    if family is Family.TOKENS:
        return "made by hand, in several statements"
    if family is Family.BUCKETS:
        return "builds a model"
    if not call.reference.certain:
        return "its name may also be bound to something else"
    for problem in problems:
        # Our by_example takes the tensors, and its name can mean one function only.
        meant = {"lists", "no-such-name"} if family is Family.BY_EXAMPLE else set()
        if problem.stops and problem.code not in {"numpy", *meant}:
            return problem.text
    return _custom_obstacle(call)


def _custom_obstacle(call: LossCall) -> str | None:
    """A loss function of the user's that the original called in another way than we do."""
    code = call.given.code.get("softmax_loss_function", "None")
    by_position = call.function.name.startswith("tf.nn.seq2seq")
    if by_position and (code != "None" or call.given.unknown or call.how == "mention"):
        return "TF 0.12 called softmax_loss_function by position, ours is called by keyword"
    node = call.custom or call.given.nodes.get("softmax_loss_function")
    if isinstance(node, cst.Lambda | cst.FunctionDef):
        names = {parameter.name.value for parameter in node.params.params}
        if not {"labels", "logits"} <= names and node.params.star_kwarg is None:
            return "softmax_loss_function must take labels and logits by keyword"
    return None


def _class_edit(call: LossCall, outcome: Outcome) -> Edit | str:
    arguments = class_arguments(call, outcome)
    if not isinstance(call.node, cst.Call) or call.reference.node is not call.node.func:
        return "the class is not called here"
    if arguments is None:
        return "no reduction of ours is known to be the same"
    if "#" in cst.Module([]).code_for_node(call.node):
        return "there is a comment inside the call"
    return Edit(call.node, "SequenceLoss", f"({arguments})")


def _names(text: str, wanted: set[str]) -> dict[str, str]:
    """What each of our names is to be called in the file: itself, unless that is taken."""
    taken: set[str] = set()
    imported: dict[str, str] = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module == _PACKAGE and node.col_offset == 0:
            imported |= {alias.name: alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Import | ast.ImportFrom):
            taken |= {(a.asname or a.name).partition(".")[0] for a in node.names}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            taken.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            taken.add(node.id)
        elif isinstance(node, ast.arg):
            taken.add(node.arg)
    plain = {name: f"tokenline_{name}" if name in taken else name for name in wanted}
    return {name: imported.get(name, plain[name]) for name in wanted}


def _with_import(text: str, names: dict[str, str]) -> str:
    """The text with the import of our names, after its first imports, unless it has it."""
    tree = ast.parse(text)
    have = {
        (alias.name, alias.asname or alias.name)
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module == _PACKAGE
        for alias in node.names
    }
    missing = sorted(names.items() - have)
    if not missing:
        return text
    lines = _LINE.findall(text)
    end = next((line[len(line.rstrip("\r\n")) :] for line in lines[:1]), "") or "\n"
    code = ", ".join(n if n == alias else f"{n} as {alias}" for n, alias in missing)
    at = _import_line(tree)
    if at and not lines[at - 1].endswith(("\r", "\n")):
        lines[at - 1] += end
    return "".join([*lines[:at], f"from {_PACKAGE} import {code}{end}", *lines[at:]])


def _import_line(tree: ast.Module) -> int:
    """After which line an import goes: the last of the leading imports, else the docstring."""
    at = 0
    for number, node in enumerate(tree.body):
        docstring = number == 0 and isinstance(node, ast.Expr)
        if not (docstring or isinstance(node, ast.Import | ast.ImportFrom)):
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
            return min(at, first - 1) if at else first - 1
        at = node.end_lineno or node.lineno
    return at
