"""Whether what the ledger knows as pushed last is still where it was pushed to. No TensorFlow."""

import os
from dataclasses import dataclass

from components import storage
from components.pusher import rollback
from pipeline import paths
from pipeline.retrain.states import State


@dataclass(frozen=True)
class Lost:
    """The version that was pushed last, and the folder in which it is not."""

    version: int
    push_to: str

    @property
    def told(self) -> str:
        """What it means, and what can be done about it; retrain itself does nothing."""
        return (
            f"version {self.version}, which was pushed last, is not in serving.push_to "
            f"({paths.shown(self.push_to)}): put it back, or `tokenline run` pushes a model again"
        )


def lost(state: State, push_to: str) -> Lost | None:
    """The version that the last run pushed, if it is gone and nothing has been pushed since.

    Args:
      state: the ledger.
      push_to: the folder of the versions; of a remote one nothing is known here.
    """
    last = next((run for run in reversed(state.runs) if run.pushed_version is not None), None)
    if last is None or last.pushed_version is None or storage.is_remote(push_to):
        return None
    try:
        stands = _stands(push_to, last.pushed_version, last.ended)
    except OSError:  # what cannot be looked at is not known to be gone
        return None
    return None if stands else Lost(last.pushed_version, push_to)


def _stands(push_to: str, version: int, pushed_at: float) -> bool:
    """Whether a version, or one that was pushed after it, is there, or was withdrawn."""
    there = rollback.names(push_to)
    withdrawn = rollback.names(os.path.join(push_to, rollback.WITHDRAWN))
    # By hand, `tokenline run` pushes as well: under a higher number, or anew from 1.
    changed = (os.path.getmtime(os.path.join(push_to, name)) for name in there.values())
    return max((*there, *withdrawn), default=0) >= version or any(
        moment > pushed_at for moment in changed
    )
