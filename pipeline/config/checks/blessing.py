"""What no single key can tell of the blessing: what has no effect, no interval or no such size."""

from typing import TYPE_CHECKING

from pipeline.config.problems import Problems

if TYPE_CHECKING:
    from pipeline.config import Config

_SHARES = ("token_accuracy", "sequence_accuracy")
# Metrics of one task, over all examples.
_OF_TASK = {
    **dict.fromkeys(("bleu", "chrf", "exact_match"), "seq2seq"),
    **dict.fromkeys(("tag_macro_f1", "span_f1"), "tagging"),
}
_COUNTS = ("token_count", "token_weight", "example_count", "zero_weight_examples")


def check(config: "Config", problems: Problems) -> None:
    """Adds every contradiction to `problems`."""
    _blessing(config, problems)
    _judges(config, problems)
    _of_task(config, problems)


def _of_task(config: "Config", problems: Problems) -> None:
    for index, threshold in enumerate(config.eval.thresholds):
        where = f"eval.thresholds[{index}]"
        task = _OF_TASK.get(threshold.metric)
        if not task or not problems.clean(where, "task", "eval.decode_examples"):
            continue
        if config.task != task:
            text = f"got {threshold.metric} with task {config.task}, expected a metric of that task"
            problems.add(f"{where}.metric", text)
        elif threshold.slice:
            text = f"got '*', expected no value: {threshold.metric} is measured over all examples"
            problems.add(f"{where}.slice", text)
        elif task == "seq2seq" and not config.eval.decode_examples:
            text = f"got {threshold.metric} with eval.decode_examples 0, expected some examples"
            problems.add(f"{where}.metric", text)


def _blessing(config: "Config", problems: Problems) -> None:
    blessing = config.eval.blessing
    where = "eval.blessing"
    if not problems.clean(where):
        return
    if not blessing.per_slice and f"{where}.slice_margin" in problems.given:
        text = f"got {blessing.slice_margin:g}, which has no effect with {where}.per_slice false"
        problems.add(f"{where}.slice_margin", text)
    for key in ("margin", "slice_margin"):
        margin = getattr(blessing, key)
        if blessing.metric in _SHARES and margin > 1:
            text = f"got {margin:g}, expected a share from 0 to 1, as {blessing.metric} is one"
            problems.add(f"{where}.{key}", text)


def _judges(config: "Config", problems: Problems) -> None:
    for index, threshold in enumerate(config.eval.thresholds):
        where = f"eval.thresholds[{index}]"
        counted = threshold.metric in _COUNTS and threshold.judge == "interval"
        if problems.clean(where) and counted:
            text = f"got interval, expected point: {threshold.metric} is exact"
            problems.add(f"{where}.judge", text)
