"""Where the ledger is kept: one document, loaded whole and saved whole if nobody else has saved since.

This is all that a store has to offer: an object store with conditional writes can, a file with a lock can.
"""

import os
from collections.abc import Callable
from typing import Protocol

from components import storage
from pipeline.retrain.states import State


class Ledger(Protocol):
    """A document that changes by compare and swap. Errors are `InputError`s that name the place."""

    def load(self) -> tuple[State, str]:
        """The state, an empty one at first, and the token of this very state."""

    def save(self, state: State, token: str) -> bool:
        """Replace the state that has this token, durably; False if it is not the present one."""


def open_ledger(pipeline_folder: str) -> Ledger:
    """The ledger of a pipeline: an object, or a file where the folder is on this machine.

    Nothing is written before the first `save`.
    """
    if storage.is_remote(pipeline_folder):
        from pipeline.retrain.object_ledger import ObjectLedger

        return ObjectLedger(f"{pipeline_folder}/retrain/ledger.json")
    from pipeline.retrain.sqlite_ledger import SqliteLedger

    return SqliteLedger(os.path.join(pipeline_folder, "retrain", "ledger.sqlite"))


def update(ledger: Ledger, change: Callable[[State], State]) -> State:
    """Load, change and save, again if somebody else was quicker; returns what is saved then.

    What `change` does with a state must follow from that state alone: it may be called several times.
    """
    while True:
        state, token = ledger.load()
        changed = change(state)
        if changed == state or ledger.save(changed, token):
            return changed
