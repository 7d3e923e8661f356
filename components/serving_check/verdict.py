"""What came out of a serving check: passed or not, always with reasons."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

FILE = "serving_check.json"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    passed: bool
    text: str


@dataclass(frozen=True)
class Verdict:
    """Every check that could be made, and what was measured."""

    checks: tuple[Check, ...]
    latency_ms: Mapping[str, Mapping[str, float]]
    memory_mb: float = 0.0
    memory_before_mb: float = 0.0
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether all did, and there was one."""
        return bool(self.checks) and all(check.passed for check in self.checks)

    @property
    def reasons(self) -> tuple[str, ...]:
        """The checks that failed, or the passed ones."""
        failed = [check for check in self.checks if not check.passed]
        return tuple(f"{check.name}: {check.text}" for check in failed or self.checks)

    @property
    def line(self) -> str:
        """The verdict in one line."""
        if self.passed:
            return f"passed, {len(self.checks)} checks: {self.measured}"
        failed = [check.name for check in self.checks if not check.passed]
        return f"FAILED: {', '.join(failed)}"

    @property
    def measured(self) -> str:
        """Latency and memory, as far as they are known."""
        slowest = max((each["p95"] for each in self.latency_ms.values()), default=0.0)
        return f"p95 {slowest:.1f} ms, {self.memory_mb:.0f} MB"

    def to_json(self) -> str:
        """The content of `FILE`."""
        found = {
            "passed": self.passed,
            "reasons": self.reasons,
            "checks": [vars(check) for check in self.checks],
            "latency_ms": self.latency_ms,
            "memory_mb": self.memory_mb,
            "memory_before_mb": self.memory_before_mb,
            "seconds": self.seconds,
        }
        return json.dumps(found, indent=1)
