"""Transform on small TFRecord files: ours, and the stock executor on the same ones."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tfx.components  # noqa: F401  (before TFT's Beam part)
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform.tf_metadata import schema_utils
from tfx.components.transform import executor as stock
from tfx.types import artifact_utils, standard_artifacts, standard_component_specs
from tfx.utils import json_utils

from components.artifacts import Vocabulary as VocabularyArtifact
from components.beam_runner import IN_PROCESS
from components.sequence_transform import executor, spec
from transform import preprocessing
from transform.settings import Settings, Side
from transform.vocabulary import Vocabularies, Vocabulary

SETTINGS = Settings(
    "tagging",
    Side("tags", "pretokenized", 5),
    Side("words", "pretokenized", 5, lowercase=True),
    oov_buckets=2,
    input_chars=3,
    weights=("mask", "token", "example"),
    token_weights="each",
    example_weights="all",
)
VOCABULARIES = Vocabularies(
    {
        "source": Vocabulary((b"a", b"b", b"\0", "é".encode()), oov_buckets=2),
        "target": Vocabulary((b"N", b"V"), oov_buckets=2),
        "characters": Vocabulary((b"a", b"b"), oov_buckets=2),
    },
    SETTINGS.token_identity(),
)
COLUMNS = {
    "words": tf.io.VarLenFeature(tf.string),
    "tags": tf.io.VarLenFeature(tf.string),
    "each": tf.io.VarLenFeature(tf.float32),
    "all": tf.io.VarLenFeature(tf.float32),
    "unused": tf.io.VarLenFeature(tf.int64),
}
Row = dict[str, list[Any]]


def row(words: str, each: Sequence[float] = (), every: Sequence[float] = ()) -> Row:
    """A row of space-separated words, all of them nouns."""
    found = [word.encode() for word in words.split(" ")] if words else []
    tags = [b"N"] * len(found)
    return {"words": found, "tags": tags, "each": [*each], "all": [*every], "unused": [7]}


def example(values: Row) -> bytes:
    """The row as ExampleGen writes it: a missing value is a feature without a kind."""
    made = tf.train.Example()
    for name, items in values.items():
        feature = made.features.feature[name]
        kinds = {bytes: feature.bytes_list, float: feature.float_list, int: feature.int64_list}
        if items:
            kinds[type(items[0])].value.extend(items)
    return made.SerializeToString(deterministic=True)


def records(path: pathlib.Path) -> list[bytes]:
    return list(tf.data.TFRecordDataset(str(path), "GZIP").as_numpy_iterator())


@dataclasses.dataclass(frozen=True)
class Done:
    """What an executor wrote."""

    graph: str
    examples: pathlib.Path
    split_names: str

    def records(self, split: str) -> list[bytes]:
        """The records of a split, file after file."""
        files = sorted((self.examples / f"Split-{split}").iterdir())
        return [record for file in files for record in records(file)]


@dataclasses.dataclass(frozen=True)
class Inputs:
    """Input artifacts in a folder of their own."""

    folder: pathlib.Path
    artifacts: dict[str, list]

    def ours(self, name: str = "ours", settings: Settings = SETTINGS) -> Done:
        properties = {spec.SETTINGS: settings.to_json(), spec.CODE_HASH: ""}
        return self._do(executor.Executor, self.artifacts, properties, name)

    def by_tfx(self) -> Done:
        """The stock executor without analysis and statistics: what ours replaces."""
        config = {
            preprocessing.SETTINGS: SETTINGS.to_json(),
            preprocessing.VOCABULARY: self.artifacts[spec.VOCABULARY][0].uri,
        }
        properties = {
            standard_component_specs.PREPROCESSING_FN_KEY: (
                "transform.preprocessing.preprocessing_fn"
            ),
            standard_component_specs.CUSTOM_CONFIG_KEY: json_utils.dumps(config),
            standard_component_specs.DISABLE_STATISTICS_KEY: 1,
            standard_component_specs.FORCE_TF_COMPAT_V1_KEY: 0,
        }
        artifacts = {key: found for key, found in self.artifacts.items() if key != spec.VOCABULARY}
        return self._do(stock.Executor, artifacts, properties, "stock")

    def _do(self, kind: type, artifacts: dict, properties: dict, name: str) -> Done:
        graph, transformed = standard_artifacts.TransformGraph(), standard_artifacts.Examples()
        graph.uri = str(self.folder / name / "graph")
        transformed.uri = str(self.folder / name / "transformed")
        context = kind.Context(
            beam_pipeline_args=list(IN_PROCESS), tmp_dir=str(self.folder), unique_id=name
        )
        kind(context).Do(
            artifacts,
            {spec.TRANSFORM_GRAPH: [graph], spec.TRANSFORMED_EXAMPLES: [transformed]},
            properties,
        )
        return Done(graph.uri, pathlib.Path(transformed.uri), transformed.split_names)


def write_inputs(folder: pathlib.Path, splits: dict[str, list[list[Row]]]) -> Inputs:
    """The input artifacts from splits {name: shards of rows}."""
    examples, schema = standard_artifacts.Examples(), standard_artifacts.Schema()
    examples.uri, schema.uri = str(folder / "raw"), str(folder / "schema")
    examples.split_names = artifact_utils.encode_split_names(list(splits))
    for split, shards in splits.items():
        (folder / "raw" / f"Split-{split}").mkdir(parents=True)
        for number, rows in enumerate(shards):
            path = folder / "raw" / f"Split-{split}" / f"data_tfrecord-{number:05d}.gz"
            with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
                for values in rows:
                    writer.write(example(values))
    (folder / "schema").mkdir()
    found: schema_pb2.Schema = schema_utils.schema_from_feature_spec(COLUMNS)
    (folder / "schema" / "schema.pbtxt").write_text(text_format.MessageToString(found))
    vocabulary = VocabularyArtifact()
    vocabulary.uri = str(folder / "vocabulary")
    VOCABULARIES.write(vocabulary.uri)
    artifacts = {
        spec.EXAMPLES: [examples],
        spec.SCHEMA: [schema],
        spec.VOCABULARY: [vocabulary],
    }
    return Inputs(folder, artifacts)
