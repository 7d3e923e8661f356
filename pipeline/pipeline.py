"""create_pipeline: one private function a stage, in the order of the line."""

import dataclasses
import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx import components as tfx_components
from tfx.dsl.components.base.base_node import BaseNode
from tfx.dsl.components.common.importer import Importer
from tfx.orchestration import pipeline

import components as ours
from components import storage
from components.artifacts import SpanStatistics
from components.code_hash import code_hash
from components.errors import InputError
from components.subwords import learning
from components.trainer.tunable import refuse_sizes
from pipeline import content, span_checks, vocabulary_state
from pipeline.config import Config
from pipeline.config_tune import space_of
from pipeline.earlier import Earlier
from pipeline.here import Here
from pipeline.inputs import RunInputs
from pipeline.paths import RunPaths
from pipeline.settings import token_settings
from transform.settings import ADDED_COLUMNS, Settings, Side

if TYPE_CHECKING:
    from pipeline.kubeflow.line import CloudLine

SPAN_BEFORE = "SpanBefore"


def create_pipeline(
    config: Config,
    inputs: RunInputs,
    paths: RunPaths,
    *,
    base_vocabulary: str = "",
    input_key: str = "",
    base_model: str = "",
    last_failed_check: int = 0,
    last_lost_push: int = 0,
    span_before: str = "",
    run_key: str = "",
    cloud: "CloudLine | None" = None,
) -> pipeline.Pipeline:
    """The whole line, here or in the cloud.

    Args:
      config: the user's file.
      inputs: the spans and files of this run; in the cloud those of `cloud`.
      paths: where artifacts and metadata go.
      base_vocabulary: folder of the vocabulary to extend, or "".
      input_key: hash of what the vocabulary is made from, see `vocabulary_state`.
      base_model: folder of the model to start from, or ""; see `base_model`.
      last_failed_check, last_lost_push: see `store`: what must not come from the cache after those.
      span_before: folder of the statistics to hold new spans against, or ""; see `span_checks`.
      run_key: what retrain knows this run by, or ""; what is pushed is noted under it.
      cloud: what finds out there what all the others say here, which are then left out.
    """
    settings = _settings(config, inputs, paths).to_json()
    # Windows and drops count tokens; otherwise ingesting knows nothing of Transform.
    counts = bool(inputs.example_gen.get("sequences"))
    tokenizing = ["transform", "components.subwords"] if counts else []
    window = _span_window(config, inputs)
    world = cloud or Here(
        config=config,
        inputs=inputs,
        paths=paths,
        base_vocabulary=base_vocabulary,
        input_key=input_key,
        base_model=base_model,
        last_lost_push=last_lost_push,
        run_key=run_key,
    )
    earlier = world.earlier(window)
    examples = ours.ExampleGen(
        **inputs.how_it_is_read,
        span_window=window.outputs["span_window"],
        # Only where it decides what is read: a vocabulary grows with every span.
        base_vocabulary=earlier.base_vocabulary if inputs.learns else "",
        code_hash=code_hash(
            *tokenizing, "components.example_gen", "components.span_window", "components.storage"
        ),
    )
    raw = examples.outputs["examples"]
    statistics = tfx_components.StatisticsGen(examples=raw)
    schema = _schema(config, statistics, world)
    validator = ours.StoppingExampleValidator(
        statistics=statistics.outputs["statistics"],
        schema=schema.outputs["schema"],
        code_hash=code_hash("components.example_validator"),
    ).with_id("ExampleValidator")
    vocabulary = _vocabulary(config, examples, settings, earlier)
    looked_at = world.data_key_of_checks
    span_check = _span_check(config, inputs, examples, window, validator, span_before, looked_at)
    for node in (validator, *span_check):  # nothing is built on data with anomalies
        vocabulary.add_upstream_node(node)
    transform = ours.SequenceTransform(
        examples=raw,
        schema=schema.outputs["schema"],
        vocabulary=vocabulary.outputs["vocabulary"],
        settings=settings,
        code_hash=code_hash(
            "transform", "components.records", "components.shards", "components.sequence_transform"
        ),
    ).with_id("Transform")
    tuner = _tuner(config, transform, vocabulary, settings, earlier)
    steps = world.train_steps
    trainer = _trainer(config, examples, transform, vocabulary, settings, earlier, tuner, steps)
    evaluator = _evaluator(config, examples, vocabulary, trainer, earlier)
    check = _serving_check(config, examples, transform, trainer, evaluator, last_failed_check)
    pusher = _pusher(config, trainer, evaluator, check, world.push)
    nodes: list[BaseNode] = [window, examples, statistics, schema, validator, *span_check]
    nodes += [
        vocabulary,
        transform,
        *earlier.nodes,
        *tuner,
        trainer,
        evaluator,
        *check,
        pusher,
    ]
    return pipeline.Pipeline(
        pipeline_name=config.pipeline.name,
        pipeline_root=world.root,
        components=nodes,
        enable_cache=world.caches,
        metadata_connection_config=world.connection,
        beam_pipeline_args=world.beam_arguments,
    )


def _span_window(config: Config, inputs: RunInputs) -> BaseNode:
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


def _schema(config: Config, statistics: BaseNode, world: "Here | CloudLine") -> BaseNode:
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


