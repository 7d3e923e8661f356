"""`tokenline retrain --status`: the queue, what waits and why, the last runs, and what is parked."""

import textwrap
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.retrain import faults, planning
from pipeline.retrain.pushed import Lost
from pipeline.retrain.states import TRAINED, Run, SpanVersion, State, span_text
from pipeline.retrain.telling import numbers

_MOST_TOLD = 10
_MOST_RUNS = 10
_MOST_REASON_LINES = 3
_LABEL = 14  # columns
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


@dataclass(frozen=True)
class Around:
    """What the ledger does not know.

    Attributes:
      alive: whether the process that claimed the run of the moment, if there is one, is at it.
      lost: what was pushed last, if it is not there any more.
    """

    alive: bool = True
    lost: Lost | None = None


def as_rows(state: State, around: Around = Around()) -> dict[str, Any]:
    """What `lines` says, as JSON has it, and in full.

    Returns:
      `counts` (state -> spans whose newest version is in it), `running` (a run and whether its process is
      `alive`, or None), `held` (why the queue is held, or None), `queue` (pending and waiting versions in
      order), `parked`, `ignored`, `gone` (trained, and the folder is not there any more), `lost` (`version`
      and `push_to` of what was pushed last, if it is not there, or None), `runs` (the last ones, newest
      first). Times are Unix seconds.
    """
    newest = list(state.newest().values())
    running = state.claimed()
    return {
        "counts": _counts(newest),
        "running": asdict(running) | {"alive": around.alive} if running else None,
        "held": _why_held(state) or None,
        "queue": [asdict(one) for one in _queue(newest)],
        "parked": [asdict(one) for one in newest if one.state == "parked"],
        "ignored": [asdict(one) for one in newest if one.state == "ignored"],
        "gone": [one.span for one in newest if one.gone and one.state in TRAINED],
        "lost": asdict(around.lost) if around.lost else None,
        "runs": [asdict(run) for run in reversed(state.runs) if run is not running],
    }


def lines(
    state: State,
    around: Around = Around(),
    *,
    now: float,
    width: int = 80,
    command: str = "tokenline retrain",
) -> list[str]:
    """The ledger for people.

    Args:
      state: the ledger.
      around: what it does not know.
      now: Unix seconds; times are shown in the local zone.
      width: columns.
      command: what `--retry` is added to.
    """
    newest = list(state.newest().values())
    if not newest:
        return ["no span has been seen yet"]
    found = [_summary(newest, around)]
    if around.lost:
        found += _wrapped(around.lost.told, "", "  ", width)
    if running := state.claimed():
        found += ["", *_running(running, around, now, width)]
    if queue := _queue(newest):
        found += ["", "queue", *_queued(queue, now, width)]
    if stopped := _why_held(state):
        found += _wrapped(stopped, "  ", "  ", width)
    for title in ("parked", "ignored"):
        held = [one for one in newest if one.state == title]
        if held:
            found += ["", title]
        for one in held[:_MOST_TOLD]:
            found += _held(one, now, width, command)
        found += _rest(held[_MOST_TOLD:], width)
    gone = tuple(one.identity for one in newest if one.gone and one.state in TRAINED)
    if gone:
        text = f"not in windows any more, as their folders are not there: {span_text(gone)}"
        found += ["", *_wrapped(text, "", "  ", width)]
    ended = [run for run in reversed(state.runs) if run is not running]
    if ended:
        found += ["", *_last_runs(ended, state.folded_runs, now, width)]
    return found


