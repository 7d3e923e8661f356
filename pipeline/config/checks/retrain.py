"""What no single key can tell of retraining: keys without effect, polls that get quicker."""

from typing import TYPE_CHECKING

from pipeline.config.problems import Problems

if TYPE_CHECKING:
    from pipeline.config import Config

_SPAN = "{SPAN}"
_OF_THIS_MACHINE = ("keep_runs", "keep_spans")


def check(config: "Config", problems: Problems) -> None:
    """Adds every contradiction to `problems`."""
    settings, given = config.retrain, problems.given
    if not problems.clean("retrain"):
        return
    keys = sorted(key for key in given if key.startswith("retrain.") and key.count(".") == 1)
    if keys and problems.clean("data.path") and _SPAN not in config.data.path:
        text = f"has no effect without {_SPAN} in data.path; expected no value"
        problems.add(keys[0], text)
    if settings.retries == 0 and "retrain.backoff_seconds" in given:
        text = "has no effect with retrain.retries 0; expected no value"
        problems.add("retrain.backoff_seconds", text)
    low, high = settings.poll_seconds, settings.max_poll_seconds
    if high < low:
        text = f"got {high:g}, expected at least retrain.poll_seconds = {low:g}"
        problems.add("retrain.max_poll_seconds", text)
    if settings.runner == "vertex" and problems.clean("cloud"):
        _check_cloud(config, problems)


def _check_cloud(config: "Config", problems: Problems) -> None:
    """What jobs of Vertex need, and what means nothing to them."""
    if config.cloud is None:
        text = "got vertex, expected local: there is no section cloud (docs/kubeflow.md)"
        problems.add("retrain.runner", text)
    elif not config.cloud.project:
        text = "got vertex, expected local: there is no cloud.project, which Vertex needs"
        problems.add("retrain.runner", text)
    for key in _OF_THIS_MACHINE:
        if f"retrain.{key}" in problems.given:
            text = "has no effect with retrain.runner vertex; expected no value: what lies on the bucket "
            problems.add(
                f"retrain.{key}", text + "is pruned by its own lifecycle rules (docs/retraining.md)"
            )
