"""`tokenline rollback`: the version before is served again; what was withdrawn is no run's baseline.

Which versions are withdrawn is what lies in `.withdrawn`; the metadata store is made to agree with it
here and at the start of each run. A blessing that a later run gives to the same model once more does
not outlive that.
"""

import fcntl
import filecmp
import os
from collections.abc import Iterator
from contextlib import contextmanager

from components.errors import InputError
from components.pusher import rollback
from pipeline import paths
from pipeline.config import Config

_MODEL = "Format-Serving"  # where TFX's model artifacts hold what is pushed
_FINGERPRINT = "fingerprint.pb"


def run(config: Config, *, to: int | None, only_list: bool) -> int:
    """Go back to the version before, or to version `to`, or say which there are.

    Raises:
      InputError: there is nothing to go back to, no such version, or a run is in progress.
    """
    destination = config.serving.push_to
    if only_list:
        _show(rollback.state(destination), destination)
        return 0
    with _no_run(paths.pipeline_folder(config)):
        moves = rollback.plan(rollback.state(destination), to, _shown(destination))
        rollback.carry_out(moves, destination)
        agree(os.path.join(paths.pipeline_folder(config), "metadata.db"), destination)
    for number in moves.withdrawn:
        place = os.path.join(destination, rollback.WITHDRAWN, str(number))
        print(f"version {number} is withdrawn: it is in {_shown(place)}")
    if moves.restored is not None:
        print(f"version {moves.restored} is back, and blessed as before")
    found = rollback.state(destination)
    print(f"version {found.served} is the highest, which is served: {_shown(destination)}")
    if moves.withdrawn:
        print(
            "what is withdrawn is not pushed again, and no run is compared with it or starts from it"
        )
    return 0


def agree(database: str, destination: str) -> None:
    """Make the metadata store say of models that are not to be served that they are not blessed."""
    if not os.path.exists(database):
        return
    from pipeline import store

    aside = os.path.join(destination, rollback.WITHDRAWN)
    withdrawn, served = _folders(aside), _folders(destination)[-1:]

    def is_withdrawn(uri: str) -> bool:
        return any(same_model(os.path.join(uri, _MODEL), folder) for folder in withdrawn)

    def is_served(uri: str) -> bool:
        return any(same_model(os.path.join(uri, _MODEL), folder) for folder in served)

    store.revoke(database, is_withdrawn, is_served)


def _folders(destination: str) -> list[str]:
    """The version folders of a folder, ascending."""
    found = rollback.names(destination)
    return [os.path.join(destination, found[number]) for number in sorted(found)]


def same_model(one: str, other: str) -> bool:
    """Whether two folders hold the same files with the same bytes."""
    files = _files(one)
    if not files or files != _files(other):
        return False
    # The fingerprint first: it tells any two exports apart, and is small.
    files.sort(key=lambda name: (name != _FINGERPRINT, name))
    return all(
        filecmp.cmp(os.path.join(one, name), os.path.join(other, name), shallow=False)
        for name in files
    )


def _files(folder: str) -> list[str]:
    return sorted(
        os.path.relpath(os.path.join(where, name), folder)
        for where, _, names in os.walk(folder)
        for name in names
    )


def _show(found: rollback.State, destination: str) -> None:
    """The versions, the newest first."""
    if not (found.there or found.withdrawn):
        print(f"{_shown(destination)}: no version yet: `tokenline run` makes one")
        return
    print(_shown(destination))
    for number in sorted({*found.there, *found.withdrawn}, reverse=True):
        kept = "served" if number == found.served else "kept"
        print(f"  {number:>6}  {kept if number in found.there else 'withdrawn'}")


@contextmanager
def _no_run(folder: str) -> Iterator[None]:
    """Hold the pipeline's lock, as a run does: it could push at the same time."""
    os.makedirs(folder, exist_ok=True)
    lock = os.path.join(folder, "lock")
    with open(lock, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"a run of this pipeline is in progress ({_shown(lock)} is locked): wait for it"
            ) from None
        yield


def _shown(path: str) -> str:
    """A path as the user would type it: relative where it is below the current folder."""
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative
