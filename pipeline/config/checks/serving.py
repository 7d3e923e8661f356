"""What no single key can tell of serving: keys that another one takes the effect from."""

from typing import TYPE_CHECKING

from pipeline.config.problems import Problems

if TYPE_CHECKING:
    from pipeline.config import Config


def check(config: "Config", problems: Problems) -> None:
    """Adds every contradiction to `problems`."""
    if not problems.clean("serving.check") or config.serving.check.enabled:
        return
    for key in ("examples", "max_batch", "max_latency_ms", "max_memory_mb", "timeout_seconds"):
        where = f"serving.check.{key}"
        if where in problems.given:
            text = "has no effect with serving.check.enabled false"
            problems.add(where, f"{text}; expected no value")
