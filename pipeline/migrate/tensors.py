"""What the source says of a tensor: its rank, its dtype, whether it is a list, a mask, a constant."""

import ast
import dataclasses
from collections.abc import Callable, Iterator

import libcst as cst

from pipeline.migrate.values import Thing, Value

CASTS = {
    "tensorflow.cast",
    "tensorflow.to_float",
    "tensorflow.convert_to_tensor",
    "tensorflow.identity",
}
_FILLED = {
    f"tensorflow.{name}"
    for name in (
        *("zeros", "ones", "random.normal", "random.uniform", "random_normal", "random_uniform"),
        *("random.truncated_normal", "random.stateless_normal", "random.stateless_uniform", "fill"),
    )
}
_LIKE = {
    f"tensorflow.{name}"
    for name in (
        *("zeros_like", "ones_like", "nn.softmax", "nn.log_softmax", "exp", "transpose", "maximum"),
        *("minimum", "clip_by_value", "abs"),
    )
}
_TESTS = {
    f"tensorflow.{name}"
    for name in (
        *("not_equal", "equal", "greater", "greater_equal", "less", "less_equal"),
        *("logical_not", "logical_and", "logical_or"),
    )
}
_LISTS = {"tensorflow.unstack", "tensorflow.split", "tensorflow.unpack"}
_NEVER_EMPTY = ("tensorflow.maximum",)

Evaluate = Callable[[cst.BaseExpression], Value]


def code(node: cst.CSTNode) -> str:
    """The code of a node on one line."""
    text = cst.Module([]).code_for_node(node)
    if "\n" in text or "\r" in text:
        return ast.unparse(ast.parse(f"({text}\n)", mode="eval"))
    return text


def grouped(text: str) -> str:
    """An expression as an operand: in brackets unless it is a name, a number or a call."""
    node = ast.parse(text, mode="eval").body
    if isinstance(node, ast.Name | ast.Attribute | ast.Constant | ast.Call | ast.Subscript):
        return text
    try:
        inner = ast.parse(text[1:-1], mode="eval").body
    except SyntaxError:
        return f"({text})"
    return text if ast.dump(inner) == ast.dump(node) else f"({text})"


def unknown(node: cst.BaseExpression) -> Thing:
    text = code(node)
    return Thing(text=text, root=text)


def argument(call: cst.Call, position: int, *names: str) -> cst.BaseExpression | None:
    """An argument of a call, by position or by one of its names; None where it is absent."""
    for arg in call.args:
        if arg.keyword is not None and arg.keyword.value in names:
            return arg.value
    plain = [arg for arg in call.args if arg.keyword is None and not arg.star]
    return plain[position].value if position < len(plain) else None


def of_call(call: cst.Call, name: str | None, evaluate: Evaluate) -> Thing:
    """What `name(...)` returns; `evaluate` tells of its arguments."""
    plain = unknown(call)
    first = argument(call, 0, "x", "value", "tensor", "input", "labels", "lengths", "shape", "dims")
    if name is None or first is None:
        if name == "tensorflow.trainable_variables":
            return dataclasses.replace(plain, variables=True)
        return plain
    given = evaluate(first)
    if not isinstance(given, Thing):
        return plain
    if name in CASTS:
        asked = argument(call, 1, "dtype")
        dtype = _dtype(asked, absent=given.dtype or _literal_dtype(first))
        if "float" in name:
            dtype = "float"
        rank, numbers = _literal(first)
        if numbers:
            given = dataclasses.replace(given, rank=rank, numbers=numbers, constant=True)
        return dataclasses.replace(given, kind="tensor", dtype=dtype)
    return _built(call, name, first, given, plain)


