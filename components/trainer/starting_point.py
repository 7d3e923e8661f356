"""What a later run can start from: weights and optimizer slots by name, and the vocabulary.

It lies in the model's artifact beside the SavedModel, of which alone is pushed: a served model is no
larger for it. `facts.json` is written last and holds the hash of the rest.
"""

import dataclasses
import hashlib
import json
import os
import zipfile
from dataclasses import dataclass
from typing import IO, Any, cast

import keras
import numpy as np
import tensorflow as tf

from components.errors import InputError
from components.trainer.models import SequenceModel
from components.trainer.row_map import Array
from transform.vocabulary import Vocabularies

FOLDER = "starting_point"
_ARRAYS, _FACTS, _VOCABULARY = "arrays.npz", "facts.json", "vocabulary"
_WEIGHT, _SLOT = "weight/", "slot/"
# Slots mean the same within a rule only: those of SGD hold steps, those of Adam gradients.
_RULES = {"adamw": "adam"}
_CHUNK = 1 << 24


@dataclass(frozen=True)
class StartingPoint:
    """What `write` wrote.

    Attributes:
      model: the fields of its ModelSpec.
      rule: the optimizer's rule; slots of another mean nothing to it.
      weights: by the variable's path.
      slots: slot name -> path of the variable -> value.
      vocabularies: that the rows belong to.
      digest: hash of all of it.
    """

    model: dict[str, Any]
    rule: str
    weights: dict[str, Array]
    slots: dict[str, dict[str, Array]]
    vocabularies: Vocabularies
    digest: str


def write(
    folder: str,
    model: SequenceModel,
    optimizer: keras.optimizers.Optimizer,
    vocabularies: Vocabularies,
) -> None:
    """Write the starting point that a trained model is; `model` holds the weights that are exported."""
    arrays = {_WEIGHT + variable.path: variable.numpy() for variable in model.trainable_variables}
    for name, by_path in slots_of(optimizer, model).items():
        arrays |= {f"{_SLOT}{name}/{path}": slot.numpy() for path, slot in by_path.items()}
    vocabularies.write(os.path.join(folder, _VOCABULARY))
    with tf.io.gfile.GFile(os.path.join(folder, _ARRAYS), "wb") as file:
        hashed = _Hashed(file)
        _write_archive(hashed, arrays)
    facts = {
        "model": dataclasses.asdict(model.spec),
        "rule": rule_of(optimizer),
        "arrays": hashed.digest(),
        "vocabulary": vocabularies.digest,
    }
    with tf.io.gfile.GFile(os.path.join(folder, _FACTS), "w") as file:
        file.write(json.dumps(facts, indent=1, sort_keys=True))


def read(folder: str) -> StartingPoint:
    """Read what `write` wrote.

    Raises:
      InputError: it is not there, not whole, or was changed since.
    """
    facts_file, arrays_file = (os.path.join(folder, name) for name in (_FACTS, _ARRAYS))
    if not tf.io.gfile.exists(facts_file):
        raise InputError(f"{folder}: got no {_FACTS}, expected what a model can be started from")
    with tf.io.gfile.GFile(facts_file) as file:
        facts = json.loads(file.read())
    vocabularies = _vocabularies(os.path.join(folder, _VOCABULARY))
    found = {"arrays": _hash(arrays_file), "vocabulary": vocabularies.digest}
    for name, digest in found.items():
        if digest != facts[name]:
            raise InputError(
                f"{folder}: {name} hash to {digest[:12]}, expected {facts[name][:12]} as they were "
                "written: they were changed since"
            )
    weights: dict[str, Array] = {}
    slots: dict[str, dict[str, Array]] = {}
    with tf.io.gfile.GFile(arrays_file, "rb") as file, np.load(file, allow_pickle=False) as arrays:
        for name in arrays.files:
            if name.startswith(_WEIGHT):
                weights[name.removeprefix(_WEIGHT)] = arrays[name]
            else:
                slot, _, path = name.removeprefix(_SLOT).partition("/")
                slots.setdefault(slot, {})[path] = arrays[name]
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return StartingPoint(facts["model"], facts["rule"], weights, slots, vocabularies, digest)


def rule_of(optimizer: keras.optimizers.Optimizer) -> str:
    """`adam` or `sgd`; any other optimizer's own name."""
    name = type(optimizer).__name__.lower()
    return _RULES.get(name, name)


def slots_of(
    optimizer: keras.optimizers.Optimizer, model: SequenceModel
) -> dict[str, dict[str, keras.Variable]]:
    """slot name -> path of the model's variable -> the optimizer's variable.

    Keras names a slot `<path of the variable, its slashes underscores>_<slot>`.
    """
    by_name = {variable.name: variable for variable in optimizer.variables}
    found: dict[str, dict[str, keras.Variable]] = {}
    for variable in model.trainable_variables:
        start = variable.path.replace("/", "_") + "_"
        for slot in ("momentum", "velocity"):
            if start + slot in by_name:
                found.setdefault(slot, {})[variable.path] = by_name[start + slot]
    return found


class _Hashed:
    """A file that is only written to, and the hash of what was.

    It hides the `seek` and `tell` of a `GFile`, which fail where it is open for writing.
    """

    def __init__(self, file: tf.io.gfile.GFile) -> None:
        self._file = file
        self._state = hashlib.sha256()
        self.flush = file.flush

    def write(self, data: bytes) -> int:
        self._state.update(data)
        self._file.write(data)
        return len(data)

    def digest(self) -> str:
        return self._state.hexdigest()


def _write_archive(file: _Hashed, arrays: dict[str, Array]) -> None:
    """As `np.savez`, which takes no such file."""
    with zipfile.ZipFile(cast(IO[bytes], file), "w") as archive:
        for name, values in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, values, allow_pickle=False)


def _vocabularies(folder: str) -> Vocabularies:
    try:
        return Vocabularies.read(folder)
    except (ValueError, KeyError, tf.errors.OpError) as error:
        reason = str(error).split("\n")[0]
        raise InputError(f"{folder}: the vocabulary cannot be read: {reason}") from None


def _hash(path: str) -> str:
    state = hashlib.sha256()
    try:
        with tf.io.gfile.GFile(path, "rb") as file:
            while chunk := file.read(_CHUNK):
                state.update(chunk)
    except tf.errors.OpError as error:
        reason = str(error).split("\n")[0]
        raise InputError(f"{path}: cannot be read, expected a model's weights: {reason}") from None
    return state.hexdigest()
