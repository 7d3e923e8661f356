"""What is wrong with a call: it cannot work, or it is not the number it is taken for."""

import dataclasses
from collections.abc import Iterator

import libcst as cst

from pipeline.migrate import inputs
from pipeline.migrate.calls import masked_logits
from pipeline.migrate.catalogue import FLAGS, Family
from pipeline.migrate.denominators import Outcome, reductions
from pipeline.migrate.values import Kind, LossCall

_STRICT = (Family.CONTRIB, Family.ADDONS, Family.LEGACY, Family.BY_EXAMPLE)
_BATCH_MAJOR = (Family.CONTRIB, Family.ADDONS, Family.ADDONS_CLASS)


@dataclasses.dataclass(frozen=True)
class Problem:
    """One thing that is wrong, `code` for tests and `text` for readers.

    `stops`: the call raises, whatever the data.
    """

    code: str
    text: str
    stops: bool = False


def problems(call: LossCall, outcome: Outcome) -> list[Problem]:
    """All that can be told to be wrong, what stops the call first."""
    checks = (_arguments, _flags, _around, _numbers, _masks, _keras)
    found = [problem for check in checks for problem in check(call, outcome)]
    return sorted(found, key=lambda problem: not problem.stops)


def _arguments(call: LossCall, outcome: Outcome) -> Iterator[Problem]:
    function, given, things = call.function, call.given, call.things
    if not function.exists:
        yield Problem("no-such-name", "AttributeError: TensorFlow never had this name", stops=True)
    if given.error is not None:
        yield Problem("arguments", f"TypeError: the original {given.error}", stops=True)
    if function.family in _STRICT and given.code.get("weights") == "None":
        yield Problem("weights-none", "weights=None: AttributeError in the original", stops=True)
    if function.lists:
        tensors = [name for name, thing in things.items() if thing.kind == "tensor"]
        tensors = [name for name in tensors if name in ("logits", "targets", "weights")]
        if tensors:
            text = f"{', '.join(tensors)}: a tensor, where TF 1 takes a list of T tensors"
            yield Problem("lists", text, stops=True)
        if call.one_step:
            yield Problem(
                "list-of-one",
                "a list of one step: every row counts as a sequence of one token, so dividing by"
                " its weight cancels the weight, and at weight 0 it is a loss of 0 that counts",
            )
    for code, text in inputs.refused(call):
        yield Problem(code, text, stops=True)


def _flags(call: LossCall, outcome: Outcome) -> Iterator[Problem]:
    given, family = call.given, call.function.family
    if outcome.refused is not None:
        defaults = " (the class sums by default)" if family is Family.ADDONS_CLASS else ""
        yield Problem("flags", f"ValueError: {outcome.refused}{defaults}", stops=True)
    if family is Family.LOSSES and outcome.reduction == "nonzero_mean":
        yield Problem("nonzero", _NONZERO)
    elif "count_nonzero" in outcome.formula and not outcome.unknown:
        yield Problem(
            "not-a-sum",
            "the sum flags give no sum: they divide by the number of non-zero weights, so a weight"
            " of 2 doubles a token without being normalised",
        )
    for name in FLAGS:
        node = given.nodes.get(name)
        if node is not None and given.code[name] not in ("True", "False", "0", "1"):
            place = list(given.nodes).index(name)
            if not isinstance(call.node, cst.Call) or call.node.args[place].keyword is not None:
                continue
            text = f"argument {place + 1}, `{given.code[name]}`, is {name}: true unless it is 0"
            yield Problem("flag-by-place", text)
    averages = [given.flag(f"average_across_{axis}", True) for axis in ("timesteps", "batch")]
    sums = [given.flag(f"sum_over_{axis}", False) for axis in ("timesteps", "batch")]
    if family is Family.CONTRIB and True in averages and True in sums and not outcome.refused:
        axis = "timesteps" if sums[0] is True else "batch"
        yield Problem("ignored-flag", f"sum_over_{axis} is ignored: the other axis is averaged")
    if family in _BATCH_MAJOR and outcome.shape == "[T]":
        yield Problem("steps", "one number for each time step, not for each sequence")
    if call.used(Kind.NO_SAMPLE_WEIGHT) and family is Family.ADDONS_CLASS:
        line = call.used(Kind.NO_SAMPLE_WEIGHT)[0].line
        text = f"line {line}: called without sample_weight: AttributeError"
        yield Problem("sample-weight", text, stops=True)


def _around(call: LossCall, outcome: Outcome) -> Iterator[Problem]:
    """The training step around the call."""
    for use in call.used(Kind.OUTSIDE_TAPE):
        yield Problem(
            "outside-tape",
            f"line {use.line}: the loss is computed outside the GradientTape: its gradients are"
            " None and nothing is trained",
        )
    for use in call.used(Kind.NO_VARIABLES):
        yield Problem(
            "no-variables",
            f"line {use.line}: tf.trainable_variables() is gone in TF 2, and that of compat.v1 is"
            " empty where a tape works: nothing is trained; use model.trainable_variables",
        )
    logits = call.things.get("logits") or call.things.get("y_pred")
    if call.used(Kind.GRADIENT) and logits is not None and logits.constant:
        text = f"{logits.text} are constants, no weight of a model is behind them"
        yield Problem("constant", text)
    for use in call.used(Kind.NUMPY):
        if call.decorated:
            text = f"line {use.line}: .numpy() in a tf.function: a graph tensor has none"
            yield Problem("numpy", text, stops=True)
        elif call.function.name.startswith("tf.contrib"):
            text = f"line {use.line}: .numpy() works eagerly only, and TF 1 builds a graph"
            yield Problem("numpy", text)


