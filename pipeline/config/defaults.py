"""Defaults of the configuration that follow from other keys. No TensorFlow."""

import dataclasses
import os
from typing import TYPE_CHECKING, Any

from pipeline import model_presets
from pipeline.config import beam as config_beam
from pipeline.config import checks
from pipeline.config.cloud import CloudConfig
from pipeline.config.data import DataConfig, TransformConfig, WeightFactor
from pipeline.config.decode import DecodeConfig
from pipeline.config.train import BatchConfig

if TYPE_CHECKING:
    from pipeline.config import Config

# Other defaults follow from these keys, if they are right themselves.
DECIDED_BY = ("pipeline.name", "task", "data.columns", "train.epochs", "train.steps")


def complete(config: "Config", given: set[str]) -> "Config":
    """Fills in the defaults that follow from other keys."""
    roles = {role: role for role in checks.TASK_ROLES[config.task]}
    columns = roles | config.data.columns
    data = dataclasses.replace(config.data, columns=columns)
    if not data.split_by and all(isinstance(share, int) for share in data.split.values()):
        data = dataclasses.replace(data, split_by=(columns[next(iter(roles))],))
    transform = _transform(config.transform, columns, given)
    if "data.window.stride" not in given:
        room = data.max_target_length - transform.append_eos - transform.prepend_bos
        window = dataclasses.replace(data.window, stride=max(1, room))
        data = dataclasses.replace(data, window=window)
    if config.task == "tagging":
        data, transform = _tagging(data, transform, given)
    decode = _decode(config.decode, data, transform, given)
    sizes = model_presets.settings(config.model.preset, given)
    model = dataclasses.replace(config.model, **sizes)
    serving, train = config.serving, config.train
    if "serving.push_to" not in given:
        serving = dataclasses.replace(
            serving, push_to=os.path.join(config.pipeline.root, config.pipeline.name, "serving")
        )
    if train.epochs is None and train.steps is None:
        train = dataclasses.replace(train, epochs=10)
    cloud = _cloud(config, given)
    return dataclasses.replace(
        config,
        beam=config_beam.completed(config.beam, cloud, config.pipeline.name, given),
        cloud=cloud,
        data=data,
        transform=transform,
        batch=_batch(config.batch, data, given),
        model=model,
        decode=decode,
        serving=serving,
        train=train,
    )


def _cloud(config: "Config", given: set[str]) -> CloudConfig | None:
    """Data where the local runs have them, versions below the root, Beam's work as there."""
    cloud = config.cloud
    if cloud is None or not isinstance(cloud.root, str):
        return cloud  # a root that is missing is a problem of its own
    served = f"{cloud.root}/{config.pipeline.name}/served"
    return dataclasses.replace(
        cloud,
        data=cloud.data or config.data.path,
        push_to=cloud.push_to or served,
        beam=cloud.beam if "cloud.beam" in given else config.beam.profile,
    )


def _batch(batch: BatchConfig, data: DataConfig, given: set[str]) -> BatchConfig:
    """A batch of tokens has room for the longest example."""
    if batch.type == "examples" or "batch.size" in given:
        return batch
    size = max(4096, data.max_target_length, data.max_source_length)
    return dataclasses.replace(batch, size=size)


def _transform(
    transform: TransformConfig, columns: dict[str, str], given: set[str]
) -> TransformConfig:
    """What holds for both sides where a side says nothing; the factors that there is data for."""
    derived: dict[str, Any] = {}
    for name in ("lowercase", "normalize"):
        for side in ("source", "target"):
            if f"transform.{side}_{name}" not in given:
                derived[f"{side}_{name}"] = getattr(transform, name)
    if "transform.weights" not in given:
        factors: dict[WeightFactor, bool] = {
            "mask": True,
            "token": "weights" in columns,
            "example": "example_weight" in columns,
            "region": bool(transform.regions),
            "class": bool(transform.class_weights),
            "span_age": transform.span_half_life is not None,
        }
        derived["weights"] = tuple(name for name, on in factors.items() if on)
    return dataclasses.replace(transform, **derived)


def _decode(
    decode: DecodeConfig, data: DataConfig, transform: TransformConfig, given: set[str]
) -> DecodeConfig:
    """Lengths as in training; either of method and beam_size says what the other is."""
    derived: dict[str, Any] = {}
    if "decode.max_length" not in given:
        derived["max_length"] = data.max_target_length
    if "decode.method" not in given and decode.beam_size > 1:
        derived["method"] = "beam"
    if "decode.beam_size" not in given and decode.method == "beam":
        derived["beam_size"] = 4
    if "decode.forbidden" not in given and transform.target_tokenizer == "ids":
        derived["forbidden"] = ()  # there the reserved ids are ids like any other
    return dataclasses.replace(decode, **derived)


def _tagging(
    data: DataConfig, transform: TransformConfig, given: set[str]
) -> tuple[DataConfig, TransformConfig]:
    """Tagging reads lists of tokens, adds no eos, and its two sides are equally long."""
    aligned: dict[str, Any] = {
        "source_tokenizer": "pretokenized",
        "target_tokenizer": "pretokenized",
        "append_eos": False,
    }
    # A tag is a label, not text: lower-casing and normal forms are for what is read.
    aligned |= {"target_lowercase": False, "target_normalize": "none"}
    absent = {name: value for name, value in aligned.items() if f"transform.{name}" not in given}
    if "data.max_source_length" not in given:
        data = dataclasses.replace(data, max_source_length=data.max_target_length)
    return data, dataclasses.replace(transform, **absent)
