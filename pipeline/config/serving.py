"""`serving`: where blessed models go, and what they must pass before. No TensorFlow."""

# `setting` returns dataclasses.field, which the linter cannot see through:
# ruff: noqa: RUF009

import dataclasses

from pipeline.config.loader import setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServingCheckConfig:
    """The exported model in a process without our code, and no skew. Without limits it reports."""

    enabled: bool = setting(True, "check the exported model before it is pushed")
    examples: int = setting(32, "rows of the eval split that are sent", ge=1, le=4096)
    max_batch: int = setting(8, "rows of the largest request", ge=1, le=1024)
    max_latency_ms: float | None = setting(
        None, "pushed only if 95 % of the requests of each size take at most this", gt=0
    )
    max_memory_mb: float | None = setting(
        None, "pushed only if the serving process holds at most this, in MiB", gt=0
    )
    timeout_seconds: float = setting(300.0, "how long the check may take before it fails", gt=0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServingConfig:
    """Where blessed models go."""

    push_to: str = setting("", "folder of model versions", path=True, derived="pipeline.root")
    keep_versions: int = setting(5, "older versions are removed", ge=1)
    check: ServingCheckConfig = setting(ServingCheckConfig(), "what a model must pass to be pushed")