def _numbers(call: LossCall, outcome: Outcome) -> Iterator[Problem]:
    family, things = call.function.family, call.things
    means = outcome.reduction == "per_example" or call.used(Kind.ROWS_OVER_WEIGHTS)
    rows = call.used(Kind.ROWS_MEAN)
    if rows and means:
        yield Problem(
            "mean-of-means",
            f"line {rows[0].line}: a mean of per-sequence means, not the token mean: a short"
            " sequence's tokens count more, an empty sequence counts as loss 0",
        )
    numbers = things["weights"].numbers if "weights" in things else ()
    fractional = any(number not in (0.0, 1.0) for number in numbers)
    if family is Family.BY_EXAMPLE and outcome.reduction == "per_example" and fractional:
        total = f" (here {sum(numbers):g})" if things["weights"].size == 1 else ""
        yield Problem(
            "scaling",
            f"the weights are divided by their sum{total}: only their proportions within a"
            " sequence count, a weight for the whole sequence does nothing",
        )
    ids = next((things[n] for n in ("targets", "y_true", "labels") if n in things), None)
    if ids is not None and ids.dtype != "float" and any(number < 0 for number in ids.numbers):
        text = "a negative id is an error on CPU and NaN under XLA, also where the weight is 0"
        yield Problem("pad-id", text)
    flattened = [n for n in ("logits", "y_pred", "labels", "y_true") if n in things]
    if family is Family.TOKENS and any(things[name].flattened for name in flattened):
        text = "the tokens are flattened to one axis; ours takes the [B, T, V] tensors"
        yield Problem("flattened", text)


def _masks(call: LossCall, outcome: Outcome) -> Iterator[Problem]:
    """Reductions of token losses by hand."""
    for use in reductions(call):
        if use.kind is Kind.MASKED_MEAN:
            yield Problem("empty-mask", f"line {use.line}: NaN when nothing is unmasked")
            text = "boolean_mask keeps or drops a token: a weight of 0.5 or 2 cannot be expressed"
            yield Problem("boolean-only", text)
        elif use.kind in (Kind.OVER_WEIGHTS, Kind.ROWS_OVER_WEIGHTS) and not use.safe:
            rows = " of a sequence" if use.kind is Kind.ROWS_OVER_WEIGHTS else ""
            text = f"line {use.line}: NaN, 0 / 0, when all weights{rows} are 0"
            yield Problem("empty-mask", text)
        elif use.kind is Kind.COLUMNS_OVER_WEIGHTS:
            text = f"line {use.line}: NaN, 0 / 0, where all weights along the first axis are 0"
            yield Problem("empty-mask", text)
        elif use.kind is Kind.OVER_NONZERO:
            yield Problem("nonzero", f"line {use.line}: {_NONZERO}")
        elif use.kind is Kind.OVER_LENGTHS:
            yield Problem(
                "lengths",
                f"line {use.line}: divides by the lengths as given: too much where one exceeds T,"
                " wrong where one is negative",
            )
            if not use.safe:
                text = f"line {use.line}: NaN loss and gradient when all lengths are 0"
                yield Problem("empty-mask", text)
        elif use.kind in (Kind.MEAN_ALL, Kind.MEAN_TIME):
            weighted = use.weights is not None or call.one_step
            pads = "pads are in the divisor" if weighted else "pads are in the loss"
            text = f"line {use.line}: {pads}: the same tokens give another loss in a longer batch"
            yield Problem("pads-count", text)
    if masked_logits(call) is not None:
        text = "a mask times the logits masks nothing: a masked token counts, with loss log V"
        yield Problem("masked-logits", text)
    if call.loss_class is not None and any(use.kind in _MEANS for use in call.uses):
        yield Problem(
            "twice",
            f"{call.loss_class} is a keras Loss: Keras multiplies what call returns by"
            " sample_weight once more",
        )


def _keras(call: LossCall, outcome: Outcome) -> Iterator[Problem]:
    function = call.function
    if not function.keras:
        return
    given = call.maker.given if call.maker else call.given
    if given.flag("from_logits", False) is False:
        yield Problem(
            "clips",
            "from_logits=False: probabilities are renormalised and clipped to 1e-7: no loss exceeds"
            " 16.118, and a clipped one has gradient 0",
        )
    if "(B*T): pads" in outcome.formula:
        yield Problem(
            "pads-count", "on padded sequences the loss depends on how far they are padded"
        )


_NONZERO = (
    "divides by the number of non-zero weights, not by their sum: a mean for weights 0 and 1 only"
)
_MEANS = (
    Kind.OVER_NONZERO,
    Kind.MASKED_MEAN,
    Kind.OVER_WEIGHTS,
    Kind.OVER_LENGTHS,
    Kind.MEAN_ALL,
    Kind.OVER_OTHER,
)
