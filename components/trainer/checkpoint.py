"""Checkpoints, here or at a remote address: one file each, all of it or nothing, the last two of a run kept.

A file is a NumPy archive of plain arrays (no pickle; each has a CRC) and one JSON text. Its name is
`<key>-<batch>.npz`, where the key is a hash of all that decides the weights, so that a new
execution of the same run finds it and another run does not.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from components import storage
from components.trainer.request import TrainRequest

Arrays = dict[str, npt.NDArray[Any]]
KEPT = 2
_FACTS = "facts"
_NAME = re.compile(r"(?P<key>[0-9a-f]+)-(?P<batch>[0-9]+)\.npz")
# Options that change no weight.
_NO_MATTER = ("checkpoint_steps", "log_steps", "tensorboard")


class CheckpointError(RuntimeError):
    """A checkpoint could not be written; the ones before it are intact."""


@dataclass(frozen=True)
class Checkpoint:
    """What one file holds: where it stands, in batches; variables by name; the rest as JSON values."""

    batch: int
    arrays: Arrays
    facts: dict[str, Any]


class Checkpoints:
    """The checkpoints of one run in one folder."""

    def __init__(self, folder: str, key: str) -> None:
        self._folder = folder
        self._key = key

    def save(self, checkpoint: Checkpoint) -> str:
        """Write a checkpoint, and only then remove the oldest; its path.

        Raises:
          CheckpointError: the disk is full, or the like. What was there before still is.
        """
        path = os.path.join(self._folder, f"{self._key}-{checkpoint.batch:09d}.npz")
        facts = json.dumps(checkpoint.facts | {"key": self._key, "batch": checkpoint.batch})
        try:
            arrays = {_FACTS: np.frombuffer(facts.encode(), np.uint8)} | checkpoint.arrays
            storage.write_whole(path, lambda file: np.savez(file, **arrays))
        except OSError as error:
            raise CheckpointError(self._told(path, error)) from error
        for old in self._own()[:-KEPT]:
            with contextlib.suppress(OSError):
                storage.remove(os.path.join(self._folder, old))
        return path

    def newest(self, shapes: Mapping[str, tuple[int, ...]]) -> tuple[Checkpoint | None, list[str]]:
        """The newest checkpoint of this run that is whole, and why others were ignored.

        Args:
          shapes: of the arrays that it must hold; others may be there besides.
        """
        reasons = []
        for name in self._files():
            if name.endswith(storage.UNFINISHED):
                reasons.append(f"{name}: half-written, removed")
                with contextlib.suppress(OSError):
                    storage.remove(os.path.join(self._folder, name))
            elif not (found := _NAME.fullmatch(name)):
                reasons.append(f"{name}: not a checkpoint")
            elif found["key"] != self._key:
                reasons.append(f"{name}: of other data, configuration or code")
        for name in reversed(self._own()):
            try:
                return self._read(name, shapes), reasons
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
                reasons.append(f"{name}: damaged ({str(error).splitlines()[0]})")
        return None, reasons

    def clear(self) -> None:
        """Remove all checkpoints: this run has ended well, and what others left is older."""
        for name in self._files():
            if name.endswith(storage.UNFINISHED) or _NAME.fullmatch(name):
                with contextlib.suppress(OSError):
                    storage.remove(os.path.join(self._folder, name))

    def _read(self, name: str, shapes: Mapping[str, tuple[int, ...]]) -> Checkpoint:
        path = os.path.join(self._folder, name)
        with storage.opened(path) as file, np.load(file, allow_pickle=False) as archive:
            arrays = {each: archive[each] for each in archive.files}  # which checks each CRC
        facts = json.loads(arrays.pop(_FACTS).tobytes())
        if facts["key"] != self._key:
            raise ValueError("the key inside is another")
        for each, shape in shapes.items():
            if arrays[each].shape != tuple(shape):
                raise ValueError(f"{each}: got {arrays[each].shape}, expected {tuple(shape)}")
        return Checkpoint(facts["batch"], arrays, facts)

    def _files(self) -> list[str]:
        return storage.names(self._folder)

    def _own(self) -> list[str]:
        """This run's files, oldest first."""
        found = [_NAME.fullmatch(name) for name in self._files()]
        return [match[0] for match in found if match and match["key"] == self._key]

    def _told(self, path: str, error: OSError) -> str:
        own = self._own()
        left = f"{own[-1]} is intact" if own else "there is none yet"
        reason = error.strerror or str(error)
        return f"checkpoint: cannot write {path}: {reason}; of the earlier ones {left}"


def run_key(request: TrainRequest, vocabulary_digest: str, base_digest: str = "") -> str:
    """Hash of all that decides the weights: data, options, vocabulary, code and first weights."""
    train = {
        name: value
        for name, value in dataclasses.asdict(request.train).items()
        if name not in _NO_MATTER
    }
    described = {
        "settings": request.settings.without_subwords().to_json(),
        "vocabulary": vocabulary_digest,
        "model": dataclasses.asdict(request.model),
        "loss": dataclasses.asdict(request.loss),
        "batch": dataclasses.asdict(request.batch),
        "train": train,
        "code": request.code_hash,
        "base": base_digest,
        "train_files": _contents(request.train_files),
        "eval_files": _contents(request.eval_files),
    }
    text = json.dumps(described, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=10).hexdigest()


def _contents(paths: Iterable[str]) -> list[str]:
    """A hash of each file, in the order in which they are read; where they lie does not matter."""
    found = []
    for path in sorted(paths):
        with storage.opened(path) as file:
            found.append(hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)))
    return [digest.hexdigest() for digest in found]
