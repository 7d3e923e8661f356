"""The calls found so far, and the place in the code that is being walked."""

import dataclasses
from typing import Any

import libcst as cst

from pipeline.migrate import calls, picked
from pipeline.migrate.catalogue import FUNCTIONS, Family
from pipeline.migrate.denominators import CALLS
from pipeline.migrate.names import Reference
from pipeline.migrate.values import Given, Kind, Local, Loss, LossCall, Stage, Thing, Use, Value

_TOKENS = "keras.losses.sparse_categorical_crossentropy"
_OBJECT = "keras.losses.SparseCategoricalCrossentropy"


@dataclasses.dataclass
class Frame:
    """The function (or module) that is being walked.

    Attributes:
      env: what its names hold now.
      tape: the `with tf.GradientTape()` around the current statement.
      returns: what it returned so far.
      decorated: it is, or is in, a `tf.function`.
      loss_class: name of the keras `Loss` subclass whose `call` it is.
    """

    env: dict[str, Value] = dataclasses.field(default_factory=dict)
    tape: cst.With | None = None
    returns: list[Value | None] = dataclasses.field(default_factory=list)
    decorated: bool = False
    loss_class: str | None = None


class Recorder:
    """Collects the calls of one module, with the lines of a file that has `before` lines above it."""

    def __init__(self, ranges: Any, before: int = 0) -> None:
        self.calls: list[LossCall] = []
        self.mentioned: list[Reference] = []
        self._ranges = ranges
        self._before = before

    def record(
        self,
        node: cst.BaseExpression,
        reference: Reference,
        how: str,
        given: Given,
        values: dict[str, Value],
        frame: Frame,
    ) -> int:
        """Note a call; returns its index."""
        things = {name: thing for name, thing in values.items() if isinstance(thing, Thing)}
        column = self._ranges[node].start.column + 1
        call = LossCall(reference, node, how, given, things, self.line(node), column)
        custom = values.get("softmax_loss_function")
        call.custom = custom.node if isinstance(custom, Local) else None
        call.picked = picked.tokens(things, frame.env)
        call.decorated, call.loss_class = frame.decorated, frame.loss_class
        self.calls.append(call)
        return len(self.calls) - 1

    def note(self, loss: Loss, kind: Kind, node: cst.CSTNode) -> None:
        """Note something that is done with a loss."""
        self.calls[loss.call].uses.append(Use(kind=kind, line=self.line(node)))

    def line(self, node: cst.CSTNode) -> int:
        """The line of the file in which a node begins."""
        return self._before + self._ranges[node].start.line

    def mention_rest(self) -> None:
        """Record the functions that the module names without calling them, once each."""
        known = {call.reference.node for call in self.calls}
        for reference in self.mentioned:
            function = reference.function
            if reference.node in known or function.keras or function.family is Family.TOKENS:
                continue
            known.add(reference.node)
            given = Given({}, {}, unknown=CALLS)
            self.record(reference.node, reference, "mention", given, {}, Frame())

    def object_call(
        self, node: cst.Call, made: int, given: Given, values: dict[str, Value], frame: Frame
    ) -> Value:
        """A call of a loss object with `(y_true, y_pred, sample_weight)`."""
        maker = self.calls[made]
        maker.called += 1
        if not (maker.function.family is Family.KERAS_CLASS and calls.unreduced(maker)):
            if "sample_weight" not in given.nodes and given.unknown is None:
                maker.uses.append(Use(kind=Kind.NO_SAMPLE_WEIGHT, line=self.line(node)))
            things = {name: each for name, each in values.items() if isinstance(each, Thing)}
            if picked.tokens(things, frame.env) is not None:
                maker.uses.append(Use(kind=Kind.PICKED, line=self.line(node)))
            return Loss(call=made, stage=Stage.DONE, tape=frame.tape)
        function = dataclasses.replace(
            maker.function, family=Family.TOKENS, truth=FUNCTIONS[_TOKENS].truth
        )
        reference = dataclasses.replace(maker.reference, function=function)
        index = self.record(node, reference, "object", given, values, frame)
        self.calls[index].maker = maker
        weights = self.calls[index].things.get("sample_weight")
        return calls.token_losses(self.calls[index], index, frame.tape, weights)

    def compiled(
        self,
        node: cst.BaseExpression,
        value: Value | None,
        named: Reference | None,
        frame: Frame,
    ) -> bool:
        """Record a loss of Keras that `compile(loss=...)` names; False where it is none."""
        reference = calls.named_loss(node, value) or named
        if reference is None or not reference.function.keras:
            return False
        function = dataclasses.replace(reference.function, truth=FUNCTIONS[_OBJECT].truth)
        reference = dataclasses.replace(reference, function=function)
        self.record(node, reference, "compile", Given({}, {}), {}, frame)
        return True
