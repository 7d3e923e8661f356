"""Which artifact a pushed version was copied from, and what its run said of it.

A version holds what a server needs; what a later run starts from lies in the artifact. Where a metadata store
finds that, nobody asks here. Elsewhere, as on Kubeflow Pipelines, which has no Resolver, it is written
beside the versions: `<destination>/.origins/<version>.json`, which no server looks at.
"""

import dataclasses
import json
import os
from dataclasses import dataclass

import tensorflow as tf
from tfx import types

from components.pusher import versions

_gfile = tf.io.gfile
_FOLDER = ".origins"
# Custom properties of a model, see `components.trainer.executor`.
_SAID = ("data_key", "base_model", "warm_start", "input_key", "base_vocabulary")


@dataclass(frozen=True)
class Origin:
    """Where a model lies, and what was said of it; `version`: folder of the pushed copy, "" if unknown."""

    uri: str
    said: dict[str, str]
    version: str = ""


def of(model: types.Artifact) -> Origin:
    """The origin that a model's artifact is."""
    return Origin(model.uri, {name: model.get_string_custom_property(name) for name in _SAID})


def write(model: types.Artifact, version: str) -> None:
    """Note where a version came from; of one that was there before, what was noted then stays."""
    path = _path(version)
    if _gfile.exists(path):
        return
    origin = dataclasses.replace(of(model), version=version)
    _gfile.makedirs(os.path.dirname(path))
    with _gfile.GFile(path, "w") as file:
        file.write(json.dumps(dataclasses.asdict(origin), indent=1, sort_keys=True))


def newest(destination: str) -> Origin | None:
    """The origin of the newest version; None where there is none, or none that was noted."""
    found = versions.existing(destination)
    if not found or not _gfile.exists(path := _path(found[-1].path)):
        return None
    with _gfile.GFile(path) as file:
        facts = json.loads(file.read())
    said = {name: facts["said"].get(name, "") for name in _SAID}
    return Origin(facts["uri"], said, found[-1].path)


def _path(version: str) -> str:
    folder, number = os.path.split(version)
    return os.path.join(folder, _FOLDER, f"{number}.json")
