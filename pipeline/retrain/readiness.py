"""When a span is complete: by its marker, or because nothing has changed for a while. Pure."""

from components.example_gen.files import MARKERS
from pipeline.retrain.looking import Entry, Reading, Seen


def reason_to_wait(
    seen: Seen,
    reading: Reading,
    *,
    marker_needed: bool,
    settle_seconds: float,
    now: float,
    unchanged: bool,
) -> str:
    """Why a span is not to be read yet, as one line that stays the same while it waits; "" if it is.

    A marker vouches for the files that are not newer than it. Where one is newer (it came late, or a
    copy went by the alphabet), the span has to settle as if there were no marker.

    Args:
      seen: what lies in its folder.
      reading: which of that is read.
      marker_needed: whether to settle is not enough without a marker.
      settle_seconds: how long nothing may have changed.
      now: seconds since 1970.
      unchanged: whether the span was the same at the look before this one.
    """
    marked = [entry.changed for entry in seen.entries if entry.name in MARKERS]
    late = ""
    if marked:
        newer = [each for each, _ in reading.files(seen.entries) if each.changed > max(marked)]
        if not newer:
            return ""
        late = f"{newer[-1].name} is newer than the marker; "
    elif marker_needed:
        return f"{seen.folder}: no {' or '.join(MARKERS)} yet"
    wait = _unsettled(seen, settle_seconds, now, unchanged)
    return wait and f"{seen.folder}: {late}{wait}"


def _unsettled(seen: Seen, settle_seconds: float, now: float, unchanged: bool) -> str:
    """Why a span has not settled; whatever lies in its folder counts, also files half copied."""
    newest: Entry | None = max(seen.entries, key=lambda each: each.changed, default=None)
    changed = max(seen.changed, newest.changed if newest else 0.0)
    if changed > now + settle_seconds:
        # The clock was set back: how long ago that was, nobody knows.
        return "" if unchanged else "dated in the future, taken if the next look finds it the same"
    if changed > now - settle_seconds:
        return f"changed in the last {settle_seconds:g} s (retrain.settle_seconds)"
    return ""
