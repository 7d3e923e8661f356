"""The executors of a whole line, each called by its `Do`, on artifacts, data and pushes below one root.

The root is a folder of this machine or an address such as ram://. The stock nodes are called on this machine
only: what they write is copied to wherever it is read.
"""

import dataclasses
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import pytest
import tensorflow as tf
from tensorflow.python.lib.io import file_io
from tfx.dsl.components.base import base_beam_executor, base_executor
from tfx.types import artifact

from components.beam_runner import IN_PROCESS
from pipeline import inputs, paths
from pipeline.config import load_config
from pipeline.pipeline import create_pipeline

gfile = tf.io.gfile
Artifacts = dict[str, list[artifact.Artifact]]


def nodes_of(folder: pathlib.Path, config: str) -> dict[str, Any]:
    """The nodes of a configuration that is read in this folder, by id, in the order in which they run."""
    (folder / "line.yaml").write_text(config)
    before = os.getcwd()
    os.chdir(folder)
    try:
        loaded = load_config(folder / "line.yaml")
        line = create_pipeline(
            loaded,
            inputs.resolve(loaded, new=(1, 2)),
            paths.new_run(loaded),
            base_vocabulary="",
            input_key="",
        )
    finally:
        os.chdir(before)
    return {node.id: node for node in line.components}


def mend_listings(patch: pytest.MonkeyPatch) -> None:
    """Make ram:// list what is in a folder: TensorFlow's own lists the rest of `assets.extra` in `assets`."""
    listed = gfile.listdir

    def listdir(path: str) -> list[str]:
        return [name for name in listed(path) if gfile.exists(os.path.join(path, name))]

    patch.setattr(gfile, "listdir", listdir)
    patch.setattr(file_io, "list_directory_v2", listdir)


@dataclasses.dataclass
class Line:
    """The nodes at one root, and what those that were called wrote.

    Attributes:
      outputs: by node and name.
      number: of the next artifact.
    """

    nodes: Mapping[str, Any]
    root: str
    outputs: dict[str, Artifacts] = dataclasses.field(default_factory=dict)
    number: int = 1

    def call(self, name: str, given: Artifacts | None = None, **parameters: Any) -> Artifacts:
        """Call a node's executor.

        Args:
          name: of the node.
          given: input artifacts instead of those that earlier nodes wrote.
          parameters: instead of the node's own.
        """
        node = self.nodes[name]
        asked = {key: self._written(channel) for key, channel in node.inputs.items()} | (
            given or {}
        )
        made = {key: [self._new(name, key, channel)] for key, channel in node.outputs.items()}
        executor = node.executor_spec.executor_class
        kind = base_executor.BaseExecutor.Context
        more: dict[str, Any] = {}
        if issubclass(executor, base_beam_executor.BaseBeamExecutor):
            kind = base_beam_executor.BaseBeamExecutor.Context
            more = {"beam_pipeline_args": list(IN_PROCESS)}
        context = kind(tmp_dir=f"{self.root}/tmp", unique_id=str(self.number), **more)
        executor(context).Do(
            {key: found for key, found in asked.items() if found},
            made,
            dict(node.exec_properties) | parameters,
        )
        self.outputs[name] = made
        return made

    def copy(self, other: "Line", name: str) -> None:
        """Take what this node wrote in another line."""
        self.outputs[name] = {}
        for key, found in other.outputs[name].items():
            (written,) = found
            copied = self._new(name, key, self.nodes[name].outputs[key])
            copied.copy_from(written)
            copied.uri = f"{self.root}/{name}/{key}/{self.number}"
            copy_tree(written.uri, copied.uri)
            self.outputs[name][key] = [copied]

    def one(self, name: str, key: str) -> artifact.Artifact:
        """The artifact that a node wrote."""
        (found,) = self.outputs[name][key]
        return found

    def _written(self, channel: Any) -> list[artifact.Artifact]:
        node, key = getattr(channel, "producer_component_id", None), channel.output_key
        return self.outputs.get(node, {}).get(key, []) if node else []

    def _new(self, name: str, key: str, channel: Any) -> artifact.Artifact:
        made: artifact.Artifact = channel.type()
        self.number += 1
        made.uri, made.id = f"{self.root}/{name}/{key}/{self.number}", self.number
        if "://" not in made.uri:
            os.makedirs(made.uri)  # as TFX does
        return made


def copy_tree(source: str, target: str) -> None:
    """Copy all files of a folder."""
    for name, content in tree(source).items():
        path = f"{target}/{name}"
        gfile.makedirs(os.path.dirname(path))
        with gfile.GFile(path, "wb") as file:
            file.write(content)


def tree(root: str) -> dict[str, bytes]:
    """Every file below a root, by its name relative to it."""
    found = {}
    for folder, _, names in gfile.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            with gfile.GFile(path, "rb") as file:
                found[path.removeprefix(root).lstrip("/")] = file.read()
    return found
