"""Numbered version folders that a model server polls.

A server takes the highest number and does not look inside, so a version must appear complete, by one
rename, and above all that exist. Source of the server's rule: tensorflow/serving,
file_system_storage_path_source.cc, AspireLatestVersions.

An object store has no rename of folders: there the files are uploaded elsewhere first and then renamed one
by one, the graph last, see `layout`. What a push that was killed leaves is no version.

A version that was rolled back lies in `.withdrawn`, where no server looks, see `rollback`. Its number
is never given again, and its bytes are not pushed again.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import tensorflow as tf

from components import folders, storage
from components.pusher import layout, run_keys
from components.pusher.rollback import WITHDRAWN

_gfile = tf.io.gfile
_STAGING = ".incoming"


def push(model: str, destination: str, *, keep: int, run_key: str = "") -> str:
    """Copy the folder `model` to a new version and drop the oldest beyond `keep`.

    A model whose bytes are already the newest version is not pushed again, nor is anything for a run that
    has pushed a version that is there.

    Args:
      model: folder.
      destination: folder that holds one numbered folder a version.
      keep: how many of the newest versions stay.
      run_key: what retrain knows the run by, see `run_keys`; "": it does not know it.

    One push at a time: two of them could take the same number.

    Returns:
      The version's folder.

    Raises:
      ValueError: there is no file in `model`.
    """
    files = folders.files(model)
    if not files:
        raise ValueError(f"{model}: got no file, expected a model")
    found = existing(destination)
    if pushed := _pushed_by(run_key, found, destination):
        return pushed.path
    if found and folders.same_bytes(found[-1].path, model):
        if run_key:
            run_keys.note(destination, found[-1].number, run_key)
        return found[-1].path
    number = _next_number(destination)
    version = os.path.join(destination, str(number))
    _stage(model, files, destination)
    if run_key:
        run_keys.note(destination, number, run_key)
    _publish(files, os.path.join(destination, _STAGING), version)
    for old in found[: max(0, len(found) + 1 - keep)]:
        layout.remove(old.path)
    if storage.is_remote(destination):
        _remove_halves(destination)
    there = [*existing(destination), *withdrawn(destination)]
    run_keys.forget_others(destination, [each.number for each in there])
    return version


@dataclass(frozen=True, order=True)
class Version:
    """A numbered folder. Its name may have leading zeros."""

    number: int
    path: str


def existing(destination: str) -> list[Version]:
    """The versions in a folder, ascending; an absent folder has none."""
    return [found for found in _numbered(destination) if layout.is_whole(found.path)]


def withdrawn(destination: str) -> list[Version]:
    """The versions that were rolled back, ascending; one that is there was not, or not to its end."""
    there = {each.number for each in existing(destination)}
    aside = existing(os.path.join(destination, WITHDRAWN))
    return [each for each in aside if each.number not in there]


def withdrawn_as(model: str, destination: str) -> int | None:
    """The version under which a model with the bytes of this one was rolled back.

    None: it was not, or it is what is served all the same, under another number.
    """
    aside, there = withdrawn(destination), existing(destination)
    if aside and there and folders.same_bytes(there[-1].path, model):
        return None
    found = (each.number for each in reversed(aside) if folders.same_bytes(each.path, model))
    return next(found, None)


def _pushed_by(run_key: str, found: Sequence[Version], destination: str) -> Version | None:
    """What a run has pushed, if that is still there and was not withdrawn."""
    number = run_keys.version_of(destination, run_key) if run_key else None
    return next((each for each in found if each.number == number), None)


def _numbered(destination: str) -> list[Version]:
    """Whatever has a number for a name."""
    return sorted(
        Version(int(name), os.path.join(destination, name))
        for name in storage.names(destination)
        if name.isascii() and name.isdigit()
    )


def _next_number(destination: str) -> int:
    taken = [*_numbered(destination), *_numbered(os.path.join(destination, WITHDRAWN))]
    return max((each.number for each in taken), default=0) + 1


def _stage(model: str, files: Sequence[str], destination: str) -> None:
    """Copy a model's files into the staging folder. Not a number: no server looks at it."""
    staging = os.path.join(destination, _STAGING)
    storage.remove_folder(staging)  # what a killed push left
    for name in files:
        target = os.path.join(staging, name)
        _gfile.makedirs(os.path.dirname(target))
        _gfile.copy(os.path.join(model, name), target)
        _sync(target)


def _publish(files: Sequence[str], staging: str, version: str) -> None:
    """Give the staging folder the version's name."""
    if not storage.is_remote(version):
        _gfile.rename(staging, version)
        _sync(os.path.dirname(version))
        return
    for name in layout.graph_last(files):
        target = os.path.join(version, name)
        _gfile.makedirs(os.path.dirname(target))
        _gfile.rename(os.path.join(staging, name), target)
    storage.remove_folder(staging)  # which some stores keep when it is empty


def _remove_halves(destination: str) -> None:
    """What pushes left that were killed."""
    for found in _numbered(destination):
        if not layout.is_whole(found.path) and storage.is_folder(found.path):
            storage.remove_folder(found.path)


def _sync(path: str) -> None:
    """Make a local file durable before the rename makes it visible."""
    if storage.is_remote(path):
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
