"""The same number from our API, as a line of code with the arguments of the call."""

import dataclasses
from collections.abc import Callable

import libcst as cst

from pipeline.migrate import tensors
from pipeline.migrate.calls import masked_logits
from pipeline.migrate.catalogue import FLAGS, Family
from pipeline.migrate.denominators import Outcome, reductions
from pipeline.migrate.inputs import is_number
from pipeline.migrate.values import Kind, LossCall, Thing, Use
from pipeline.migrate.verdicts import Problem

RAISES = "the original raises"
_RAISES = {
    *("arguments", "flags", "weights-none", "number-weights", "bool-weights", "int-weights"),
    *("not-tensors", "one-hot", "rank"),
}


@dataclasses.dataclass(frozen=True)
class Line:
    """A line of code, and a remark to print behind it."""

    code: str
    remark: str = ""


@dataclasses.dataclass(frozen=True)
class Equivalents:
    """What to write instead.

    Attributes:
      same: the same number.
      better: what we recommend.
      none: why there is no line for the same number.
    """

    same: Line | None = None
    better: Line | None = None
    none: str = ""


def equivalents(call: LossCall, outcome: Outcome, found: list[Problem], tf: str) -> Equivalents:
    """Ours for a call with its problems; `tf` is what the source calls TensorFlow."""
    family = call.function.family
    if call.how == "mention":
        return _mentioned(call)
    if any(problem.code in _RAISES for problem in found):
        better = None if "rank" in {p.code for p in found} else _better(call, outcome, tf)
        return Equivalents(none=RAISES, better=better)
    if family is Family.LOSSES:
        return _weighted(call, outcome)
    if family is Family.TOKENS and call.how != "compile":
        return _token_losses(call, tf)
    if family is Family.KERAS_CLASS or call.how == "compile":
        return _keras_class(call, outcome)
    if family is Family.ADDONS_CLASS:
        return _addons_class(call, outcome)
    if family is Family.BUCKETS:
        return Equivalents(none="a whole model: only its loss has an equivalent, for each bucket")
    callee = exact_callee(call)
    if callee is None:
        return Equivalents(
            none="tensors where the original takes lists", better=_better(call, outcome, tf)
        )
    same = Line(f"{callee}({_verbatim(call.node)})", _remark(call))
    return Equivalents(same, _better(call, outcome, tf))


def exact_callee(call: LossCall) -> str | None:
    """Ours with the parameters and the result of the original, for the arguments of this call."""
    function = call.function
    tensors_given = any(
        call.things[name].kind == "tensor"
        for name in ("logits", "targets", "weights")
        if name in call.things
    )
    if function.lists and tensors_given:
        return "sequence_loss_by_example" if function.family is Family.BY_EXAMPLE else None
    return function.exact


def class_arguments(call: LossCall, outcome: Outcome) -> str | None:
    """Arguments of our `SequenceLoss` for those of Addons' class, if there are any."""
    if outcome.reduction is None or call.given.unknown:
        return None
    others = ("softmax_loss_function", "name")
    rest = [f"{n}={call.given.code[n]}" for n in others if n in call.given.code]
    return ", ".join([f'reduction="{outcome.reduction}"', *rest])


def _remark(call: LossCall) -> str:
    if call.function.family is Family.CONTRIB and call.given.flag("sum_over_batch", False) is False:
        return "TF 1.0 to 1.13: add epsilon=1e-12"
    return ""


def _mentioned(call: LossCall) -> Equivalents:
    exact = call.function.exact
    if exact is None or isinstance(call.node, cst.Call):
        return Equivalents(none="not called here")
    return Equivalents(Line(exact, "not called here"))


def _verbatim(node: cst.BaseExpression) -> str:
    if not isinstance(node, cst.Call):
        return ""
    found = []
    for arg in node.args:
        key = f"{arg.keyword.value}=" if arg.keyword is not None else arg.star
        found.append(key + tensors.code(arg.value))
    return ", ".join(found)


def _better(call: LossCall, outcome: Outcome, tf: str) -> Line | None:
    """`sequence_loss` with a reduction by name, for the functions of TF 1 and Addons."""
    family, given = call.function.family, call.given
    if family is Family.ADDONS_CLASS:
        return Line("SequenceLoss()", "sum(w*loss) / sum(w)")
    if call.one_step:
        return None
    if any(name not in given.code for name in ("logits", "targets", "weights")):
        return None
    names = ("logits", "targets", "weights")
    tensors_given = any(call.things[n].kind == "tensor" for n in names if n in call.things)
    stack = call.function.lists and call.function.exists and not tensors_given
    parts = [_tensor(call, name, tf, stack=stack) for name in names]
    if given.code["weights"] in ("None", "1", "1.0"):
        parts.pop()
    elif is_number(given.code["weights"]):
        return None
    rest = _custom(call)

    def line(reduction: str, remark: str = "", around: str = "{}") -> Line:
        arguments = ", ".join([*parts, f'reduction="{reduction}"', *rest])
        return Line(around.format(f"sequence_loss({arguments})"), remark)

    if outcome.refused:
        return line("token_mean", "sum(w*loss) / sum(w)")
    if family in (Family.LEGACY, Family.BY_EXAMPLE):
        return _better_legacy(call, outcome, tf, line)
    if outcome.reduction == "nonzero_mean":
        return line("token_mean", 'sum(w*loss) / sum(w); "token_sum" is a sum')
    if outcome.reduction is not None:
        return line(outcome.reduction)
    if outcome.shape == "[B]" and not outcome.unknown:
        return line("per_example_sum", 'a sum; "per_example" is the mean')
    return None


def _better_legacy(call, outcome, tf, line) -> Line | None:  # type: ignore[no-untyped-def]
    later = reductions(call)
    if call.function.family is Family.LEGACY:
        if outcome.reduction is not None:
            return line(outcome.reduction)
        if outcome.unknown:
            return None
        if "not divided by B" in outcome.formula:
            return line("per_example", "", f"{tf}.reduce_sum({{}})")
        return line("example_mean", "empty sequences are not counted")
    if outcome.reduction is None:
        return None
    if later and later[0].kind is Kind.ROWS_MEAN:
        which = "example_mean" if outcome.reduction == "per_example" else "batch_mean"
        remark = f"with the mean of line {later[0].line}; every token one vote: token_mean"
        return line(which, remark)
    if later and later[0].kind is Kind.ROWS_SUM and outcome.reduction == "per_example_sum":
        return line("token_sum", f"with the sum of line {later[0].line}")
    return line(outcome.reduction)


def _tensor(call: LossCall, name: str, tf: str, *, stack: bool) -> str:
    """An argument as a tensor [B, T, ...]: a list of steps is stacked, an unstack is undone."""
    node, thing = call.given.nodes[name], call.things.get(name)
    if isinstance(node, cst.Call) and tensors.code(node.func).endswith((".unstack", ".unpack")):
        inner = tensors.argument(node, 0, "value")
        axis = tensors.argument(node, 2, "axis")
        if inner is not None and axis is not None and tensors.code(axis) == "1":
            return tensors.code(inner)
    listed = thing is not None and thing.kind == "list"
    if listed or stack:
        return f"{tf}.stack({tensors.code(node)}, axis=1)"
    return tensors.code(node)


def _custom(call: LossCall) -> list[str]:
    text = call.given.code.get("softmax_loss_function", "None")
    return [] if text == "None" else [f"softmax_loss_function={text}"]


def _addons_class(call: LossCall, outcome: Outcome) -> Equivalents:
    arguments = class_arguments(call, outcome)
    if arguments is not None:
        remark = 'or "token_mean", normalised' if outcome.reduction == "nonzero_mean" else ""
        return Equivalents(Line(f"SequenceLoss({arguments})", remark))
    if call.given.unknown or outcome.unknown:
        return Equivalents(none="its flags are not known")
    defaults = (False, False, True, True)
    flags = [f"{n}={call.given.flag(n, d)}" for n, d in zip(FLAGS, defaults, strict=True)]
    inner = ", ".join(["y_pred", "y_true", "sample_weight", *flags, *_custom(call)])
    code = f"lambda y_true, y_pred, sample_weight: compat.addons_sequence_loss({inner})"
    return Equivalents(Line(code))


