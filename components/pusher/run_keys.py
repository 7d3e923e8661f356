"""Which run pushed which version, and which run was refused: as durable as the version itself.

A run may die between its push and its word on it. What it pushes is therefore noted under the run's key
before the version appears, which is what makes the note true:

<destination>/.runs/<number>.json    the keys of the runs that pushed the version with that number
<PushedModel>/refused.json           the key of a run that pushed nothing, and why

At an object store a version's folder appears file by file, its graph last: before that it is no version.
"""

import json
import os
from collections.abc import Collection
from typing import Any

from components import storage
from components.pusher import rollback

NOTES = ".runs"  # not a number: no server looks at it
REFUSED = "refused.json"


def note(destination: str, number: int, key: str) -> None:
    """Note, durably, that the run with this key pushes the version with this number.

    A version that is there keeps the keys that are noted; one that is not yet there has none but this.
    """
    known = noted(destination, number) if number in _numbers(destination) else []
    if key not in known:
        _write(_note(destination, number), {"keys": [*known, key]})


def noted(destination: str, number: int) -> list[str]:
    """The keys that are noted for a version, which need not be there."""
    found = _read(_note(destination, number)).get("keys", [])
    return found if isinstance(found, list) else []


def version_of(destination: str, key: str) -> int | None:
    """The newest version that the run with this key pushed, also one that was withdrawn since."""
    found = [number for number in _numbers(destination) if key in noted(destination, number)]
    return max(found, default=None)


def forget_others(destination: str, numbers: Collection[int]) -> None:
    """Remove the notes on all versions but these."""
    folder = os.path.join(destination, NOTES)
    if storage.is_remote(destination):
        return
    kept = {f"{number}.json" for number in numbers}
    for name in storage.names(folder):
        if name not in kept:
            storage.remove(os.path.join(folder, name))


def refuse(pushed_model: str, key: str, reason: str) -> None:
    """Note that the run with this key pushes nothing, in the folder of its PushedModel."""
    _write(os.path.join(pushed_model, REFUSED), {"key": key, "reason": reason})


def refusal(pushed_models: str, key: str) -> str | None:
    """Why the run with this key pushed nothing; None: it is not known to have been refused.

    Args:
      pushed_models: the folder in which there is one of each push, by number.
      key: of the run.
    """
    names = rollback.names(pushed_models)
    for number in sorted(names, reverse=True):
        found = _read(os.path.join(pushed_models, names[number], REFUSED))
        if found.get("key") == key:
            return str(found.get("reason", ""))
    return None


def _numbers(destination: str) -> set[int]:
    found = rollback.state(destination)
    return {*found.there, *found.withdrawn}


def _note(destination: str, number: int) -> str:
    return os.path.join(destination, NOTES, f"{number}.json")


def _read(path: str) -> dict[str, Any]:
    """{} where there is no such file, or only half of one."""
    try:
        with storage.opened(path) as file:
            found = json.load(file)
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(path: str, facts: dict[str, Any]) -> None:
    """Whole or not at all, and on disk when it returns."""
    storage.write_whole(path, lambda file: file.write(json.dumps(facts).encode()))
