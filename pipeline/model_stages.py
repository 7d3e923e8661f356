"""The second half of the line, one function a node: from what is trained on to a pushed model."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from tfx.dsl.components.base.base_node import BaseNode

import components as ours
from components.code_hash import code_hash
from components.trainer.tunable import refuse_sizes
from pipeline.config import Config
from pipeline.config.tune import space_of
from pipeline.earlier import Earlier

# What decides how a model is trained.
_TRAINING = (
    "transform",
    "components.example_gen.places",
    "components.model_facts",
    "components.records",
    "components.sequence_loss",
    "components.storage",
    "components.trainer",
)


def tuner(
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
        code_hash=code_hash(*_TRAINING, "components.tuner"),
        **earlier.base_model,
    )
    return [found.with_id("Tuner")]


def trainer(
    config: Config,
    examples: BaseNode,
    transform: BaseNode,
    vocabulary: BaseNode,
    settings: str,
    earlier: Earlier,
    tuner: list[BaseNode],
    train_steps: Any,
) -> BaseNode:
    """SequenceTrainer, which starts from the last blessed model or from scratch."""
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
        code_hash=code_hash(*_TRAINING),
        **earlier.base_model,
        data_key=earlier.data_key,
        train_steps=train_steps,
        hyperparameters=tuner[0].outputs["best_hyperparameters"] if tuner else None,
    )


def _options(config: Config) -> dict[str, str]:
    """What decides the training, as JSON, by the names of SequenceTrainer's parameters."""
    model, train = _fields(config.model), _fields(config.train)
    del model["preset"], train["tune"]  # the preset's sizes are filled in; the Tuner has its own
    train["decode_length"] = config.decode.max_length
    train["score_positions"] = config.eval.micro_batch_tokens
    sections = {"model": model, "loss": _fields(config.loss), "batch": _fields(config.batch)}
    sections["train"] = train
    return {f"{name}_options": json.dumps(each, sort_keys=True) for name, each in sections.items()}


def evaluator(
    config: Config,
    examples: BaseNode,
    vocabulary: BaseNode,
    trainer: BaseNode,
    earlier: Earlier,
) -> BaseNode:
    """SequenceEvaluator, which measures and blesses."""
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


def serving_check(
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


def pusher(
    config: Config,
    trainer: BaseNode,
    evaluator: BaseNode,
    check: list[BaseNode],
    push: Mapping[str, Any],
) -> BaseNode:
    """Pusher, which pushes what is blessed and passes the check."""
    return ours.VersionPusher(
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        infra_blessing=check[0].outputs["blessing"] if check else None,
        evaluation=evaluator.outputs["evaluation"],
        keep_versions=config.serving.keep_versions,
        **push,
        code_hash=code_hash("components.folders", "components.pusher", "components.storage"),
    ).with_id("Pusher")


def _fields(section: object) -> dict:
    return dataclasses.asdict(section)  # type: ignore[call-overload]
