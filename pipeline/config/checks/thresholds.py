"""What no single key can tell of `eval.thresholds`: bounds that nothing can keep, or that clash."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipeline.config.problems import Problems

if TYPE_CHECKING:
    from pipeline.config import Config
    from pipeline.config.eval import Threshold

_LOSSES = ("masked_token_loss", "perplexity", "bits_per_byte", "loss_per_word")
_SHARES = (
    *("token_accuracy", "sequence_accuracy", "calibration"),
    *("exact_match", "tag_macro_f1", "span_f1"),
)
_OF_100 = ("bleu", "chrf")
_BOUNDS = ("max", "min", "max_increase", "max_decrease")
# The metrics that get better by what the bound forbids.
_BETTER = {
    "max_increase": ("token_accuracy", "sequence_accuracy"),
    "max_decrease": (*_LOSSES, "calibration"),
}
# Bytes and words have no weights, so these have a value only where all weights are 1.
_NEED_WEIGHTS_OF_1 = ("bits_per_byte", "loss_per_word")


def check_thresholds(config: "Config", problems: Problems) -> None:
    """Adds what is wrong with `eval.thresholds` to `problems`."""
    usable = []
    for index, threshold in enumerate(config.eval.thresholds):
        where = f"eval.thresholds[{index}]"
        if not problems.clean(where):
            continue
        given = [key for key in _BOUNDS if f"{where}.{key}" in problems.given]
        if len(given) != 1:
            text = f"got {' and '.join(given) or 'no bound'}, expected one of {', '.join(_BOUNDS)}"
            problems.add(where, text)
        elif text := _out_of_range(threshold, given[0]):
            problems.add(f"{where}.{given[0]}", text)
        else:
            usable.append((where, given[0], threshold))
            if text := _without_value(config, problems, threshold.metric):
                problems.add(f"{where}.metric", text)
    for where, text in (*_twice(usable), *_clashes(usable)):
        problems.add(where, text)


def _out_of_range(threshold: "Threshold", bound: str) -> str:
    """Why nothing, or anything, keeps to the bound; "" if it says something."""
    metric, value = threshold.metric, getattr(threshold, bound)
    if metric in _BETTER.get(bound, ()):
        opposite = "max_decrease" if bound == "max_increase" else "max_increase"
        return f"forbids {metric} to get better, expected {opposite}"
    if metric in _SHARES and not 0 <= value <= 1:
        return f"got {value:g}, expected a share from 0 to 1, as {metric} is one"
    if metric in _OF_100 and not 0 <= value <= 100:
        return f"got {value:g}, expected 0 to 100, as {metric} is"
    least = 1 if metric == "perplexity" else 0
    if bound == "max" and value < least:
        return f"got {value:g}, expected at least {least}, as {metric} is never less"
    return ""


def _without_value(config: "Config", problems: Problems, metric: str) -> str:
    """Why the metric has no value with these settings; a column may hold weights that are all 1."""
    keys = ("weights", "regions", "region_before", "class_weights")
    if metric not in _NEED_WEIGHTS_OF_1 or not problems.clean(*(f"transform.{k}" for k in keys)):
        return ""
    transform = config.transform
    uneven = {
        "weights": "inverse_frequency" in transform.weights,
        "regions": "region" in transform.weights and not _all_0_or_1(transform.regions),
        "region_before": "region" in transform.weights
        and not _all_0_or_1({"": transform.region_before}),
        "class_weights": "class" in transform.weights and not _all_0_or_1(transform.class_weights),
    }
    causes = [f"transform.{key}" for key, is_uneven in uneven.items() if is_uneven]
    if not causes:
        return ""
    return f"got {metric} with {causes[0]}, expected another: it needs weights that are all 1"


def _all_0_or_1(weights: dict[str, float]) -> bool:
    return all(weight in (0, 1) for weight in weights.values())


_Usable = list[tuple[str, str, "Threshold"]]


def _twice(usable: _Usable) -> Iterator[tuple[str, str]]:
    """Bounds of one kind on one thing, of which the wider has no effect."""
    seen: dict[tuple[str | None, ...], str] = {}
    for where, bound, threshold in usable:
        key = (threshold.metric, bound, threshold.slice, threshold.judge)
        if key in seen:
            text = f"{threshold.metric} is bounded by {seen[key]} already, expected one of the two"
            yield f"{where}.{bound}", text
        seen.setdefault(key, f"{where}.{bound}")


def _clashes(usable: _Usable) -> Iterator[tuple[str, str]]:
    """Of all examples both bounds hold, whatever slices there are besides."""
    for where, bound, threshold in usable:
        for other, other_bound, another in usable:
            if (bound, other_bound) != ("min", "max") or threshold.metric != another.metric:
                continue
            least, most = threshold.min or 0.0, another.max or 0.0
            if least > most:
                text = f"got {least:g}, expected at most {other}.max = {most:g}"
                yield f"{where}.min", f"{text}, as {threshold.metric} has to keep to both"
