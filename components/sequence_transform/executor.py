"""Adapter: traces the graph once, then hands the raw shards to Beam, one transformed shard each."""

import functools
from typing import Any

import tensorflow as tf
from tfx import types
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils
from tfx.utils import io_utils

from components import shards
from components.beam_runner import NamedRunner
from components.sequence_transform import graph, materialise, spec
from transform import preprocessing
from transform.settings import Settings


class Executor(NamedRunner, base_beam_executor.BaseBeamExecutor):
    """Writes what the stock Transform writes: nothing is analysed, and no Beam element is a row."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Write the transform graph and every split.

        Raises:
          InputError: the graph refuses rows; each is named.
        """
        settings = Settings.from_json(exec_properties[spec.SETTINGS])
        config = {
            preprocessing.SETTINGS: exec_properties[spec.SETTINGS],
            preprocessing.VOCABULARY: artifact_utils.get_single_uri(input_dict[spec.VOCABULARY]),
        }
        schema_uri = artifact_utils.get_single_uri(input_dict[spec.SCHEMA])
        schema = io_utils.SchemaReader().read(io_utils.get_only_uri_in_dir(schema_uri))
        transform_graph = artifact_utils.get_single_uri(output_dict[spec.TRANSFORM_GRAPH])
        graph.write(
            functools.partial(preprocessing.preprocessing_fn, custom_config=config),
            schema,
            transform_graph,
        )
        job = materialise.Job(
            transform_graph=transform_graph,
            outputs=_outputs(input_dict[spec.EXAMPLES], output_dict[spec.TRANSFORMED_EXAMPLES]),
            shown_column=(settings.source or settings.target).column,
            batch=materialise.batch_size(settings),
        )
        materialise.materialise_all(job, self._make_beam_pipeline, folder=self._get_tmp_dir())


def _outputs(raw: list[types.Artifact], transformed: list[types.Artifact]) -> dict[str, str]:
    """Where each raw shard goes; the output has the splits of the input."""
    written = artifact_utils.get_single_instance(transformed)
    written.split_names = artifact_utils.get_single_instance(raw).split_names
    outputs: dict[str, str] = {}
    for split in artifact_utils.decode_split_names(written.split_names):
        folder = artifact_utils.get_split_uri(transformed, split)
        tf.io.gfile.makedirs(folder)
        outputs |= materialise.output_paths(
            shards.files(artifact_utils.get_split_uri(raw, split)), folder
        )
    return outputs
