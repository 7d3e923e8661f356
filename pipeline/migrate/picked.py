"""Tensors from which a mask picked tokens before the loss: `[n]` and `[n, V]` for n tokens."""

import dataclasses

import libcst as cst

from pipeline.migrate import tensors
from pipeline.migrate.tensors import Evaluate
from pipeline.migrate.values import Picked, Thing, Tokens, Value

_MASKS = ("tensorflow.boolean_mask", "tensorflow.ragged.boolean_mask")
_UNKNOWN = "unknown"


def of_call(
    call: cst.Call, name: str | None, evaluate: Evaluate, env: dict[str, Value]
) -> Thing | None:
    """What `boolean_mask`, `gather_nd` or the `where` before it returns; None for other calls."""
    first = tensors.argument(call, 0, "tensor", "data", "params", "condition")
    given = evaluate(first) if first is not None else None
    if not isinstance(given, Thing):
        return None
    plain = dataclasses.replace(tensors.unknown(call), kind="tensor")
    if name == "tensorflow.where" and len(call.args) == 1:
        return dataclasses.replace(plain, indices=given)
    second = tensors.argument(call, 1, "mask", "indices")
    by = evaluate(second) if second is not None else None
    if not isinstance(by, Thing) or name not in (*_MASKS, "tensorflow.gather_nd"):
        return None
    mask = by.indices if name == "tensorflow.gather_nd" else by
    whole = len(call.args) == 2 and given.picked is None
    if mask is None or not whole or (mask.rank == 1 and not given.flattened):
        mask = None
    names = _names(given) | (_names(mask) if mask else set())
    picked = Picked(given, mask, tuple((each, env.get(each)) for each in sorted(names)))
    return dataclasses.replace(plain, dtype=given.dtype, flattened=given.flattened, picked=picked)


def tokens(things: dict[str, Thing], env: dict[str, Value]) -> Tokens | None:
    """The tokens that a cross-entropy is given, if a mask picked them; `env` is at its call.

    Where logits and targets do not have one mask, or a name no longer means what it did, the code
    of the whole tensors cannot be shown.
    """
    one = next((things[n].picked for n in ("y_pred", "logits") if n in things), None)
    two = next((things[n].picked for n in ("y_true", "labels") if n in things), None)
    if one is None and two is None:
        return None
    hidden = Thing(text=_UNKNOWN, root=_UNKNOWN, kind=_UNKNOWN)
    if one is None or two is None or one.mask is None or two.mask is None:
        return Tokens(None, None, hidden)
    if one.mask.root != two.mask.root:
        return Tokens(None, None, hidden)
    if any(env.get(name) != value for name, value in (*one.names, *two.names)):
        return Tokens(None, None, one.mask)
    return Tokens(one.tensor.text, two.tensor.text, one.mask)


def _names(thing: Thing) -> set[str]:
    """The names in the code of a thing, with their attributes."""
    found: set[str] = set()

    class Visitor(cst.CSTVisitor):
        def visit_Name(self, node: cst.Name) -> None:
            found.add(node.value)

        def visit_Attribute(self, node: cst.Attribute) -> None:
            found.add(tensors.code(node))

    cst.parse_expression(thing.text or "None").visit(Visitor())
    return found
