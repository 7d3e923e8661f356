"""Taking the served version back: the one before it is then the highest, which is what is served.

A withdrawn version moves to `.withdrawn/<version>` by one rename, and can come back by another. Moving
it away, and not copying an older one to a new number, leaves each model under one number, and takes no
room. Only the operating system's files: a rollback is to be there at once, without TensorFlow.
"""

import os
from dataclasses import dataclass

from components.errors import InputError

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
    there = _numbers(destination)
    return State(there, _numbers(os.path.join(destination, WITHDRAWN)))


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
      InputError: a version cannot be moved to where there is one with its number already.
    """
    aside = os.path.join(destination, WITHDRAWN)
    os.makedirs(aside, exist_ok=True)
    there, withdrawn = names(destination), names(aside)
    if moves.restored is not None:
        _move(withdrawn[moves.restored], aside, destination)
    for number in moves.withdrawn:
        _move(there[number], destination, aside)


def _move(name: str, source: str, target: str) -> None:
    if os.path.exists(os.path.join(target, name)):
        raise InputError(f"{target}: holds {name} already, expected room for that version")
    os.rename(os.path.join(source, name), os.path.join(target, name))


def _numbers(folder: str) -> tuple[int, ...]:
    return tuple(sorted(names(folder)))


def names(folder: str) -> dict[int, str]:
    """The folders in a folder that have a number for a name, which may have leading zeros."""
    found = os.listdir(folder) if os.path.isdir(folder) else []
    return {
        int(name): name
        for name in found
        if name.isascii() and name.isdigit() and os.path.isdir(os.path.join(folder, name))
    }
