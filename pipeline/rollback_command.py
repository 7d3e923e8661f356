"""`tokenline rollback`: the version before is served again; what was withdrawn is no run's baseline.

Which versions are withdrawn is what lies in `.withdrawn`; the metadata store is made to agree with it
here and at the start of each run. A blessing that a later run gives to the same model once more does
not outlive that.
"""

import contextlib
import os
from collections.abc import Iterator

from components import folders
from components.errors import InputError
from components.pusher import rollback
from pipeline import lock, paths
from pipeline.config import Config
from pipeline.config.problems import Unsuited
from pipeline.store.connection import Store, store_of
from pipeline.terminal import silenced

_MODEL = "Format-Serving"  # where TFX's model artifacts hold what is pushed


def run(config: Config, *, to: int | None, only_list: bool) -> int:
    """Go back to the version before, or to version `to`, or say which there are.

    Raises:
      InputError: there is nothing to go back to, no such version, or a run is in progress.
    """
    destination = config.serving.push_to
    if only_list:
        _show(rollback.state(destination), destination, "`tokenline run` makes one")
        return 0
    with lock.held(paths.lock(config), "a run of this pipeline"):  # it could push meanwhile
        moves = _move(destination, to)
        agree(store_of(config), destination)
    _tell(moves, destination, ", and blessed as before")
    if moves.withdrawn:
        print(
            "what is withdrawn is not pushed again, and no run is compared with it or starts from it"
        )
    return 0


def run_in_cloud(config: Config, *, to: int | None, only_list: bool) -> int:
    """As `run`, of the versions that the compiled line pushes.

    No lock keeps a job from pushing meanwhile, and what the service's own metadata store says of a model
    stays as it is.

    Raises:
      InputError: as `run` does, there is no cloud, or its store cannot be reached or refuses.
    """
    if config.cloud is None:
        raise Unsuited(
            ("cloud", "missing, expected a section with root and image: docs/serving.md")
        )
    destination = config.cloud.push_to
    with _store_errors("cloud.push_to", destination):
        if only_list:
            _show(rollback.state(destination), destination, "a job of the compiled line makes one")
            return 0
        moves = _move(destination, to)
        _tell(moves, destination)
    if moves.withdrawn:
        print(
            "what is withdrawn is not pushed again; on Kubeflow Pipelines no run starts from it, "
            "Vertex keeps its blessing (docs/serving.md)"
        )
    return 0


@contextlib.contextmanager
def _store_errors(key: str, destination: str) -> Iterator[None]:
    """What an object store says, as one line."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with silenced():
        import tensorflow  # noqa: F401 - it reads the store, and greets
    try:
        yield
    except OSError as error:
        raise InputError(f"{key}: {destination}: {error.strerror}") from None


def _move(destination: str, to: int | None) -> rollback.Moves:
    """Plan, and do it."""
    moves = rollback.plan(rollback.state(destination), to, paths.shown(destination))
    rollback.carry_out(moves, destination)
    return moves


def _tell(moves: rollback.Moves, destination: str, as_before: str = "") -> None:
    """What moved, and what is served now; `as_before`: what a version that is back also is."""
    for number in moves.withdrawn:
        place = os.path.join(destination, rollback.WITHDRAWN, str(number))
        print(f"version {number} is withdrawn: it is in {paths.shown(place)}")
    if moves.restored is not None:
        print(f"version {moves.restored} is back{as_before}")
    found = rollback.state(destination)
    print(f"version {found.served} is the highest, which is served: {paths.shown(destination)}")


def agree(kept: Store, destination: str) -> None:
    """Make the metadata store say of models that are not to be served that they are not blessed."""
    if not kept.exists():
        return
    from pipeline.store import questions

    aside = os.path.join(destination, rollback.WITHDRAWN)
    withdrawn, served = _folders(aside), _folders(destination)[-1:]

    def is_withdrawn(uri: str) -> bool:
        return any(folders.same_export(os.path.join(uri, _MODEL), folder) for folder in withdrawn)

    def is_served(uri: str) -> bool:
        return any(folders.same_export(os.path.join(uri, _MODEL), folder) for folder in served)

    questions.revoke(kept, is_withdrawn if withdrawn else None, is_served)


def _folders(destination: str) -> list[str]:
    """The version folders of a folder, ascending."""
    found = rollback.names(destination)
    return [os.path.join(destination, found[number]) for number in sorted(found)]


def _show(found: rollback.State, destination: str, maker: str) -> None:
    """The versions, the newest first; `maker`: how the first one comes about."""
    if not (found.there or found.withdrawn):
        print(f"{paths.shown(destination)}: no version yet: {maker}")
        return
    print(paths.shown(destination))
    for number in sorted({*found.there, *found.withdrawn}, reverse=True):
        kept = "served" if number == found.served else "kept"
        print(f"  {number:>6}  {kept if number in found.there else 'withdrawn'}")