def _weighted(call: LossCall, outcome: Outcome) -> Equivalents:
    """`tf.losses` with weights of each token."""
    given = call.given.code
    targets = given.get("labels", given.get("onehot_labels"))
    if call.given.unknown or outcome.unknown or targets is None or "logits" not in given:
        return Equivalents(none="its arguments are not known")
    base = [given["logits"], targets, given["weights"]]
    rest = []
    if given.get("label_smoothing", "0") not in ("0", "0.0"):
        rest.append(f"label_smoothing={given['label_smoothing']}")

    def line(reduction: str, remark: str = "") -> Line:
        arguments = ", ".join([*base, f'reduction="{reduction}"', *rest])
        return Line(f"sequence_loss({arguments})", remark)

    better = line("token_mean", "sum(w*loss) / sum(w)")
    if outcome.reduction is None:
        return Equivalents(none="no reduction of ours divides by B*T", better=better)
    same = line(outcome.reduction, "weights broadcast to [B, T] first, ours take [B, T] only")
    return Equivalents(same, None if outcome.reduction == "token_mean" else better)


def _keras_class(call: LossCall, outcome: Outcome) -> Equivalents:
    given = call.given
    if given.unknown or outcome.unknown:
        return Equivalents(none="its arguments are not known")
    options = _keras_options(given.code)
    if options is None:
        return Equivalents(none="ignore_class and axis have no counterpart: give weights")
    if call.used(Kind.PICKED):
        better = Line(f"SequenceLoss({', '.join(options)})", "the mask as sample_weight")
        return Equivalents(none="ours takes the tensors before the mask", better=better)
    if outcome.reduction is not None:
        arguments = ", ".join([f'reduction="{outcome.reduction}"', *options])
        return Equivalents(Line(f"SequenceLoss({arguments})"))
    better = Line(
        f"SequenceLoss({', '.join(options)})",
        "sum(w*loss) / sum(w), with sample_weight the weights",
    )
    return Equivalents(none="no reduction of ours divides by B*T", better=better)


def _keras_options(given: dict[str, str]) -> list[str] | None:
    """Our keyword arguments for those of a loss of Keras; None where one has no counterpart."""
    if given.get("ignore_class", "None") != "None" or given.get("axis", "-1") != "-1":
        return None
    options = []
    if given.get("from_logits", "False") != "True":
        options.append(f"from_logits={given.get('from_logits', 'False')}")
    if given.get("label_smoothing", "0") not in ("0", "0.0"):
        options.append(f"label_smoothing={given['label_smoothing']}")
    return options


def _token_losses(call: LossCall, tf: str) -> Equivalents:
    """Token losses and the reduction that the source makes of them by hand."""
    given = call.maker.given.code if call.maker else call.given.code
    options = _keras_options(given) if call.function.keras else []
    logits = call.given.code.get("y_pred", call.given.code.get("logits"))
    targets = call.given.code.get("y_true", call.given.code.get("labels"))
    if options is None:
        return Equivalents(none="ignore_class and axis have no counterpart: give weights")
    if call.given.unknown or logits is None or targets is None:
        return Equivalents(none="its arguments are not known")
    flattened = any(thing.flattened or thing.rank == 2 for thing in _predictions(call))
    if flattened:
        return Equivalents(none="the flattened tokens: give it the tensors [B, T, V] and [B, T]")
    if call.picked is not None:
        logits, targets = call.picked.logits, call.picked.targets
    if logits is None or targets is None:
        return Equivalents(none="the masked tokens: give it the tensors before the mask, and it")
    steps = reductions(call)
    by_logits = masked_logits(call)
    if by_logits is not None:
        whole, mask = by_logits
        arguments = ", ".join([whole, targets, mask, 'reduction="token_mean"', *options])
        better = Line(
            f"sequence_loss({arguments})", "sum(w*loss) / sum(w), with the mask as weights"
        )
        return Equivalents(none="masked tokens count in it", better=better)
    last = next((use for use in reversed(steps) if use.weights is not None), None)
    weights = last.weights if last else call.things.get("sample_weight")
    if call.picked is not None and last is None:
        weights = call.picked.mask
    if isinstance(weights, Thing) and weights.kind == "product":
        return Equivalents(none="two weights: multiply them and give their product")
    base = [logits, targets, *([weights.text] if isinstance(weights, Thing) else [])]
    sparse = "sparse" in call.function.name.lower()
    axes = (", [1, 0, 2]", "" if sparse else ", [1, 0, 2]", "")

    def loss(reduction: str, around: Callable[[str, str], str] | None = None) -> str:
        given = base if around is None else map(around, base, axes)
        arguments = ", ".join([*given, f'reduction="{reduction}"', *options])
        return f"sequence_loss({arguments})"

    clipped = (
        "where probabilities sum to 1 and exceed 1e-7" if "from_logits=False" in options else ""
    )
    if not steps and call.picked is not None:
        better = Line(loss("token_mean"), "sum(w*loss) / sum(w)")
        return Equivalents(none="ours keep [B, T]: 0 where masked", better=better)
    if not steps:
        plain = Line(f"token_cross_entropy({', '.join([logits, targets, *options])})", clipped)
        if weights is not None:
            plain = Line(loss("none"), clipped)
        return Equivalents(
            plain, Line(loss("token_mean"), "with weights [B, T], if there are pads")
        )
    return _reduced(steps, loss, tf, clipped)


