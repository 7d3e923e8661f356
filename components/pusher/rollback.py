"""Taking the served version back: the one before it is then the highest, which is what is served.

A withdrawn version moves to `.withdrawn/<version>` by one rename, and can come back by another. Moving
it away, and not copying an older one to a new number, leaves each model under one number, and takes no
room. Of a folder of this machine, without TensorFlow: a rollback is to be there at once.

In an object store the files are copied, and then removed where they were. Whenever that is interrupted the
version is whole in one place at least, and counts as there as long as it is there; the same move again
goes on.
"""

import os
import shutil
from dataclasses import dataclass

from components import folders, storage
from components.errors import InputError
from components.pusher import layout

WITHDRAWN = ".withdrawn"
# On a ModelBlessing: 1 if the Evaluator blessed the model, and it is no baseline all the same.
REVOKED = "revoked"


@dataclass(frozen=True)
class State:
    """The version numbers in a folder, ascending; the highest of `there` is what is served."""

    there: tuple[int, ...]
    withdrawn: tuple[int, ...]

    @property
    def served(self) -> int | None:
        """The version that a server takes; None: there is none."""
        return self.there[-1] if self.there else None


@dataclass(frozen=True)
class Moves:
    """What a rollback does: versions that it withdraws, highest first, and one that comes back."""

    withdrawn: tuple[int, ...] = ()
    restored: int | None = None


def state(destination: str) -> State:
    """The versions that are there, and those that were withdrawn."""
    there = names(destination)
    aside = names(os.path.join(destination, WITHDRAWN))
    return State(tuple(sorted(there)), tuple(sorted(aside.keys() - there)))


def plan(found: State, to: int | None, destination: str) -> Moves:
    """What makes `to` the highest version; without `to`, the one before the highest.

    Raises:
      InputError: there is nothing to go back to, no such version, or it is served already.
    """
    if to is None:
        if len(found.there) < 2:
            there = f"only version {found.served}" if found.there else "no version"
            raise InputError(f"{destination}: got {there}, expected one before it to go back to")
        to = found.there[-2]
    if to not in (*found.there, *found.withdrawn):
        known = ", ".join(map(str, sorted({*found.there, *found.withdrawn}))) or "none"
        raise InputError(f"--to: got {to}, expected a version of {destination}: {known}")
    if to == found.served:
        raise InputError(f"--to: got {to}, which is served already")
    above = tuple(number for number in reversed(found.there) if number > to)
    return Moves(above, to if to not in found.there else None)


def carry_out(moves: Moves, destination: str) -> None:
    """Move the versions.

    What comes back comes first, so that at no time nothing is served; then the highest goes first,
    so that what is served goes down step by step, whenever this is interrupted.

    Raises:
      InputError: a version cannot be moved to where there is another with its number already.
      OSError: an object store cannot be reached, or refuses.
    """
    aside = os.path.join(destination, WITHDRAWN)
    there, withdrawn = names(destination), names(aside)
    move = _move_files if storage.is_remote(destination) else _move
    if moves.restored is not None:
        move(withdrawn[moves.restored], aside, destination)
    for number in moves.withdrawn:
        move(there[number], destination, aside)


def _move(name: str, source: str, target: str) -> None:
    os.makedirs(target, exist_ok=True)
    if os.path.exists(os.path.join(target, name)):
        raise _taken(name, target)
    os.rename(os.path.join(source, name), os.path.join(target, name))


def _move_files(name: str, source: str, target: str) -> None:
    """As `_move`, where no folder can be renamed; goes on where it was interrupted."""
    old, new = os.path.join(source, name), os.path.join(target, name)
    if not layout.is_whole(new):
        storage.remove_folder(new)  # half of it
        for file in layout.graph_last(folders.files(old)):
            _copy(os.path.join(old, file), os.path.join(new, file))
    elif not folders.same_bytes(old, new):
        raise _taken(name, target)
    layout.remove(old)


def _copy(source: str, target: str) -> None:
    with storage.opened(source) as file:
        storage.write_whole(target, lambda copy: shutil.copyfileobj(file, copy))


def _taken(name: str, target: str) -> InputError:
    return InputError(f"{target}: holds {name} already, expected room for that version")


def names(folder: str) -> dict[int, str]:
    """The versions in a folder: number and name, which may have leading zeros."""
    return {
        int(name): name
        for name in storage.names(folder)
        if name.isascii() and name.isdigit() and layout.is_whole(os.path.join(folder, name))
    }
