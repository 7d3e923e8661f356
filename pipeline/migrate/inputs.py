"""Arguments that the original refuses whatever the data: how many, of which kind, rank and dtype."""

import ast
from collections.abc import Iterator

from pipeline.migrate.catalogue import Family
from pipeline.migrate.values import LossCall, Thing

_NEEDED = {
    Family.CONTRIB: 3,
    Family.ADDONS: 3,
    Family.LEGACY: 3,
    Family.BY_EXAMPLE: 3,
    Family.BUCKETS: 6,
}
_RANKS = {"logits": 3, "targets": 2, "weights": 2}
_WORDS = {3: "[B, T, V]", 2: "[B, T]"}


def refused(call: LossCall) -> Iterator[tuple[str, str]]:
    """Code and text of each reason."""
    family, given = call.function.family, call.given
    needed = call.function.parameters[: _NEEDED.get(family, 0)]
    missing = [name for name in needed if name not in given.nodes]
    if missing and call.how == "call" and given.unknown is None:
        yield "arguments", f"TypeError: the original needs {', '.join(missing)}"
    if family not in _NEEDED or family is Family.BUCKETS:
        return
    weights = call.things.get("weights")
    if weights is not None and weights.dtype in ("bool", "int"):
        text = f"weights are {weights.dtype}: TypeError, they must have the logits' dtype"
        yield f"{weights.dtype}-weights", text
    if is_number(given.code.get("weights", "")):
        error = "TypeError" if call.function.lists else "AttributeError"
        wanted = "a list of T tensors" if call.function.lists else "a tensor [B, T]"
        yield "number-weights", f"weights are one number: {error}, they must be {wanted}"
    if family is Family.BY_EXAMPLE or not call.function.lists:
        yield from _tensors(call)


def is_number(code: str) -> bool:
    """Whether code is a literal number."""
    try:
        value = ast.literal_eval(code)
    except (ValueError, SyntaxError):
        return False
    return isinstance(value, int | float) and not isinstance(value, bool)


def _tensors(call: LossCall) -> Iterator[tuple[str, str]]:
    """Of the functions on tensors, and of the one on lists where it gets tensors."""
    things = {name: call.things[name] for name in _RANKS if name in call.things}
    if not call.function.lists:
        lists = [name for name, thing in things.items() if thing.kind == "list"]
        if lists:
            text = f"{', '.join(lists)}: AttributeError, a list where the original takes a tensor"
            yield "not-tensors", text
    for name, thing in things.items():
        if thing.kind == "tensor" and not _fits(call, name, thing):
            hot = thing.one_hot and name == "targets"
            got = "one-hot" if hot else f"of rank {thing.rank}"
            text = f"{name} are {got}: ValueError, they must be {_WORDS[_RANKS[name]]}"
            yield "one-hot" if hot else "rank", text


def _fits(call: LossCall, name: str, thing: Thing) -> bool:
    dense = name == "targets" and call.function.family is Family.ADDONS
    if thing.one_hot and name == "targets":
        return dense
    return thing.rank in (None, _RANKS[name]) or (dense and thing.rank == 3)