def _span_check(
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
            Importer(source_uri=span_before, artifact_type=SpanStatistics).with_id(SPAN_BEFORE)
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


def _settings(config: Config, inputs: RunInputs, paths: RunPaths) -> Settings:
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


def _vocabulary(config: Config, examples: BaseNode, settings: str, earlier: Earlier) -> BaseNode:
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


def _trainer(
    config: Config,
    examples: BaseNode,
    transform: BaseNode,
    vocabulary: BaseNode,
    settings: str,
    earlier: Earlier,
    tuner: list[BaseNode],
    train_steps: Any,
) -> BaseNode:
    decode = _fields(config.decode)
    del decode["max_length"]  # among the options of training
    return ours.SequenceTrainer(
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        vocabulary=vocabulary.outputs["vocabulary"],
        ingest_report=examples.outputs["ingest_report"],
        settings=settings,
        **_options(config),
        decode_options=json.dumps(decode, sort_keys=True),
        code_hash=code_hash(
            "transform",
            "components.example_gen.places",
            "components.model_facts",
            "components.records",
            "components.sequence_loss",
            "components.storage",
            "components.trainer",
        ),
        **earlier.base_model,
        data_key=earlier.data_key,
        train_steps=train_steps,
        hyperparameters=tuner[0].outputs["best_hyperparameters"] if tuner else None,
    )


def _tuner(
    config: Config,
    transform: BaseNode,
    vocabulary: BaseNode,
    settings: str,
    earlier: Earlier,
) -> list[BaseNode]:
    """The Tuner, where there is something to tune.

    Raises:
      InputError: a size is to be tuned, and the run starts from a model.
    """
    tune = config.train.tune
    if tune is None:
        return []
    space = space_of(tune)
    refuse_sizes(space, earlier.folder)
    found = ours.SequenceTuner(
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        vocabulary=vocabulary.outputs["vocabulary"],
        settings=settings,
        **_options(config),
        tune_options=json.dumps(_fields(tune) | {"space": space}, sort_keys=True),
        code_hash=code_hash(
            "transform",
            "components.example_gen.places",
            "components.model_facts",
            "components.records",
            "components.sequence_loss",
            "components.storage",
            "components.trainer",
            "components.tuner",
        ),
        **earlier.base_model,
    )
    return [found.with_id("Tuner")]


def _options(config: Config) -> dict[str, str]:
    """What decides the training, as JSON, by the names of SequenceTrainer's parameters."""
    model, train = _fields(config.model), _fields(config.train)
    del model["preset"], train["tune"]  # the preset's sizes are filled in; the Tuner has its own
    train["decode_length"] = config.decode.max_length
    train["score_positions"] = config.eval.micro_batch_tokens
    sections = {"model": model, "loss": _fields(config.loss), "batch": _fields(config.batch)}
    sections["train"] = train
    return {f"{name}_options": json.dumps(each, sort_keys=True) for name, each in sections.items()}


def _fields(section: object) -> dict:
    return dataclasses.asdict(section)  # type: ignore[call-overload]


def _evaluator(
    config: Config,
    examples: BaseNode,
    vocabulary: BaseNode,
    trainer: BaseNode,
    earlier: Earlier,
) -> BaseNode:
    thresholds = [
        {key: value for key, value in _fields(threshold).items() if value is not None}
        for threshold in config.eval.thresholds
    ]
    return ours.SequenceEvaluator(
        examples=examples.outputs["examples"],
        model=trainer.outputs["model"],
        **earlier.baseline,
        vocabulary=vocabulary.outputs["vocabulary"],
        ingest_report=examples.outputs["ingest_report"],
        slices=json.dumps(list(config.eval.slices)),
        thresholds=json.dumps(thresholds, sort_keys=True),
        blessing_rule=json.dumps(_fields(config.eval.blessing), sort_keys=True),
        batch_size=config.eval.batch_size,
        block_rows=config.eval.block_rows,
        block_mb=config.eval.block_mb,
        confidence=config.eval.confidence,
        min_tokens=config.eval.min_tokens,
        worst=config.eval.worst,
        worst_min_tokens=config.eval.worst_min_tokens,
        samples=config.eval.samples,
        decode_examples=config.eval.decode_examples,
        code_hash=code_hash(
            "transform",
            "components.evaluator",
            "components.example_gen.places",
            "components.model_facts",
            "components.records",
            "components.saved_model",
            "components.storage",
            "components.weighted_mean",
        ),
    )


def _serving_check(
    config: Config,
    examples: BaseNode,
    transform: BaseNode,
    trainer: BaseNode,
    evaluator: BaseNode,
    last_failed_check: int,
) -> list[BaseNode]:
    """ServingCheck, unless it is turned off."""
    options = _fields(config.serving.check)
    if not options.pop("enabled"):
        return []
    found = ours.ServingCheck(
        model=trainer.outputs["model"],
        examples=examples.outputs["examples"],
        transformed_examples=transform.outputs["transformed_examples"],
        ingest_report=examples.outputs["ingest_report"],
        options=json.dumps(options, sort_keys=True),
        failed_before=last_failed_check,
        code_hash=code_hash(
            "transform",
            "components.serving_check",
            "components.example_gen.places",
            "components.folders",
            "components.model_facts",
            "components.records",
            "components.saved_model",
            "components.shards",
            "components.storage",
        ),
    )
    found.add_upstream_node(evaluator)  # it measures time: nothing else is to run meanwhile
    return [found]


def _pusher(
    config: Config,
    trainer: BaseNode,
    evaluator: BaseNode,
    check: list[BaseNode],
    push: Mapping[str, Any],
) -> BaseNode:
    return ours.VersionPusher(
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        infra_blessing=check[0].outputs["blessing"] if check else None,
        evaluation=evaluator.outputs["evaluation"],
        keep_versions=config.serving.keep_versions,
        **push,
        code_hash=code_hash("components.folders", "components.pusher", "components.storage"),
    ).with_id("Pusher")
