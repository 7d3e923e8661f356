"""What a version folder is, where folders appear whole and where they do not. No TensorFlow for local ones.

An object store has no rename of folders: there a version comes file by file, its graph last, and goes
graph first. Without it a server loads nothing from the folder, and here such a folder is no version.
"""

import os
from collections.abc import Iterable

from components import storage

GRAPH = "saved_model.pb"


def is_whole(path: str) -> bool:
    """Whether what has a number is a version: where folders appear whole, every folder is."""
    if not storage.is_remote(path):
        return storage.is_folder(path)
    return storage.is_file(os.path.join(path, GRAPH))


def graph_last(files: Iterable[str]) -> list[str]:
    """A version's files, relative to it, in the order in which they are to appear."""
    return sorted(files, key=lambda name: (name == GRAPH, name))


def remove(version: str) -> None:
    """Remove a version, which is none from the first file on."""
    graph = os.path.join(version, GRAPH)
    if storage.is_remote(version) and storage.is_file(graph):
        storage.remove(graph)
    storage.remove_folder(version)
