"""What a call divides by, as its flags make it. In the formulas w is weights, loss token losses."""

import dataclasses
import itertools

from pipeline.migrate import weighted
from pipeline.migrate.catalogue import FLAGS, Family
from pipeline.migrate.values import Given, Kind, LossCall, Use

CALLS = "how it is called"  # of a function that is only named
_ADDONS_DEFAULTS = (False, False, True, True)
_FUNCTION_DEFAULTS = (True, True, False, False)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The result of a call.

    Attributes:
      shape: of the result.
      formula: of the result, its divisor included.
      reduction: ours of the same number, if there is one.
      refused: why the original raises instead.
      unknown: what cannot be told from the source decides: the names of it.
    """

    shape: str
    formula: str
    reduction: str | None = None
    refused: str | None = None
    unknown: tuple[str, ...] = ()


def outcome(call: LossCall) -> Outcome:
    """What the call itself returns, before anything is done with it."""
    family, given = call.function.family, call.given
    if family is Family.CONTRIB:
        flags = _flags(given, _FUNCTION_DEFAULTS)
        found = _depending(flags, lambda f: batch_major(f, addons=False))
        old = "; TF 1.0 to 1.13 add 1e-12 to the divisor" if "/ sum" in found.formula else ""
        return dataclasses.replace(found, formula=found.formula + old)
    if family is Family.ADDONS:
        flags = _flags(given, _FUNCTION_DEFAULTS)
        return _depending(flags, lambda f: batch_major(f, addons=True))
    if family is Family.ADDONS_CLASS:
        return _depending(_flags(given, _ADDONS_DEFAULTS), lambda f: batch_major(f, addons=True))
    if family is Family.LEGACY:
        return _depending(_flags(given, _FUNCTION_DEFAULTS)[:2], legacy)
    if family is Family.BY_EXAMPLE:
        return _depending(_flags(given, _FUNCTION_DEFAULTS)[:1], by_example)
    if family is Family.BUCKETS:
        return _depending([_flag(given, "per_example_loss", False)], _buckets)
    if family is Family.LOSSES:
        return _losses(given)
    if family is Family.KERAS_CLASS or call.how == "compile":
        if call.called and len(call.used(Kind.PICKED)) == call.called:
            return Outcome(
                "scalar", "sum(w*loss) / number of unmasked tokens: it is given no others"
            )
        return _keras(given)
    if call.picked is not None:
        return Outcome("[n]", "loss of the n tokens that the mask picked, not reduced")
    return Outcome("[B, T]", "loss, not reduced", "none")


def batch_major(flags: list[bool], *, addons: bool) -> Outcome:
    """contrib's and Addons' `sequence_loss` by its four flags."""
    average_time, average_batch, sum_time, sum_batch = flags
    for axis, both in (
        ("timesteps", average_time and sum_time),
        ("batch", average_batch and sum_batch),
    ):
        if both:
            return _refused(f"average_across_{axis} and sum_over_{axis} are both True")
    if addons and ((average_time and sum_batch) or (average_batch and sum_time)):
        return _refused("an average flag of one axis with a sum flag of the other is ambiguous")
    if average_time or average_batch:
        return _AVERAGED[average_time, average_batch]
    return _SUMMED[sum_time, sum_batch]


def legacy(flags: list[bool]) -> Outcome:
    """legacy `sequence_loss` by its two flags."""
    return {
        (True, True): Outcome(
            "scalar",
            "sum over b of sum_t(w*loss) / (sum_t(w) + 1e-12), divided by B: every sequence one vote,"
            " empty ones too",
        ),
        (True, False): Outcome(
            "scalar", "sum over b of sum_t(w*loss) / (sum_t(w) + 1e-12): not divided by B"
        ),
        (False, True): Outcome("scalar", "sum(w*loss) / B", "batch_mean"),
        (False, False): Outcome("scalar", "sum(w*loss), not divided", "token_sum"),
    }[flags[0], flags[1]]


def by_example(flags: list[bool]) -> Outcome:
    """legacy `sequence_loss_by_example` by its flag."""
    if flags[0]:
        return Outcome("[B]", "sum_t(w*loss) / (sum_t(w) + 1e-12)", "per_example")
    return Outcome("[B]", "sum_t(w*loss), not divided", "per_example_sum")


def then(use: Use) -> str | None:
    """What the source goes on to do with the loss, in words; None for what is no reduction."""
    weighted = "sum(w*loss)" if use.weights is not None else "sum(loss)"
    texts = {
        Kind.MEAN_ALL: f"mean of all: {weighted} / (B*T), pads are in the divisor",
        Kind.MEAN_TIME: f"mean over time: {weighted.replace('sum', 'sum_t')} / T, pads are in T",
        Kind.MASKED_MEAN: "sum(loss) / number of unmasked tokens: contrib's sequence_loss, not by_example",
        Kind.OVER_WEIGHTS: "sum(w*loss) / sum(w): contrib's sequence_loss, not by_example",
        Kind.OVER_NONZERO: "sum(w*loss) / count_nonzero(w)",
        Kind.COLUMNS_OVER_WEIGHTS: "sum(w*loss) / sum(w), both over the first axis: [T]; [B] if the"
        " tensors are time-major",
        Kind.COLUMN_SUM: f"{weighted} over the first axis, not divided",
        Kind.COLUMNS_MEAN: "mean of that: every step (time-major: every sequence) one vote",
        Kind.OVER_LENGTHS: f"sum(w*loss) / {use.divisor}: by the lengths, not by the weights",
        Kind.OVER_OTHER: f"the sum divided by {use.divisor}",
        Kind.ROWS_OVER_WEIGHTS: "sum_t(w*loss) / sum_t(w): [B]",
        Kind.SUM: f"{weighted}, not divided",
        Kind.ROW_SUM: f"{weighted.replace('sum', 'sum_t')}, not divided: [B]",
        Kind.ROWS_MEAN: "mean over the batch: / B, every sequence one vote, empty ones too",
        Kind.ROWS_SUM: "sum over the batch, not divided",
        Kind.ROW_SUMS_MEAN: f"{weighted} / B",
        Kind.STEPS_MEAN: "mean over the time steps: every step one vote",
        Kind.SCALED: "times or divided by something more",
        Kind.STEPS_SUM: "sum over the time steps, not divided",
    }
    return texts.get(use.kind)


def reductions(call: LossCall) -> list[Use]:
    """The uses that reduce the loss, in order."""
    return [use for use in call.uses if then(use) is not None]


_AVERAGED = {
    (True, True): Outcome("scalar", "sum(w*loss) / sum(w)", "token_mean"),
    (True, False): Outcome("[B]", "sum_t(w*loss) / sum_t(w)", "per_example"),
    (False, True): Outcome("[T]", "sum_b(w*loss) / sum_b(w), not / B"),
}
_SUMMED = {
    (True, True): Outcome("scalar", "sum(w*loss) / count_nonzero(w)", "nonzero_mean"),
    (True, False): Outcome("[B]", "sum_t(w*loss) / count_nonzero_t(w)"),
    (False, True): Outcome("[T]", "sum_b(w*loss) / count_nonzero_b(w)"),
    (False, False): Outcome("[B, T]", "w*loss, not reduced", "none"),
}


def _refused(why: str) -> Outcome:
    return Outcome("none", "none: the call raises ValueError", refused=why)


def _flag(given: Given, name: str, default: bool) -> bool | str:
    return given.flag(name, default)


def _flags(given: Given, defaults: tuple[bool, ...]) -> list[bool | str]:
    return [given.flag(name, default) for name, default in zip(FLAGS, defaults, strict=True)]


def _depending(flags, choose) -> Outcome:  # type: ignore[no-untyped-def]
    """The outcome of known flags; of unknown ones, what all outcomes share and what decides."""
    unknown = [flag for flag in dict.fromkeys(flags) if isinstance(flag, str)]
    combinations = list(itertools.product((True, False), repeat=len(unknown)))
    if any(name.startswith("*") or name == CALLS for name in unknown):
        # each flag that it may set is its own unknown
        places = [i for i, flag in enumerate(flags) if isinstance(flag, str)]
        combinations = list(itertools.product((True, False), repeat=len(places)))
        found = [choose(_filled(flags, dict(zip(places, c, strict=True)))) for c in combinations]
    else:
        found = [choose(_named(flags, dict(zip(unknown, c, strict=True)))) for c in combinations]
    if len(set(found)) == 1:
        return found[0]
    shapes = list(dict.fromkeys(o.shape for o in found))
    names = ", ".join(name if name == CALLS else f"`{name}`" for name in unknown)
    formula = f"depends on {names}"
    if len(found) == 2:
        formula += f": {found[0].formula} if True, {found[1].formula} if False"
    shape = shapes[0] if len(shapes) == 1 else "depends"
    return Outcome(shape, formula, unknown=tuple(unknown))


def _filled(flags: list[bool | str], values: dict[int, bool]) -> list[bool]:
    return [values.get(i, flag is True) for i, flag in enumerate(flags)]


def _named(flags: list[bool | str], values: dict[str, bool]) -> list[bool]:
    return [values[flag] if isinstance(flag, str) else flag for flag in flags]


def _buckets(flags: list[bool]) -> Outcome:
    inner = by_example([True]) if flags[0] else legacy([True, True])
    return dataclasses.replace(inner, formula=f"for each bucket: {inner.formula}", reduction=None)


def _losses(given: Given) -> Outcome:
    """`tf.losses` by its reduction."""
    name = weighted.reduction(given)
    formulas = {
        "nonzero_mean": "sum(w*loss) / count_nonzero(w)",
        "token_mean": "sum(w*loss) / sum(w)",
        "token_sum": "sum(w*loss), not divided",
        "none": "w*loss, not reduced",
    }
    if name is None:
        unknown = given.code.get("reduction", given.unknown or "")
        return Outcome("depends", f"depends on `{unknown}`", unknown=(unknown,))
    if name == "all":
        return Outcome("scalar", "sum(w*loss) / (B*T): pads are in the divisor")
    return Outcome("[B, T]" if name == "none" else "scalar", formulas[name], name)


def _keras(given: Given) -> Outcome:
    if given.unknown is not None and "reduction" not in given.code:
        return Outcome("depends", f"depends on `{given.unknown}`", unknown=(given.unknown,))
    text = given.code.get("reduction", "'sum_over_batch_size'")
    name = text.strip("\"'").rpartition(".")[2].lower()
    quoted = text[:1] in "\"'" or "." in text or text == "None"
    known = {
        "sum_over_batch_size": Outcome("scalar", _KERAS_MEAN),
        "mean": Outcome("scalar", _KERAS_MEAN),
        "auto": Outcome("scalar", _KERAS_MEAN),
        "sum": Outcome("scalar", "sum(w*loss), not divided", "token_sum"),
        "mean_with_sample_weight": Outcome(
            "scalar", "sum(w*loss) / sum(w); without sample_weight / (B*T)", "token_mean"
        ),
        "none": Outcome("[B, T]", "w*loss, not reduced", "none"),
    }
    if name in known and quoted:
        return known[name]
    return Outcome("depends", f"depends on `{text}`", unknown=(text,))


_KERAS_MEAN = (
    "sum(w*loss) / (B*T): pads are in the divisor, and sample_weight is not (a Keras mask on y_pred:"
    " / number of unmasked)"
)
