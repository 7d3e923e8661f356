"""What is compared: TFX's Transform on the textbook's preprocessing, ours, and a plain tf.data map.

A candidate reads a folder of raw splits and writes a folder; all use the FnApiRunner in-process.
"""

import functools
import hashlib
import os
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.components.transform import executor as tfx_transform
from tfx.types import artifact_utils, standard_artifacts, standard_component_specs
from tfx.utils import json_utils

from benchmarks.sentences import TEXT
from components import shards
from components.artifacts import TokenLedger, Vocabulary
from components.beam_runner import IN_PROCESS
from components.sequence_transform import executor, graph, materialise, spec, wire
from components.vocabulary_gen import executor as vocabulary_executor
from components.vocabulary_gen import spec as vocabulary_spec
from transform.settings import Settings, Side

LENGTH = 32
TOKENS = 20_000
PAD, UNKNOWN, EOS = 0, 1, 3
SETTINGS = Settings("lm", Side(TEXT, "whitespace", LENGTH))
RARE = Settings("lm", Side(TEXT, "whitespace", LENGTH), weights=("mask", "inverse_frequency"))
_GRAPH, _VOCABULARY, _TRANSFORMED = "graph", "vocabulary", "transformed"


def textbook(inputs: Mapping[str, Any], custom_config: Any = None) -> dict[str, tf.Tensor]:
    """What tf.Transform's guides would write for this contract: the vocabulary by its analyser."""
    del custom_config
    text = tf.sparse.to_dense(inputs[TEXT], default_value="")[:, 0]
    ids = tft.compute_and_apply_vocabulary(
        tf.strings.split(text),
        top_k=TOKENS,
        default_value=UNKNOWN,
        reserved_tokens=["<pad>", "<unk>", "<s>", "</s>"],
    )
    kept = ids[:, : LENGTH - 1]
    ended = tf.concat([kept, tf.fill([kept.nrows(), 1], tf.constant(EOS, tf.int64))], axis=1)
    lengths = tf.cast(ended.row_lengths(), tf.int64)
    return {
        "targets": tf.ensure_shape(ended.to_tensor(PAD, shape=[None, LENGTH]), [None, LENGTH]),
        "target_lengths": lengths,
        "loss_weights": tf.sequence_mask(lengths, LENGTH, dtype=tf.float32),
    }


def stock(data: str, output: str) -> None:
    """TFX's Transform as it comes, without its statistics."""
    properties = {
        standard_component_specs.PREPROCESSING_FN_KEY: f"{__name__}.textbook",
        standard_component_specs.CUSTOM_CONFIG_KEY: json_utils.dumps({}),
        standard_component_specs.DISABLE_STATISTICS_KEY: 1,
        standard_component_specs.FORCE_TF_COMPAT_V1_KEY: 0,
    }
    inputs = {spec.EXAMPLES: [_examples(data)], spec.SCHEMA: [_schema(output)]}
    _run(tfx_transform.Executor, inputs, _transform_outputs(output), properties, output)


def ours(data: str, output: str, settings: Settings = SETTINGS, tokens: int = TOKENS) -> None:
    """VocabularyGen, its ledger and all its checks, then Transform."""
    vocabulary, ledger = Vocabulary(), TokenLedger()
    vocabulary.uri, ledger.uri = _in(output, _VOCABULARY), _in(output, "ledger")
    examples = _examples(data)
    properties = {
        vocabulary_spec.SETTINGS: settings.to_json(),
        vocabulary_spec.VOCABULARY_SIZE: tokens + settings.special.reserved,
        vocabulary_spec.MIN_FREQUENCY: 1,
        vocabulary_spec.MAX_LOST_TOKENS: 1.0,
        vocabulary_spec.MAX_OOV_RATE: 1.0,
        vocabulary_spec.BASE_VOCABULARY: "",
        vocabulary_spec.INPUT_KEY: "",
    }
    outputs = {vocabulary_spec.VOCABULARY: [vocabulary], vocabulary_spec.LEDGER: [ledger]}
    inputs = {vocabulary_spec.EXAMPLES: [examples]}
    _run(vocabulary_executor.Executor, inputs, outputs, properties, output)
    inputs = {spec.EXAMPLES: [examples], spec.SCHEMA: [_schema(output)]}
    inputs |= {spec.VOCABULARY: [vocabulary]}
    properties = {spec.SETTINGS: settings.to_json(), spec.CODE_HASH: ""}
    _run(executor.Executor, inputs, _transform_outputs(output), properties, output)


def ours_write(data: str, output: str) -> None:
    """Only the rows: what `ours` does once the graph is there (in the folder of `prepare`)."""
    job = materialise.Job(
        transform_graph=_prepared(output),
        outputs=_output_paths(data, output),
        shown_column=TEXT,
        batch=materialise.batch_size(SETTINGS),
    )
    context = executor.Executor.Context(
        beam_pipeline_args=list(IN_PROCESS), tmp_dir=_in(output, "tmp"), unique_id="rows"
    )
    materialise.materialise_all(
        job, executor.Executor(context)._make_beam_pipeline, folder=_in(output, "tmp")
    )


