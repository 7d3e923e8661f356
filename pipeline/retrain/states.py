"""What the ledger knows: the versions of each span, and the runs that took them.

A span version is a span with certain content. It is *new* in exactly one run that was pushed or refused
(a refused model is trained, but not pushed); later runs may replay it.

    waiting ──> pending ──> claimed ──> pushed | refused
                   ^           │
                   └───────────┴─────> parked          late files that are not wanted: ignored

Of a span's versions only the newest may be untrained. Times are Unix seconds, for people to read and for
back-offs; no order follows from them, as clocks are set back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

VersionState = Literal["waiting", "pending", "claimed", "pushed", "refused", "parked", "ignored"]
RunState = Literal["claimed", "pushed", "refused", "failed"]
RunResult = Literal["pushed", "refused"]
TRAINED = ("pushed", "refused")


@dataclass(frozen=True, kw_only=True)
class SpanVersion:
    """A span with certain content.

    Attributes:
      span, version: numbers from the folder's name, and from 1 on.
      state: what became of it.
      content: fingerprint of its files; "" while it waits.
      files: their names.
      signature: of the files' names, sizes and times when the content was read.
      run_key: the run that has it, or had it last, as new.
      attempts: how often a run has begun with it and failed or died, the present one included.
      retry_at: not to be tried before, unless the clock shows less than `since`.
      since, first_seen: when it came into its state, and into the ledger.
      reason: why it waits, is refused, parked or ignored, or what failed last.
      alone: not to be new together with others, as a run of several has failed.
      gone: whether its folder was not there when last looked for.
    """

    span: int
    version: int
    state: VersionState
    content: str = ""
    files: tuple[str, ...] = ()
    signature: str = ""
    run_key: str = ""
    attempts: int = 0
    retry_at: float = 0.0
    since: float = 0.0
    first_seen: float = 0.0
    reason: str = ""
    alone: bool = False
    gone: bool = False

    @property
    def identity(self) -> tuple[int, int]:
        return self.span, self.version

    def is_due(self, now: float) -> bool:
        """Whether no back-off holds it; one from the future, before the clock was set back, does not."""
        return not self.since <= now < self.retry_at


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run, with all attempts at it.

    Attributes:
      key: what it is known by: see `planning.run_key`.
      window: the spans that it reads, short: "1-4, 6, 7 v2".
      new: (span, version, content) of those that are new in it.
      state: what became of it.
      started, ended: of the last attempt; ended is 0 while it is claimed.
      pid: of the process that claimed it.
      reason: why it was refused, or failed.
      blessed: whether its model was blessed, pushed or not.
      pushed_version: the number under which its model is served.
      attempts: how often it was begun.
      metrics: what is worth knowing of its model.
      permanent: of a failed one, that it would fail again, or has done so until its span was parked.
    """

    key: str
    window: str
    new: tuple[tuple[int, int, str], ...]
    state: RunState
    started: float
    ended: float = 0.0
    pid: int = 0
    reason: str = ""
    blessed: bool = False
    pushed_version: int | None = None
    attempts: int = 1
    metrics: Mapping[str, Any] = field(default_factory=dict)
    permanent: bool = False


@dataclass(frozen=True, kw_only=True)
class State:
    """The whole ledger.

    Attributes:
      spans: all versions, ascending by span and version.
      runs: the last runs, in the order of their last attempts.
      folded_runs: how many older ones are not kept any more; their spans are.
    """

    spans: tuple[SpanVersion, ...] = ()
    runs: tuple[Run, ...] = ()
    folded_runs: int = 0

    def newest(self) -> dict[int, SpanVersion]:
        """Span -> its newest version, ascending."""
        return {version.span: version for version in self.spans}

    def trained(self) -> dict[int, SpanVersion]:
        """Span -> the version of it that was trained last, ascending."""
        return {one.span: one for one in self.spans if one.state in TRAINED}

    def refused_since_push(self) -> set[tuple[int, int]]:
        """(span, version) of those whose run was refused, where none was pushed since."""
        found: set[tuple[int, int]] = set()
        for run in reversed(self.runs):
            if run.state == "pushed":
                break
            if run.state == "refused":
                found |= {(span, version) for span, version, _ in run.new}
        return found

    def known(self) -> dict[int, tuple[str, str]]:
        """Span -> (signature, content) of its newest version."""
        return {span: (one.signature, one.content) for span, one in self.newest().items()}

    def run(self, key: str) -> Run | None:
        """The run of this key, if it is kept."""
        return next((run for run in self.runs if run.key == key), None)

    def claimed(self) -> Run | None:
        """The run that somebody is at, if any: there is at most one."""
        return next((run for run in self.runs if run.state == "claimed"), None)


@dataclass(frozen=True)
class Plan:
    """The next run.

    Attributes:
      key: what the run is known by.
      spans: (span, version, content) of all that it reads, ascending.
      new: (span, version) of those that are new in it.
      again: those of them whose content is again what an older version of the span was trained with.
      done: what became of a run with this key, if it was pushed or refused before.
    """

    key: str
    spans: tuple[tuple[int, int, str], ...]
    new: tuple[tuple[int, int], ...]
    again: tuple[tuple[int, int], ...] = ()
    done: RunResult | None = None


def span_text(spans: tuple[tuple[int, int], ...]) -> str:
    """(span, version), ascending, as people write them: "1-4, 6, 7 v2"."""
    parts: list[list[int]] = []
    texts: list[str] = []
    for span, version in spans:
        if parts and version == parts[-1][2] == 1 and span == parts[-1][1] + 1:
            parts[-1][1] = span
        else:
            parts.append([span, span, version])
    for first, last, version in parts:
        numbers = f"{first}-{last}" if last > first else str(first)
        texts.append(numbers + (f" v{version}" if version > 1 else ""))
    return ", ".join(texts)
