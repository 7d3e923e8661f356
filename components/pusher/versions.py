"""Numbered version folders that a model server polls.

A server takes the highest number and does not look inside, so a version must appear complete, by one
rename, and above all that exist. Source of the server's rule: tensorflow/serving,
file_system_storage_path_source.cc, AspireLatestVersions.
"""

import hashlib
import os

import tensorflow as tf

_gfile = tf.io.gfile
_STAGING = ".incoming"


def push(model: str, destination: str, *, keep: int) -> str:
    """Copy the folder `model` to a new version and drop the oldest beyond `keep`.

    A model whose bytes are already the newest version is not pushed again.

    Returns:
      The version's folder.
    """
    found = existing(destination)
    newest = os.path.join(destination, str(found[-1])) if found else None
    if newest and digest(newest) == digest(model):
        return newest
    version = os.path.join(destination, str(found[-1] + 1 if found else 1))
    staging = os.path.join(destination, _STAGING)  # not a number: no server looks at it
    if _gfile.exists(staging):
        _gfile.rmtree(staging)  # what a killed push left
    for source, target in _files(model, staging):
        _gfile.makedirs(os.path.dirname(target))
        _gfile.copy(source, target)
        _sync(target)
    _gfile.rename(staging, version)
    for old in found[: max(0, len(found) + 1 - keep)]:
        _gfile.rmtree(os.path.join(destination, str(old)))
    return version


def existing(destination: str) -> list[int]:
    """The version numbers in a folder, ascending; an absent folder has none."""
    if not _gfile.isdir(destination):
        return []
    return sorted(
        int(name.rstrip("/")) for name in _gfile.listdir(destination) if name.rstrip("/").isdigit()
    )


def digest(folder: str) -> str:
    """Hash over the names and bytes of all files of a folder."""
    state = hashlib.sha256()
    for path, name in sorted(_files(folder, "")):
        with _gfile.GFile(path, "rb") as file:
            content = file.read()
        state.update(f"{name}:{len(content)}:".encode() + content)
    return state.hexdigest()


def _files(folder: str, target: str) -> list[tuple[str, str]]:
    """(path, the same path below `target`) of every file."""
    pairs = []
    for where, _, names in _gfile.walk(folder):
        below = os.path.relpath(where, folder)
        pairs += [
            (os.path.join(where, name), os.path.normpath(os.path.join(target, below, name)))
            for name in names
        ]
    return pairs


def _sync(path: str) -> None:
    """Make a local file durable before the rename makes it visible."""
    if "://" in path:
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