def _counts(newest: Iterable[SpanVersion]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for one in newest:
        counts[one.state] = counts.get(one.state, 0) + 1
    return counts


def _summary(newest: list[SpanVersion], around: Around) -> str:
    counts = _counts(newest)
    order = ("claimed", "pending", "waiting", "parked", "ignored", "pushed", "refused")
    names = {"claimed": _claimed(around)}
    named = [f"{counts[state]} {names.get(state, state)}" for state in order if state in counts]
    return f"{len(newest)} span{'s' if len(newest) > 1 else ''}: {', '.join(named)}"


def _claimed(around: Around) -> str:
    return "in training" if around.alive else "interrupted"


def _queue(newest: Iterable[SpanVersion]) -> list[SpanVersion]:
    """What is to be trained, in order; then what is not ready."""
    waits = [one for one in newest if one.state in ("pending", "waiting")]
    return sorted(waits, key=lambda one: (one.state == "waiting", one.span))


def _running(run: Run, around: Around, now: float, width: int) -> list[str]:
    text = f"for {_duration(now - run.started)}, process {run.pid}{_attempt(run.attempts)}"
    if not around.alive:
        text = f"its process is gone; the next retrain takes it up{_attempt(run.attempts)}"
    return [_claimed(around), *_labelled(_new(run), f"{text}, window {run.window}", width)]


def _queued(queue: list[SpanVersion], now: float, width: int) -> list[str]:
    """Those of which there is something to say, one by one; those that are simply behind, as one."""
    plain = [one for one in queue[1:] if one.state == "pending" and one.attempts == 0]
    behind = {one.span for one in plain}
    told = [one for one in queue if one.span not in behind]
    shown = _labelled(_name(told[0]), _why_not_yet(told[0], first=True, now=now), width)
    if plain:
        numbers = span_text(tuple(one.identity for one in plain))
        shown += _labelled(f"then {len(plain)}", f"ready: {numbers}", width)
    for one in told[1:_MOST_TOLD]:
        shown += _labelled(_name(one), _why_not_yet(one, first=False, now=now), width)
    return shown + _rest(told[_MOST_TOLD:], width)


def _why_held(state: State) -> str:
    """Why spans that are due are not taken; "" if they are."""
    failed = faults.in_a_row(state)
    if len(failed) < faults.PARKED or planning.head(state) is None:
        return ""
    text = f"held: spans {numbers(failed)} failed for the same reason, which is hardly theirs"
    return f"{text}; the next start tries one more"


def _rest(left_out: list[SpanVersion], width: int) -> list[str]:
    if not left_out:
        return []
    numbers = span_text(tuple(sorted(one.identity for one in left_out)))
    return _labelled(f"… {len(left_out)} more", numbers, width)


def _why_not_yet(one: SpanVersion, *, first: bool, now: float) -> str:
    if one.state == "waiting":
        return f"waits since {_when(one.since, now)}: {one.reason}"
    if not one.is_due(now):
        tried = f"attempt {one.attempts + 1} in {_duration(one.retry_at - now)}"
        return f"{tried}; the last one failed: {one.reason}"
    text = ("late files, " if one.version > 1 else "") + ("next" if first else "ready")
    if one.attempts:
        text += f", attempt {one.attempts + 1}; the last one failed: {one.reason}"
    return text


def _held(one: SpanVersion, now: float, width: int, command: str) -> list[str]:
    tried = f" after {one.attempts} attempts" if one.attempts > 1 else ""
    text = f"{_when(one.since, now)}{tried}: {one.reason}"
    gone = "its folder is not there" if one.gone else f"{command} --retry {one.span}"
    return [*_labelled(_name(one), text, width), f"{'':<{_LABEL + 2}}{gone}"]


def _last_runs(ended: list[Run], folded: int, now: float, width: int) -> list[str]:
    count = len(ended) + folded
    shown = ended[:_MOST_RUNS]
    of_all = f" (of {count})" if count > len(shown) else ""
    heads = ("when", "new", "window", "state", "version", "seconds")
    rows = [heads, *(_run_cells(run, now) for run in shown)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    found = [f"last runs{of_all}"]
    for row, run in zip(rows, [None, *shown], strict=True):
        cells = [text.ljust(size) for text, size in zip(row[:4], widths, strict=False)]
        cells += [text.rjust(size) for text, size in zip(row[4:], widths[4:], strict=True)]
        found.append(("  " + "  ".join(cells)).rstrip())
        if run and run.reason and run.state != "pushed":
            found += _wrapped(run.reason, "    ", "    ", width, most_lines=2)
    return found


def _run_cells(run: Run, now: float) -> tuple[str, ...]:
    version = "-" if run.pushed_version is None else str(run.pushed_version)
    state = run.state + (f" ({run.attempts} attempts)" if run.attempts > 1 else "")
    seconds = f"{max(0.0, run.ended - run.started):.1f}"
    return (_when(run.ended, now), _cut(_numbers(run)), _cut(run.window), state, version, seconds)


def _cut(text: str) -> str:
    """A cell of the table: a list of spans may be as long as it likes."""
    return text if len(text) <= _LABEL else f"{text[:5].rstrip(' ,')} … {text[-6:].lstrip(' ,')}"


def _numbers(run: Run) -> str:
    return span_text(tuple((span, version) for span, version, _ in run.new))


def _new(run: Run) -> str:
    return f"span{'s' if len(run.new) > 1 else ''} {_numbers(run)}"


def _name(one: SpanVersion) -> str:
    return f"span {span_text((one.identity,))}"


def _attempt(number: int) -> str:
    return f", attempt {number}" if number > 1 else ""


def _labelled(label: str, text: str, width: int) -> list[str]:
    """A line that begins with a label, and what follows of its text below itself."""
    return _wrapped(text, f"  {label:<{_LABEL - 1}} ", " " * (_LABEL + 2), width)


def _wrapped(
    text: str, first: str, others: str, width: int, *, most_lines: int = _MOST_REASON_LINES
) -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=others,
        max_lines=most_lines, placeholder=" …",
    )  # fmt: skip


def _when(moment: float, now: float) -> str:
    """Local time, with the day unless it is today's."""
    local, today = time.localtime(moment), time.localtime(now)
    same_day = local[:3] == today[:3]
    return time.strftime("%H:%M:%S" if same_day else "%Y-%m-%d %H:%M", local)


def _duration(seconds: float) -> str:
    """Rounded to what matters; never negative, whatever the clock did."""
    whole = max(0, round(seconds))
    if whole < 2 * _MINUTE:
        return f"{whole} s"
    if whole < 2 * _HOUR:
        return f"{round(whole / _MINUTE)} min"
    return f"{round(whole / _HOUR)} h" if whole < 2 * _DAY else f"{round(whole / _DAY)} days"
