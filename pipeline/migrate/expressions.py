"""What the expressions of a module evaluate to, as far as losses are concerned."""

import dataclasses
from collections.abc import Callable
from typing import Any

import libcst as cst

from pipeline.migrate import calls, picked, tensors, weighted
from pipeline.migrate.catalogue import COMPUTE_WEIGHTED, Family
from pipeline.migrate.denominators import CALLS
from pipeline.migrate.names import Names, Reference
from pipeline.migrate.recorder import Frame, Recorder
from pipeline.migrate.reducing import Reducing
from pipeline.migrate.values import (
    Given,
    Kind,
    Local,
    Loss,
    Maker,
    Named,
    Stage,
    Tape,
    Thing,
    Value,
)

_MEANS = {"tensorflow.reduce_mean", "tensorflow.mean", "keras.backend.mean"}
_SUMS = {"tensorflow.reduce_sum", "tensorflow.sum", "keras.backend.sum"}
_PRODUCTS = {"tensorflow.multiply", "tensorflow.mul"}
_QUOTIENTS = {
    f"tensorflow.{name}"
    for name in ("divide", "div", "truediv", "realdiv", "div_no_nan", "divide_no_nan")
}
_MASKS = {"tensorflow.boolean_mask", "tensorflow.ragged.boolean_mask"}
_GET = "keras.losses.get"
_KEPT = {*tensors.CASTS, "tensorflow.reshape", "tensorflow.Print"}


