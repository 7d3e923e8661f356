"""The calls of a function of the catalogue: which arguments they give, where they are."""

import libcst as cst

from pipeline.migrate import tensors
from pipeline.migrate.catalogue import FUNCTIONS, Family, Function
from pipeline.migrate.names import Reference
from pipeline.migrate.values import Given, Loss, LossCall, Maker, Stage, Thing, Value

_KERAS_OPTIONS = ("axis", "reduction", "name", "dtype")
_BY_NAME = {name.rpartition(".")[2]: name for name in FUNCTIONS if name.startswith("keras.losses")}


def bind(call: cst.Call, function: Function) -> Given:
    """The arguments of a call by the names of the function's parameters."""
    nodes: dict[str, cst.BaseExpression] = {}
    positions = list(function.parameters)
    unknown = error = None
    for arg in call.args:
        if arg.star:
            unknown = unknown or f"{arg.star}{tensors.code(arg.value)}"
        elif arg.keyword is None:
            if unknown is None and positions:
                nodes[positions.pop(0)] = arg.value
            elif unknown is None:
                error = f"takes {len(function.parameters)} arguments at most"
        else:
            name = arg.keyword.value
            if name in nodes:
                error = f"gets two values for {name}"
            if name not in function.parameters and not _accepts(function, name):
                error = f"has no argument {name}"
            nodes[name] = arg.value
    return Given(nodes, {name: tensors.code(n) for name, n in nodes.items()}, unknown, error)


def _accepts(function: Function, name: str) -> bool:
    return function.keras and name in _KERAS_OPTIONS


def named_loss(node: cst.BaseExpression) -> Reference | None:
    """Keras's loss that a string names."""
    if not isinstance(node, cst.SimpleString):
        return None
    value = node.evaluated_value
    name = _BY_NAME.get(value if isinstance(value, str) else "")
    return Reference(FUNCTIONS[name], node, certain=True) if name else None


def result(call: LossCall, index: int, tape: cst.With | None) -> Value | None:
    """What a call returns: a loss object, or a loss that is reduced so far."""
    family = call.function.family
    if family in (Family.ADDONS_CLASS, Family.KERAS_CLASS):
        return Maker(index)
    if family is Family.BUCKETS:
        return None
    weights = call.things.get("weights")
    stage = _stage(call)
    return Loss(
        call=index,
        stage=stage,
        tape=tape,
        weights=weights if stage is Stage.TOKENS and not call.one_step else None,
    )


def _stage(call: LossCall) -> Stage:
    family, given = call.function.family, call.given
    if family is Family.TOKENS:
        return Stage.TOKENS
    if family is Family.BY_EXAMPLE:
        return Stage.TOKENS if call.one_step else Stage.ROWS
    if family is Family.LEGACY:
        return Stage.DONE
    time = given.flag("average_across_timesteps", True)
    batch = given.flag("average_across_batch", True)
    if (time, batch) == (False, False):
        time, batch = given.flag("sum_over_timesteps", False), given.flag("sum_over_batch", False)
    stages = {
        (True, True): Stage.DONE,
        (True, False): Stage.ROWS,
        (False, True): Stage.STEPS,
        (False, False): Stage.TOKENS,
    }
    if isinstance(time, str) or isinstance(batch, str):
        return Stage.OTHER
    return stages[time, batch]


def kept(call: LossCall) -> bool:
    """Whether the call says anything about the loss of sequences.

    A cross-entropy of TensorFlow's own is any classifier's until a mask is applied to it; one of
    Keras's is told about, with an "if", unless the source shows that its predictions are [B, C].
    """
    rank = call.things.get("y_pred", Thing(text="", root="")).rank
    if call.function.family is Family.KERAS_CLASS and call.how == "call":
        return not (call.called and unreduced(call))
    if call.function.family is not Family.TOKENS or call.how == "compile":
        return True
    if call.function.keras or call.how == "object":
        return rank != 2
    return any(use.weights is not None for use in call.uses)


def unreduced(call: LossCall) -> bool:
    """Whether a Keras loss object is made with the reduction "none"."""
    reduction = call.given.code.get("reduction", "")
    return reduction.strip("\"'").rpartition(".")[2].lower() == "none"
