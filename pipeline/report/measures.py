"""The Evaluator's metrics and how a reader sees them: names, numbers, intervals, changes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pipeline.report.blocks import Cell, Note
from pipeline.report.formats import NOTHING, is_finite, number, percent

Json = Mapping[str, Any]
Format = Callable[..., str]

LOSS = "masked_token_loss"
# Metric -> what the reader sees, how it is written, and whether less is better.
_KNOWN: dict[str, tuple[str, Format, bool]] = {
    LOSS: ("loss per token", number, True),
    "perplexity": ("perplexity", number, True),
    "bits_per_byte": ("bits per byte", number, True),
    "loss_per_word": ("loss per word", number, True),
    "token_accuracy": ("token accuracy", percent, False),
    "sequence_accuracy": ("sequence accuracy", percent, False),
    "calibration": ("calibration error", percent, True),
    "bleu": ("BLEU", number, False),
    "chrf": ("chrF", number, False),
    "exact_match": ("exact match", percent, False),
    "tag_macro_f1": ("macro F1 of tags", percent, False),
    "span_f1": ("F1 of spans", percent, False),
}
MODELS = {"candidate": "this model", "baseline": "last blessed model"}
COUNTS = {"token_count": "tokens", "example_count": "examples"}
OF_DECODED = ("bleu", "chrf", "exact_match")
_NOT_SHOWN = {*COUNTS, "token_weight", "weight_sum", "zero_weight_examples"}


def names(slices: Sequence[Json]) -> list[str]:
    """The metrics that some slice has a value of: known ones first, then others as they come."""
    found = dict.fromkeys(name for item in slices for name in values(item))
    known = [name for name in _KNOWN if name in found]
    return known + [name for name in found if name not in _KNOWN and name not in _NOT_SHOWN]


def label(name: str) -> str:
    """What the reader calls it."""
    return _KNOWN[name][0] if name in _KNOWN else name.replace("_", " ")


def written(name: str, value: object, *, sign: bool = False) -> str:
    """A value of the metric; with a sign, a difference of two."""
    text = (_KNOWN[name][1] if name in _KNOWN else number)(value, sign=sign)
    return text.replace(" %", " points") if sign else text


def less_is_better(name: str) -> bool:
    """False where that is not known."""
    return name in _KNOWN and _KNOWN[name][2]


def values(item: Json, model: str = "candidate") -> Json:
    """A slice's values of one model, or of "diff"."""
    return item.get(model) or {}


def bounds(item: Json, name: str, model: str = "candidate") -> tuple[float, float] | None:
    """The interval of a value, if there is one."""
    found = ((item.get("intervals") or {}).get(model) or {}).get(name)
    if not found or not all(map(is_finite, found)):
        return None
    return found[0], found[1]


def slice_name(item: Json) -> Cell:
    """The value of its column, and whether it is too small to be judged."""
    name = str(item.get("value", "")) if item.get("column") else "overall"
    return Cell(name, () if item.get("gated", True) else (Note("too small: not judged"),))


def measured(item: Json, name: str) -> Cell:
    """A metric's value on a slice, with its interval and change; why, where there is no value."""
    value = values(item).get(name)
    if not is_finite(value):
        reason = ((item.get("absent") or {}).get("candidate") or {}).get(name, "")
        return Cell(NOTHING, (Note(str(reason), "reason"),))
    return Cell(written(name, value), tuple(_notes(item, name)))


def _notes(item: Json, name: str) -> Iterator[Note]:
    if found := bounds(item, name):
        yield Note(interval(name, *found))
    if is_finite(values(item, "diff").get(name)):
        yield Note(f"Δ {change(item, name)}", change_tone(item, name))


def interval(name: str, low: float, high: float, *, sign: bool = False) -> str:
    """Both ends; the unit is at the value."""
    ends = (written(name, bound, sign=sign).removesuffix(" %") for bound in (low, high))
    return " … ".join(end.removesuffix(" points") for end in ends)


def change(item: Json, name: str) -> str:
    """candidate - baseline, and whether that is better or worse."""
    verdict = {"good": " better", "bad": " worse"}.get(change_tone(item, name), "")
    return written(name, values(item, "diff").get(name), sign=True) + verdict


def change_tone(item: Json, name: str) -> str:
    """Good or bad only where the paired interval excludes 0."""
    value = values(item, "diff").get(name)
    if not is_finite(value) or name not in _KNOWN:
        return "soft"
    found = bounds(item, name, "diff")
    if found is None or found[0] <= 0 <= found[1]:
        return "soft"
    return "good" if (value < 0) == _KNOWN[name][2] else "bad"