class Expressions:
    """Evaluates expressions, each once, and records the calls of the catalogue on the way.

    `frame` is where the walk is; `run_local` walks a function of the file and says what it returns.
    """

    def __init__(
        self, names: Names, recorder: Recorder, run_local: Callable[[Local], Value | None]
    ) -> None:
        self.frame = Frame()
        self._names = names
        self._recorder = recorder
        self._run_local = run_local
        self._rules = Reducing(recorder.calls)
        self._values: dict[cst.CSTNode, Value] = {}

    def evaluate(self, node: cst.BaseExpression) -> Value:
        """The value of an expression; everything inside it is looked at, once."""
        if node not in self._values:
            self._values[node] = self._evaluate(node)
        return self._values[node]

    def visit_children(self, node: cst.CSTNode) -> None:
        """Evaluate all expressions below a node."""
        for child in node.children:
            if isinstance(child, cst.BaseExpression):
                self.evaluate(child)
            else:
                self.visit_children(child)

    def augmented(self, node: cst.AugAssign) -> Value | None:
        """The value of `name *= ...` and its like."""
        return self._operation(node, node.target, node.operator, node.value)

    def _evaluate(self, node: cst.BaseExpression) -> Value:
        if isinstance(node, cst.Call):
            return self._call(node)
        if isinstance(node, cst.Name | cst.Attribute):
            return self._named(node)
        if isinstance(node, cst.BinaryOperation):
            known = self._operation(node, node.left, node.operator, node.right)
            return known or tensors.of_display(node) or tensors.unknown(node)
        self.visit_children(node)
        return tensors.of_display(node) or tensors.unknown(node)

    def _named(self, node: cst.Name | cst.Attribute) -> Value:
        text = tensors.code(node)
        if text in self.frame.env:
            return self.frame.env[text]
        reference = self._names.reference(node)
        if reference is not None:
            self._recorder.mentioned.append(reference)
        elif isinstance(node, cst.Attribute):
            self.evaluate(node.value)
        return Thing(text=text, root=text)

    def _operation(
        self, node: cst.CSTNode, one: cst.BaseExpression, operator: Any, two: cst.BaseExpression
    ) -> Value | None:
        """`one operator two`; None where it is nothing special."""
        left, right = self.evaluate(one), self.evaluate(two)
        if isinstance(operator, cst.Multiply | cst.MultiplyAssign):
            return self._product(left, right) or self._scaled(node, left, right)
        if isinstance(operator, cst.Divide | cst.DivideAssign):
            line = self._recorder.line(node)
            return self._quotient(left, right, two, line, no_nan=False) or self._scaled(
                node, left, right
            )
        if (
            isinstance(operator, cst.Add)
            and isinstance(left, Thing)
            and (left.sum_of or left.mean_of)
        ):
            # sum(mask) + 1e-8
            return dataclasses.replace(left, safe=True)
        return _mixed(left, right)

    def _scaled(self, node: cst.CSTNode, *values: Value) -> Value | None:
        """A loss times or divided by something, where that is no mean that has a name."""
        for value in values:
            if isinstance(value, Loss):
                self._recorder.note(value, Kind.SCALED, node)
        return _mixed(*values)

    def _product(self, left: Value, right: Value) -> Value | None:
        if isinstance(right, Loss) and isinstance(left, Thing):
            left, right = right, left
        if isinstance(left, Loss) and isinstance(right, Thing):
            return self._rules.weigh(left, right)
        return None

    def _quotient(
        self, left: Value, right: Value, divisor: cst.BaseExpression, line: int, *, no_nan: bool
    ) -> Value | None:
        if isinstance(left, Loss) and isinstance(right, Thing):
            return self._rules.divide(left, right, tensors.code(divisor), line, no_nan=no_nan)
        if isinstance(left, Thing) and isinstance(right, Thing) and right.sum_of == left.root:
            text = f"{tensors.grouped(left.text)} / {tensors.code(divisor)}"
            safe = right.safe or no_nan
            return Thing(text=text, root=text, kind="tensor", normalised=right.axis, safe=safe)
        return None

    def _call(self, node: cst.Call) -> Value:
        func = node.func
        callee = self.evaluate(func) if isinstance(func, cst.Call) else None
        callee = callee or self.frame.env.get(tensors.code(func))
        reference = None if isinstance(callee, Local) else self._names.reference(func)
        if reference is not None:
            return self._catalogued(node, reference)
        if isinstance(callee, Named):
            return self._catalogued(node, callee.reference)
        if isinstance(callee, Maker):
            return self._object_call(node, callee.call)
        name = self._names.name(func)
        if name == _GET and (got := self._got(node)) is not None:
            return got
        if name != "functools.partial" or not self._partial(node):
            self._arguments(node)
        if isinstance(callee, Local):
            return self._run_local(callee) or tensors.unknown(node)
        known = self._known(node, name) or self._method(node)
        known = known or picked.of_call(node, name, self.evaluate, self.frame.env)
        return known or tensors.of_call(node, name, self.evaluate)

    def _arguments(self, node: cst.Call) -> None:
        compiles = isinstance(node.func, cst.Attribute) and node.func.attr.value == "compile"
        named = [a for a in node.args if a.keyword is not None and a.keyword.value == "loss"]
        second = [a for a in node.args[1:2] if a.keyword is None and not a.star]
        loss = next(iter((*named, *second)), None)
        for arg in node.args:
            if compiles and arg is loss:
                self._compiled(arg.value)
            else:
                self.evaluate(arg.value)

    def _compiled(self, node: cst.BaseExpression) -> None:
        """The losses of `compile(loss=...)`: one, or a list or dictionary of them."""
        if isinstance(node, cst.Dict | cst.List | cst.Tuple):
            for element in node.elements:
                self._compiled(element.value)
            return
        mention = isinstance(node, cst.Name | cst.Attribute)
        reference = self._names.reference(node) if mention else None
        got = isinstance(node, cst.Call) and self._names.name(node.func) == _GET
        value = self.evaluate(node) if got else self.frame.env.get(tensors.code(node))
        if not self._recorder.compiled(node, value, reference, self.frame):
            self.evaluate(node)

    def _catalogued(self, node: cst.Call, reference: Reference) -> Value:
        for arg in node.args:
            self.evaluate(arg.value)
        given = calls.bind(node, reference.function)
        values = {name: self.evaluate(value) for name, value in given.nodes.items()}
        index = self._recorder.record(node, reference, "call", given, values, self.frame)
        call = self._recorder.calls[index]
        return calls.result(call, index, self.frame.tape) or tensors.unknown(node)

    def _got(self, node: cst.Call) -> Value | None:
        """`keras.losses.get("...")`: a function, or a loss object made here."""
        first = tensors.argument(node, 0, "identifier")
        value = self.evaluate(first) if first is not None else None
        reference = calls.named_loss(first, value) if first is not None else None
        if reference is None or not isinstance(first, cst.BaseExpression):
            return None
        if reference.function.family is not Family.KERAS_CLASS:
            return Named(reference)
        index = self._recorder.record(node, reference, "call", Given({}, {}), {}, self.frame)
        return Maker(index)

    def _partial(self, node: cst.Call) -> bool:
        """`functools.partial(function, ...)` of a function that is looked for."""
        reference = self._names.reference(node.args[0].value) if node.args else None
        if reference is None or reference.function.keras:
            return False
        rest = node.with_changes(args=node.args[1:])
        given = calls.bind(rest, reference.function)
        given = dataclasses.replace(given, unknown=CALLS)
        values = {name: self.evaluate(value) for name, value in given.nodes.items()}
        self._recorder.record(node, reference, "mention", given, values, self.frame)
        return True

    def _object_call(self, node: cst.Call, made: int) -> Value:
        function = dataclasses.replace(
            self._recorder.calls[made].function, parameters=("y_true", "y_pred", "sample_weight")
        )
        given = calls.bind(node, function)
        values = {name: self.evaluate(value) for name, value in given.nodes.items()}
        return self._recorder.object_call(node, made, given, values, self.frame)

    def _known(self, node: cst.Call, name: str | None) -> Value | None:
        """Reductions, products and divisions of losses; sums of other things."""
        first = tensors.argument(node, 0, "input_tensor", "x", "tensor", "inputs", "losses")
        if name is None or first is None:
            return None
        value, line = self.evaluate(first), self._recorder.line(node)
        if name == "tensorflow.where" and len(node.args) == 3:
            kept = self.evaluate(node.args[1].value)
            return (self._product(kept, value) or kept) if isinstance(kept, Loss) else None
        second = tensors.argument(node, 1, "y", "x2")
        if name in _PRODUCTS and second is not None:
            return self._product(value, self.evaluate(second))
        if name in _QUOTIENTS and second is not None:
            no_nan = "no_nan" in name
            return self._quotient(value, self.evaluate(second), second, line, no_nan=no_nan)
        if isinstance(value, Loss) and name == "tensorflow.losses.compute_weighted_loss":
            given = calls.bind(node, COMPUTE_WEIGHTED)
            by = given.nodes.get("weights") if weighted.has_weights(given) else None
            known = self.evaluate(by) if by is not None else None
            if known is None or isinstance(known, Thing):
                reduction = weighted.reduction(given)
                return self._rules.weighted(value, known, reduction, line) or _mixed(value)
        if isinstance(value, Loss):
            return self._reduced(node, name, value)
        if name in _MEANS and isinstance(value, Thing):
            plain = tensors.unknown(node)
            return dataclasses.replace(plain, mean_of=value.root, axis=tensors.axis_of(node))
        if name in _SUMS and isinstance(value, Thing):
            plain = tensors.unknown(node)
            return dataclasses.replace(plain, sum_of=value.root, axis=tensors.axis_of(node))
        return None

    def _reduced(self, node: cst.Call, name: str, loss: Loss) -> Value | None:
        line, axis = self._recorder.line(node), tensors.axis_of(node)
        value: Value | None = None
        if name in _MEANS:
            value = self._rules.mean(loss, axis, line)
        elif name in _SUMS:
            value = self._rules.sum(loss, axis, line)
        elif name in _MASKS:
            mask = tensors.argument(node, 1, "mask")
            weights = self.evaluate(mask) if mask is not None else None
            if isinstance(weights, Thing):
                value = self._rules.weigh(loss, weights, masks=True)
        elif name in _KEPT:
            value = loss
        return value or _mixed(loss)

    def _method(self, node: cst.Call) -> Value | None:
        """`tape.gradient(loss, variables)`, `loss.numpy()`, `array.astype(dtype)`."""
        if not isinstance(node.func, cst.Attribute):
            return None
        owner, name = self.evaluate(node.func.value), node.func.attr.value
        if isinstance(owner, Tape) and name == "gradient":
            self._gradient(node, owner)
        elif isinstance(owner, Loss) and name == "numpy":
            self._recorder.note(owner, Kind.NUMPY, node)
        elif isinstance(owner, Thing) and name == "astype":
            return owner
        return None

    def _gradient(self, node: cst.Call, tape: Tape) -> None:
        target = tensors.argument(node, 0, "target")
        sources = tensors.argument(node, 1, "sources")
        loss = self.evaluate(target) if target is not None else None
        if not isinstance(loss, Loss):
            return
        self._recorder.note(loss, Kind.GRADIENT, node)
        if loss.tape is not tape.block:
            self._recorder.note(loss, Kind.OUTSIDE_TAPE, node)
        variables = self.evaluate(sources) if sources is not None else None
        if isinstance(variables, Thing) and variables.variables:
            self._recorder.note(loss, Kind.NO_VARIABLES, node)


def _mixed(*values: Value) -> Value | None:
    """A loss with something else done to it: still that loss, no longer a known mean of it."""
    for value in values:
        if isinstance(value, Loss):
            return dataclasses.replace(value, stage=Stage.OTHER, pending=None)
    return None
