"""The calls of a function of the catalogue: which arguments they give, where they are."""

import dataclasses

import libcst as cst

from pipeline.migrate import tensors, weighted
from pipeline.migrate.catalogue import FUNCTIONS, Family, Function
from pipeline.migrate.names import Reference
from pipeline.migrate.values import Given, Loss, LossCall, Maker, Named, Stage, Thing, Value

_KERAS_OPTIONS = ("axis", "reduction", "name", "dtype")
_NEW_AXIS = ("None", "tf.newaxis", "np.newaxis")
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


def named_loss(node: cst.BaseExpression, value: Value | None = None) -> Reference | None:
    """Keras's loss that a string names, or a name that holds such a string."""
    if isinstance(value, Named):
        return value.reference
    value = value if isinstance(value, Thing) else tensors.of_display(node)
    name = _BY_NAME.get((value and value.string) or "")
    return Reference(FUNCTIONS[name], node, certain=True) if name else None


def result(call: LossCall, index: int, tape: cst.With | None) -> Value | None:
    """What a call returns: a loss object, or a loss that is reduced so far."""
    family = call.function.family
    if family in (Family.ADDONS_CLASS, Family.KERAS_CLASS):
        return Maker(index)
    if family is Family.BUCKETS:
        return None
    if family is Family.LOSSES:
        done = weighted.reduction(call.given) not in (None, "none")
        return Loss(call=index, stage=Stage.DONE if done else Stage.OTHER, tape=tape)
    weights = call.things.get("weights")
    if family is Family.TOKENS:
        return token_losses(call, index, tape, None)
    stage = _stage(call)
    return Loss(
        call=index,
        stage=stage,
        tape=tape,
        weights=weights if stage is Stage.TOKENS and not call.one_step else None,
    )


def token_losses(call: LossCall, index: int, tape: cst.With | None, weights: Thing | None) -> Loss:
    """Losses that are not reduced, of all tokens or of those that a mask picked."""
    if call.picked is None:
        return Loss(call=index, stage=Stage.TOKENS, tape=tape, weights=weights)
    mask = call.picked.mask
    if weights is not None:
        mask = dataclasses.replace(mask, kind="product")
    return Loss(call=index, stage=Stage.MASKED, tape=tape, weights=mask)


def _stage(call: LossCall) -> Stage:
    family, given = call.function.family, call.given
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
    if call.function.family is Family.LOSSES:
        logits = call.things.get("logits")
        return weighted.has_weights(call.given) and (logits is None or logits.rank != 2)
    if call.function.family is not Family.TOKENS or call.how == "compile":
        return True
    if call.picked is not None:
        return True
    if (call.function.keras or call.how == "object") and rank != 2:
        return True
    return masked_logits(call) is not None or any(use.weights is not None for use in call.uses)


def masked_logits(call: LossCall) -> tuple[str, str] | None:
    """Code of logits and mask, of `logits * mask[..., None]` given as logits."""
    node = call.given.nodes.get("y_pred", call.given.nodes.get("logits"))
    options = call.maker.given if call.maker else call.given
    logits = not call.function.keras or options.flag("from_logits", False) is True
    if not (
        logits
        and call.function.family is Family.TOKENS
        and isinstance(node, cst.BinaryOperation)
        and isinstance(node.operator, cst.Multiply)
    ):
        return None
    for one, two in ((node.left, node.right), (node.right, node.left)):
        if not isinstance(two, cst.Subscript):
            continue
        last = two.slice[-1].slice
        if isinstance(last, cst.Index) and tensors.code(last.value) in _NEW_AXIS:
            return tensors.code(one), tensors.code(two.value)
    return None


def unreduced(call: LossCall) -> bool:
    """Whether a Keras loss object is made with the reduction "none"."""
    reduction = call.given.code.get("reduction", "")
    return reduction.strip("\"'").rpartition(".")[2].lower() == "none"
