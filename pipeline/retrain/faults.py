"""A fault that is not one span's own: the same reason stops one run after the other.

Parking span by span would empty the queue then, though every one of them may be well.
"""

import re

from pipeline.retrain.states import State

PARKED = 2  # so many are parked for the same reason; those after them stay in the queue
# What names the span in a reason: paths, and the number itself. A file's line stays: that a column is
# missing shows in the first one of every file; rows that are bad for themselves lie elsewhere in each.
_PATH = re.compile(r"\S*/[^\s:]*")
_NUMBER = re.compile(r"\b(spans?|process)[ -]\d+(?:[-, ]+\d+)*")


def in_a_row(state: State) -> tuple[int, ...]:
    """The spans of the last runs that failed for good for the same reason, ascending; () if the last did not.

    A run with several new spans says nothing of them: they are tried one by one then.
    """
    ended = [run for run in reversed(state.runs) if run.state != "claimed" and len(run.new) == 1]
    found: set[int] = set()
    for run in ended:
        if not run.permanent or _bare(run.reason) != _bare(ended[0].reason):
            break
        found.add(run.new[0][0])
    return tuple(sorted(found))


def _bare(reason: str) -> str:
    """The first line of a reason, without what names the span; others count rows, and give more of them."""
    first = reason.splitlines()[0] if reason else ""
    return _NUMBER.sub(r"\1", _PATH.sub("", first))