def _predictions(call: LossCall) -> list[Thing]:
    return [call.things[name] for name in ("y_pred", "logits") if name in call.things]


def _reduced(steps: list[Use], loss, tf: str, clipped: str) -> Equivalents:  # type: ignore[no-untyped-def]
    kinds, last = [use.kind for use in steps], steps[-1]
    zero = "up to the epsilon" if last.safe else "0, not NaN, when all is masked"
    if last.weights is not None and last.weights.normalised:
        zero = ""
    token_mean = Line(loss("token_mean"), "sum(w*loss) / sum(w)")
    divided = f"{loss('token_sum')} / {last.divisor and tensors.grouped(last.divisor)}"
    if last.no_nan:
        divided = f"{tf}.math.divide_no_nan({loss('token_sum')}, {last.divisor})"
    of_none = f"{tf}.reduce_mean({loss('none')})"
    swapped = loss("per_example", lambda text, axes: f"{tf}.transpose({text}{axes})")
    table: dict[tuple[Kind, ...], tuple[str, str, Line | None]] = {
        (Kind.COLUMNS_OVER_WEIGHTS,): (swapped, "0, not NaN, where all is masked", token_mean),
        (Kind.MASKED_MEAN,): (loss("token_mean"), zero, None),
        (Kind.OVER_WEIGHTS,): (loss("token_mean"), zero, None),
        (Kind.OVER_NONZERO,): (loss("nonzero_mean"), "", token_mean),
        (Kind.SUM,): (loss("token_sum"), "", token_mean),
        (Kind.ROW_SUM,): (loss("per_example_sum"), "", None),
        (Kind.ROW_SUMS_MEAN,): (loss("batch_mean"), "", token_mean),
        (Kind.ROWS_OVER_WEIGHTS,): (loss("per_example"), "", None),
        (Kind.ROWS_OVER_WEIGHTS, Kind.ROWS_MEAN): (
            f"{tf}.reduce_mean({loss('per_example')})",
            "",
            Line(loss("example_mean"), "empty sequences are not counted"),
        ),
        (Kind.OVER_LENGTHS,): (
            divided,
            "",
            Line(loss("token_mean"), 'or "length_mean" with target_lengths, cut at T'),
        ),
        (Kind.OVER_OTHER,): (divided, "", token_mean),
        (Kind.MEAN_ALL,): (of_none, "", token_mean),
        (Kind.MEAN_TIME, Kind.ROWS_MEAN): (of_none, "", token_mean),
        (Kind.MEAN_TIME,): (
            f"{tf}.reduce_mean({loss('none')}, axis=1)",
            "",
            Line(loss("per_example"), "sum_t(w*loss) / sum_t(w)"),
        ),
    }
    if tuple(kinds) not in table:
        return Equivalents(none="nothing of ours reduces so", better=token_mean)
    code, remark, better = table[tuple(kinds)]
    return Equivalents(Line(code, "; ".join(filter(None, (remark, clipped)))), better)