def plain_write(data: str, output: str) -> None:
    """The same graph, the same encoder and the same writer in one loop over a tf.data map."""
    transform = graph.load(_prepared(output))
    for path, written in _output_paths(data, output).items():
        batches = tf.data.TFRecordDataset(path, "GZIP").batch(materialise.BATCH)
        mapped = batches.map(transform, num_parallel_calls=tf.data.AUTOTUNE)
        options = tf.io.TFRecordOptions("GZIP", compression_level=materialise.COMPRESSION_LEVEL)
        with tf.io.TFRecordWriter(written, options) as writer:
            for features in mapped.prefetch(1).as_numpy_iterator():
                for record in wire.serialize(features):
                    writer.write(record)


CANDIDATES: dict[str, Callable[[str, str], None]] = {
    "stock": stock,
    "ours": ours,
    "ours inverse_frequency": functools.partial(ours, settings=RARE),
    "ours rows": ours_write,
    "plain rows": plain_write,
}


def prepare(data: str, output: str) -> None:
    """Make the graph that the candidates named `rows` use, beside their `output`."""
    ours(data, os.path.dirname(_prepared(output)))


def digest(output: str) -> str:
    """Of every file of transformed examples, byte by byte."""
    state = hashlib.sha256()
    for path in sorted(pathlib.Path(output, _TRANSFORMED).rglob("*.gz")):
        state.update(str(path.relative_to(output)).encode() + path.read_bytes())
    return state.hexdigest()


def stored_bytes(output: str) -> dict[str, int]:
    """Size of the transformed examples as they are, padded, and with the padding cut off."""
    padded = ragged = 0
    options = tf.io.TFRecordOptions("GZIP", compression_level=materialise.COMPRESSION_LEVEL)
    copy = _in(output, "ragged.gz")
    for path in sorted(pathlib.Path(output, _TRANSFORMED).rglob("*.gz")):
        with tf.io.TFRecordWriter(copy, options) as writer:
            for record in tf.data.TFRecordDataset(str(path), "GZIP").as_numpy_iterator():
                writer.write(_without_padding(record))
        padded += path.stat().st_size
        ragged += os.path.getsize(copy)
    return {"padded": padded, "ragged": ragged}


def _without_padding(record: bytes) -> bytes:
    example = tf.train.Example.FromString(record)
    feature = example.features.feature
    length = feature["target_lengths"].int64_list.value[0]
    del feature["targets"].int64_list.value[length:]
    del feature["loss_weights"].float_list.value[length:]
    del feature["target_lengths"]  # a ragged feature knows its length
    return example.SerializeToString(deterministic=True)


def _in(output: str, name: str) -> str:
    path = os.path.join(output, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path


def _prepared(output: str) -> str:
    return os.path.join(os.path.dirname(output), "prepared", _GRAPH)


def _output_paths(data: str, output: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for split in sorted(os.listdir(data)):
        folder = _in(output, os.path.join(_TRANSFORMED, split))
        os.makedirs(folder, exist_ok=True)
        found |= materialise.output_paths(shards.files(os.path.join(data, split)), folder)
    return found


def _run(
    kind: type,
    inputs: dict[str, list],
    outputs: dict[str, list],
    properties: dict[str, Any],
    output: str,
) -> None:
    context = kind.Context(  # type: ignore[attr-defined]
        beam_pipeline_args=list(IN_PROCESS), tmp_dir=_in(output, "tmp"), unique_id=kind.__module__
    )
    kind(context).Do(inputs, outputs, properties)


def _transform_outputs(output: str) -> dict[str, list]:
    transform_graph, transformed = (
        standard_artifacts.TransformGraph(),
        standard_artifacts.Examples(),
    )
    transform_graph.uri, transformed.uri = _in(output, _GRAPH), _in(output, _TRANSFORMED)
    return {spec.TRANSFORM_GRAPH: [transform_graph], spec.TRANSFORMED_EXAMPLES: [transformed]}


def _examples(data: str) -> standard_artifacts.Examples:
    examples = standard_artifacts.Examples()
    examples.uri = data
    examples.split_names = artifact_utils.encode_split_names(["train", "eval"])
    return examples


def _schema(output: str) -> standard_artifacts.Schema:
    schema = standard_artifacts.Schema()
    schema.uri = _in(output, "schema")
    found = schema_pb2.Schema(feature=[{"name": TEXT, "type": schema_pb2.BYTES}])
    os.makedirs(schema.uri, exist_ok=True)
    pathlib.Path(schema.uri, "schema.pbtxt").write_text(str(found))
    return schema
