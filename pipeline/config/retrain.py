"""`retrain`: which spans a retraining takes, when, and what becomes of those that fail. No TensorFlow."""

# `setting` and `required` return dataclasses.field, which the linter cannot see through:
# ruff: noqa: RUF009

import dataclasses
from typing import Literal

from pipeline.config.loader import required, setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class RetrainWindow:
    """A window that slides on with each new span."""

    spans: int = required("how many spans a run reads, the new ones included", ge=1)
    refused: int | None = setting(
        None, "spans of refused models that are read again, too, until one is pushed; none given: all",
        ge=0,
    )  # fmt: skip


@dataclasses.dataclass(frozen=True, kw_only=True)
class RetrainConfig:
    """Retraining on new spans, each of which is new in one run.

    By default a run reads the new span alone, as `data.spans: latest` does: it starts from the last blessed
    model, so what was there before is not lost, and it takes as long in the hundredth week as in the first.
    What that model has not learned, as its own was refused, is read again.
    """

    window: Literal["all"] | RetrainWindow = setting(
        RetrainWindow(spans=1), "what a run reads: all spans, or the new ones and, up to so many, "
        "the newest others",
    )  # fmt: skip
    together: bool = setting(False, "all pending spans are new in one run; else each has its own")
    runner: Literal["local", "vertex"] = setting(
        "local",
        "where runs go on: processes of this machine, or jobs of Vertex AI Pipelines (`cloud`)",
    )
    late: Literal["retrain", "ignore", "error"] = setting(
        "retrain", "files that come after their span was trained: train again, leave, park the span"
    )
    retries: int = setting(3, "further attempts after a failed one, before a span is parked", ge=0)
    backoff_seconds: float = setting(
        30.0, "until the second attempt; doubles from one to the next, up to an hour", ge=0
    )
    ready: Literal["marker", "settle"] = setting(
        "marker", "a span is complete with _SUCCESS or manifest.json, or when it has not changed"
    )
    settle_seconds: float = setting(60.0, "settle: for how long it has not changed", gt=0)
    poll_seconds: float = setting(30.0, "from one look for new spans to the next, at first", gt=0)
    max_poll_seconds: float = setting(300.0, "the same, when nothing comes for long", gt=0)
    keep_runs: int | None = setting(
        None, "finished runs whose artifacts, logs and reports are kept; none given: all", ge=1
    )
    keep_spans: int | None = setting(None, "of how many newest spans runs are kept", ge=1)
    notify: tuple[str, ...] = setting(
        (),
        "command and arguments that get a JSON document on stdin: pushed, refused, failed, parked",
    )
    metrics_file: str | None = setting(
        None, "Prometheus text format, kept up to date; for node_exporter's textfile collector",
        path=True,
    )  # fmt: skip
    metrics_port: int | None = setting(
        None, "--watch: the same at this port of 127.0.0.1, /metrics", ge=1, le=65535
    )

    @property
    def most_spans(self) -> int | None:
        """How many spans a run reads, unless more are new; None for all."""
        return None if self.window == "all" else self.window.spans

    @property
    def most_refused(self) -> int | None:
        """How many spans of refused models it reads besides; None for all."""
        return None if self.window == "all" else self.window.refused
