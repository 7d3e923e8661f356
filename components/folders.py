"""Folders by their content: a hash of all files, and whether two hold the same. Files are streamed.

For a folder on this machine nothing of TensorFlow is loaded.
"""

import hashlib
import os
import shutil
from collections.abc import Callable

from components import storage

_CHUNK = 1 << 20  # bytes
# TensorFlow writes it beside a SavedModel's graph: hashes, and a number drawn for each export.
_FINGERPRINT = "fingerprint.pb"


def files(folder: str) -> list[str]:
    """The files below a folder, relative to it, in order; [] where there is no folder."""
    return sorted(
        os.path.normpath(os.path.join(os.path.relpath(where, folder), name))
        for where, _, names in storage.walk(folder)
        for name in names
    )


def digest(folder: str) -> str:
    """SHA-256 over the names and the contents of all files of a folder."""
    state = hashlib.sha256()
    for name in files(folder):
        content = hashlib.sha256()
        with storage.opened(os.path.join(folder, name)) as file:
            while chunk := file.read(_CHUNK):
                content.update(chunk)
        state.update(f"{name}\n{content.hexdigest()}\n".encode())
    return state.hexdigest()


def same_bytes(one: str, other: str) -> bool:
    """Whether two folders hold the same files with the same bytes; a folder without files is none."""
    return _same_files(one, other, lambda _: True)


def same_export(one: str, other: str) -> bool:
    """Whether two folders hold one SavedModel, without reading it where its fingerprint tells.

    Names and sizes of all files, and the fingerprints' bytes; of models without one, all bytes.
    """
    fingerprints = [os.path.join(folder, _FINGERPRINT) for folder in (one, other)]
    if not all(map(storage.is_file, fingerprints)):
        return same_bytes(one, other)
    if not _same_file(*fingerprints):  # as for all but one of many models, mostly
        return False
    return _same_files(one, other, lambda name: False)


def download(folder: str, target: str) -> None:
    """Copy all files of a folder to a folder of this machine, which need not be there."""
    for name in files(folder):
        path = os.path.join(target, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with storage.opened(os.path.join(folder, name)) as source, open(path, "wb") as file:
            shutil.copyfileobj(source, file, _CHUNK)


def _same_files(one: str, other: str, is_read: Callable[[str], bool]) -> bool:
    """Whether names, sizes, and the bytes of the files that are read, are the same."""
    names = files(one)
    if not names or names != files(other):
        return False
    sizes = {name: storage.size(os.path.join(one, name)) for name in names}
    if any(size != storage.size(os.path.join(other, name)) for name, size in sizes.items()):
        return False
    # The smallest first: the fingerprint, which two exports never share, is among them.
    return all(
        _same_file(os.path.join(one, name), os.path.join(other, name))
        for name in sorted(filter(is_read, names), key=sizes.__getitem__)
    )


def _same_file(one: str, other: str) -> bool:
    with storage.opened(one) as ours, storage.opened(other) as theirs:
        while chunk := ours.read(_CHUNK):
            if chunk != theirs.read(_CHUNK):
                return False
        return not theirs.read(1)
