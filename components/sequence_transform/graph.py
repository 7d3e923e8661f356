"""The transform graph: traced once and written as `tft.TFTransformOutput` reads it, without data.

The one place that calls what TFT keeps to itself: the function with which TFX traces when there is
nothing to analyse. The vocabulary is a constant of our graph, so there never is.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform import impl_helper
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils

Transform = Callable[[tf.Tensor], dict[str, tf.Tensor]]


def write(
    preprocessing_fn: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    schema: schema_pb2.Schema,
    folder: str,
) -> None:
    """Trace `preprocessing_fn` on the schema's columns; write graph, raw and transformed schema.

    Raises:
      RuntimeError: the function uses an analyser of TFT, which would need a pass over the data.
    """
    raw = os.path.join(folder, tft.TFTransformOutput.RAW_METADATA_DIR)
    metadata_io.write_metadata(dataset_metadata.DatasetMetadata(schema), raw)
    columns = schema_utils.schema_as_feature_spec(schema).feature_spec
    impl_helper.analyze_in_place(
        preprocessing_fn,
        force_tf_compat_v1=False,
        feature_specs=columns,
        type_specs=impl_helper.get_type_specs_from_feature_specs(columns),
        transform_output_path=folder,
    )


def load(folder: str) -> Transform:
    """Serialized raw tf.Examples [B] to the transformed features, by the graph that `write` wrote."""
    output = tft.TFTransformOutput(folder)
    columns = output.raw_feature_spec()
    layer = output.transform_features_layer()  # holds the tables; the function below keeps it alive

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def transform(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return layer(tf.io.parse_example(examples, columns))

    return transform
