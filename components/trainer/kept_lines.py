"""The lines of `metrics.jsonl` at a remote address, where a file can be written once and not appended to.

What is new at a checkpoint is a file of its own, called by the byte of `metrics.jsonl` that it starts at.
"""

import os

from components import storage

_SUFFIX = ".jsonl"


class KeptLines:
    """What a run that is killed has written of its lines up to its checkpoints."""

    def __init__(self, folder: str) -> None:
        """Take the folder, which is of this run alone."""
        self._folder = folder

    def add(self, start: int, lines: bytes) -> None:
        """Keep the lines from this byte on."""
        path = os.path.join(self._folder, f"{start:012d}{_SUFFIX}")
        storage.write_whole(path, lambda file: file.write(lines))

    def fetch(self, path: str, written: int) -> None:
        """The first `written` bytes into a file of this machine; those after them are forgotten.

        It is shorter where some are missing.
        """
        stems = (name.removesuffix(_SUFFIX) for name in storage.names(self._folder))
        starts = sorted(int(stem) for stem in stems if stem.isdigit())
        with open(path, "wb") as file:
            for start, end in zip(starts, [*starts, written][1:], strict=True):
                part = os.path.join(self._folder, f"{start:012d}{_SUFFIX}")
                if start >= written or start != file.tell():
                    storage.remove(part)
                    continue
                with storage.opened(part) as lines:
                    file.write(lines.read(min(end, written) - start))
