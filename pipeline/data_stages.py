"""The first half of the line, one function a node: from raw rows to what is trained on."""

import dataclasses
import json
import os
from typing import TYPE_CHECKING

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx import components as tfx_components
from tfx.dsl.components.base.base_node import BaseNode
from tfx.dsl.components.common.importer import Importer

import components as ours
from components import storage
from components.artifacts import SpanStatistics
from components.code_hash import code_hash
from components.errors import InputError
from components.subwords import learning
from pipeline import content, span_checks, vocabulary_state
from pipeline.config import Config
from pipeline.earlier import Earlier
from pipeline.here import Here
from pipeline.inputs import RunInputs
from pipeline.paths import RunPaths
from pipeline.settings import token_settings
from transform.settings import ADDED_COLUMNS, Settings, Side

if TYPE_CHECKING:
    from pipeline.kubeflow.line import CloudLine

_SPAN_BEFORE = "SpanBefore"


def settings(config: Config, inputs: RunInputs, paths: RunPaths) -> Settings:
    """What decides the tokens, with the subword files where an edited one has another path."""
    found = token_settings(config, newest_span=max(inputs.spans, default=0))

    def kept(name: str, side: Side) -> Side:
        if not side.subwords or storage.is_remote(side.subwords):
            return side
        try:  # here, where the file still has the user's name
            learning.check_given(side.subwords, side)
        except InputError as error:
            raise InputError(f"transform.{name}_subwords: {error}") from None
        return dataclasses.replace(side, subwords=content.keep(side.subwords, paths.subwords))

    return found.with_sides(kept)


def span_window(config: Config, inputs: RunInputs) -> BaseNode:
    """SpanWindow, which finds the files of the spans."""
    # Only SpanCheck asks which are new: else a run by hand and one of retrain share the cache.
    compares = config.data.drift is not None or config.data.skew is not None
    new = {"new_spans": json.dumps(list(inputs.new) if compares else [])}
    return ours.SpanWindow(
        **(new | inputs.what_is_read),  # in the cloud it says new_spans itself
        code_hash=code_hash(
            "components.span_window",
            "components.example_gen.columns",
            "components.example_gen.files",
            "components.example_gen.splits",
            "components.storage",
        ),
    )


def examples(inputs: RunInputs, window: BaseNode, earlier: Earlier) -> BaseNode:
    """ExampleGen, which reads the spans that the window names."""
    # Windows and drops count tokens; otherwise ingesting knows nothing of Transform.
    counts = bool(inputs.example_gen.get("sequences"))
    tokenizing = ["transform", "components.subwords"] if counts else []
    return ours.ExampleGen(
        **inputs.how_it_is_read,
        span_window=window.outputs["span_window"],
        # Only where it decides what is read: a vocabulary grows with every span.
        base_vocabulary=earlier.base_vocabulary if inputs.learns else "",
        code_hash=code_hash(
            *tokenizing, "components.example_gen", "components.span_window", "components.storage"
        ),
    )


def schema(config: Config, statistics: BaseNode, world: "Here | CloudLine") -> BaseNode:
    """The committed schema, or one inferred from this run's data."""
    if file := config.data.schema:
        return world.schema(_completed_schema(file), os.path.basename(file))
    # Open shapes: the served model then takes requests that lack the target column.
    return tfx_components.SchemaGen(
        statistics=statistics.outputs["statistics"], infer_feature_shape=False
    )


def _completed_schema(file: str) -> str:
    """The text of the user's schema, which then knows the columns that ExampleGen adds, too."""
    schema = schema_pb2.Schema()
    try:
        with open(file, encoding="utf-8") as source:
            text_format.Parse(source.read(), schema)
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: got no schema, expected a schema.pbtxt: {error}") from None
    for name in ADDED_COLUMNS:
        if name not in {feature.name for feature in schema.feature}:
            schema.feature.add(name=name, type=schema_pb2.INT)
    text: str = text_format.MessageToString(schema)
    return text


def validator(statistics: BaseNode, schema: BaseNode) -> BaseNode:
    """ExampleValidator, which ends the run at the first anomaly."""
    return ours.StoppingExampleValidator(
        statistics=statistics.outputs["statistics"],
        schema=schema.outputs["schema"],
        code_hash=code_hash("components.example_validator"),
    ).with_id("ExampleValidator")


def span_check(
    config: Config,
    inputs: RunInputs,
    examples: BaseNode,
    window: BaseNode,
    validator: BaseNode,
    span_before: str,
    data_key: str,
) -> list[BaseNode]:
    """What holds new spans against the one before, where that is asked for."""
    checks = span_checks.checks(config, inputs)
    if not checks:
        return []
    before: list[BaseNode] = []
    if span_before:
        before.append(
            Importer(source_uri=span_before, artifact_type=SpanStatistics).with_id(_SPAN_BEFORE)
        )
    found = ours.SpanCheck(
        examples=examples.outputs["examples"],
        ingest_report=examples.outputs["ingest_report"],
        span_window=window.outputs["span_window"],
        before=before[0].outputs["result"] if before else None,
        checks=checks.to_json(),
        data_key=data_key,
        code_hash=code_hash(
            "components.example_gen",
            "components.records",
            "components.shards",
            "components.span_check",
            "components.span_window",
            "components.storage",
        ),
    )
    found.add_upstream_node(validator)  # which names a wrong column, where this sees odd values
    return [*before, found]


def vocabulary(config: Config, examples: BaseNode, settings: str, earlier: Earlier) -> BaseNode:
    """VocabularyGen, which counts tokens and extends what earlier runs had."""
    return ours.VocabularyGen(
        examples=examples.outputs["examples"],
        ingest_report=examples.outputs["ingest_report"],
        subwords=examples.outputs.get("subwords"),
        settings=settings,
        vocab_size=config.data.vocab_size,
        min_frequency=config.data.min_frequency,
        max_lost_tokens=config.data.max_lost_tokens,
        max_oov_rate=config.data.max_oov_rate,
        base_vocabulary=earlier.base_vocabulary,
        input_key=earlier.input_key,
        code_hash=code_hash(*vocabulary_state.CODE),
    )


def transform(
    examples: BaseNode, schema: BaseNode, vocabulary: BaseNode, settings: str
) -> BaseNode:
    """Transform: padded ids, lengths and weights."""
    return ours.SequenceTransform(
        examples=examples.outputs["examples"],
        schema=schema.outputs["schema"],
        vocabulary=vocabulary.outputs["vocabulary"],
        settings=settings,
        code_hash=code_hash(
            "transform", "components.records", "components.shards", "components.sequence_transform"
        ),
    ).with_id("Transform")
