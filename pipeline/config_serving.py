"""`serving.check`: what a model must pass before it is pushed. No TensorFlow."""

# `setting` returns dataclasses.field, which the linter cannot see through:

import dataclasses

from pipeline.config_loader import setting


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
