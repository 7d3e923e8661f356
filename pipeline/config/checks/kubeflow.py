"""What no single key can tell of Kubeflow: a section that needs another."""

from typing import TYPE_CHECKING

from pipeline.config.problems import Problems

if TYPE_CHECKING:
    from pipeline.config import Config


def check(config: "Config", problems: Problems) -> None:
    """Adds every contradiction to `problems`. Files are looked at when they are needed."""
    kubeflow = config.kubeflow
    if kubeflow is None or not problems.clean("kubeflow"):
        return
    if config.cloud is None and problems.clean("cloud"):
        problems.add("kubeflow", "has no effect without the section cloud; expected that too")