def _built(
    call: cst.Call, name: str, first: cst.BaseExpression, given: Thing, plain: Thing
) -> Thing:
    tensor = dataclasses.replace(plain, kind="tensor")
    if name in _FILLED:
        place = 1 if name in ("tensorflow.zeros", "tensorflow.ones") else 9
        filled = _dtype(argument(call, place, "dtype"), absent="float")
        constant = "random" in name
        return dataclasses.replace(tensor, rank=_size(first), dtype=filled, constant=constant)
    if name in ("tensorflow.constant", "numpy.array"):
        rank, numbers = _literal(first)
        dtype = _dtype(argument(call, 1, "dtype"), absent=_literal_dtype(first))
        return dataclasses.replace(
            tensor, rank=rank, numbers=numbers, dtype=dtype, constant=True, size=_size(first)
        )
    if name == "tensorflow.sequence_mask":
        masked_by = _dtype(argument(call, 2, "dtype"), absent="bool")
        return dataclasses.replace(tensor, rank=2, dtype=masked_by, lengths=given.root)
    if name == "tensorflow.reshape":
        shape = argument(call, 1, "shape")
        rank = _size(shape) if shape is not None else None
        return dataclasses.replace(
            tensor,
            rank=rank,
            dtype=given.dtype,
            constant=given.constant,
            flattened=True,
            picked=given.picked,
        )
    if name == "tensorflow.one_hot":
        rank = None if given.rank is None else given.rank + 1
        hot = dataclasses.replace(tensor, rank=rank, constant=given.constant, one_hot=True)
        return dataclasses.replace(hot, dtype=_dtype(argument(call, 5, "dtype"), absent="float"))
    if name == "tensorflow.placeholder":
        shape = argument(call, 1, "shape")
        rank = _size(shape) if shape is not None else None
        return dataclasses.replace(tensor, rank=rank, dtype=_dtype(first))
    if name in _LISTS:
        return dataclasses.replace(plain, kind="list")
    if name in _TESTS:
        return dataclasses.replace(tensor, rank=given.rank, dtype="bool")
    if name in _LIKE:
        kept = dataclasses.replace(tensor, rank=given.rank, constant=given.constant)
        if name in _NEVER_EMPTY and (given.sum_of or given.mean_of):
            sums = dataclasses.replace(kept, sum_of=given.sum_of, mean_of=given.mean_of)
            return dataclasses.replace(sums, axis=given.axis, safe=True)
        return kept
    return plain


def of_display(node: cst.BaseExpression) -> Thing | None:
    """A list, a tuple, a comprehension, a comparison."""
    plain = unknown(node)
    if isinstance(node, cst.SimpleString) and isinstance(node.evaluated_value, str):
        return dataclasses.replace(plain, string=node.evaluated_value)
    if isinstance(node, cst.List | cst.Tuple):
        return dataclasses.replace(plain, kind="list", size=len(node.elements))
    if isinstance(node, cst.ListComp):
        return dataclasses.replace(plain, kind="list")
    if isinstance(node, cst.Comparison):
        return dataclasses.replace(plain, dtype="bool")
    if (
        isinstance(node, cst.BinaryOperation)
        and isinstance(node.operator, cst.Multiply)
        and isinstance(node.left, cst.List)
    ):
        return dataclasses.replace(plain, kind="list")
    return None


def axis_of(call: cst.Call) -> str:
    """ "all", "time", "batch" or "unknown"."""
    node = argument(call, 1, "axis", "reduction_indices")
    if node is None or (isinstance(node, cst.Name) and node.value == "None"):
        return "all"
    axes = code(node).strip("[](), ").replace(" ", "")
    return {"1": "time", "-1": "time", "0": "batch", "0,1": "all", "1,0": "all"}.get(
        axes, "unknown"
    )


def _dtype(node: cst.BaseExpression | None, absent: str | None = None) -> str | None:
    """The class of a dtype as written: `tf.int32`, `np.bool_`, `"float32"`."""
    if node is None:
        return absent
    last = code(node).strip("\"'").rpartition(".")[2]
    return next((kind for kind in ("bool", "float", "int") if kind in last), None)


def _literal(node: cst.BaseExpression) -> tuple[int | None, tuple[float, ...]]:
    """Rank of a nested list and the numbers in it; a name in it may have a rank of its own."""
    rank = 0
    inner: cst.BaseExpression = node
    while isinstance(inner, cst.List | cst.Tuple):
        rank += 1
        if not inner.elements:
            break
        inner = inner.elements[0].value
    numbers = tuple(_numbers(ast.parse(code(node), mode="eval").body))
    return (rank or None) if numbers else None, numbers


def _literal_dtype(node: cst.BaseExpression) -> str | None:
    """The class of dtype that a list of literals becomes."""
    inner = ast.walk(ast.parse(code(node), mode="eval").body)
    if not isinstance(node, cst.List | cst.Tuple):
        return None
    kinds = {type(each.value).__name__ for each in inner if isinstance(each, ast.Constant)}
    return next((kind for kind in ("float", "int", "bool") if kind in kinds), None)


def _numbers(node: ast.AST) -> Iterator[float]:
    if isinstance(node, ast.List | ast.Tuple):
        for element in node.elts:
            yield from _numbers(element)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield from (-number for number in _numbers(node.operand))
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield float(node.value)


def _size(node: cst.BaseExpression) -> int | None:
    if not isinstance(node, cst.List | cst.Tuple):
        return None
    starred = any(isinstance(each, cst.StarredElement) for each in node.elements)
    return None if starred else len(node.elements)
