"""The configuration: what each key of pipeline_config.yaml means, its type, range and default.

`load_config` is the only reader of YAML in the house. It gives one frozen object in which every
default is filled in, also those that follow from other keys. Neither this module nor what it
imports loads TensorFlow, so that a wrong key is reported at once.
"""

# `setting` and `required` return dataclasses.field, which the linter cannot see through:
# ruff: noqa: RUF009

import dataclasses
import os
from typing import Literal

from components.errors import InputError
from pipeline.config import checks, defaults, loader
from pipeline.config.beam import BeamConfig
from pipeline.config.cloud import CloudConfig
from pipeline.config.data import DataConfig, TransformConfig
from pipeline.config.decode import DecodeConfig
from pipeline.config.eval import EvalConfig
from pipeline.config.kubeflow import KubeflowConfig
from pipeline.config.loader import required, setting
from pipeline.config.problems import Unsuited
from pipeline.config.retrain import RetrainConfig
from pipeline.config.serving import ServingConfig
from pipeline.config.store import ServerStoreConfig
from pipeline.config.train import BatchConfig, LossConfig, ModelConfig, TrainConfig

Task = Literal["lm", "seq2seq", "tagging"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class PipelineConfig:
    """Which pipeline this is, and where its runs are kept."""

    name: str = required(
        "names the pipeline in its metadata store",
        # TFX takes no longer one: _MAX_PIPELINE_NAME_LENGTH in its orchestration.pipeline.
        pattern="[a-z0-9][a-z0-9-]{0,62}",
        pattern_text="a name of a-z, 0-9 and '-', at most 63 long",
    )
    root: str = setting("runs", "folder of all runs: metadata store, artifacts, logs", path=True)
    metadata: Literal["sqlite"] | ServerStoreConfig = setting(
        "sqlite", "where it is written down which run made what: a file in the root, or a server"
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The whole configuration file."""

    pipeline: PipelineConfig = required("name and place")
    task: Task = required("lm, seq2seq or tagging")
    data: DataConfig = required("the input")
    transform: TransformConfig = setting(TransformConfig(), "text to ids")
    model: ModelConfig = setting(ModelConfig(), "the network")
    loss: LossConfig = setting(LossConfig(), "the loss")
    batch: BatchConfig = setting(BatchConfig(), "batches")
    train: TrainConfig = setting(TrainConfig(), "the optimisation")
    decode: DecodeConfig = setting(DecodeConfig(), "generation")
    eval: EvalConfig = setting(EvalConfig(), "measurement and blessing")
    serving: ServingConfig = setting(ServingConfig(), "pushed models")
    retrain: RetrainConfig = setting(RetrainConfig(), "retraining on new spans")
    beam: BeamConfig = setting(BeamConfig(), "where Beam's work is done")
    cloud: CloudConfig | None = setting(None, "Vertex or Kubeflow Pipelines, for tokenline compile")
    kubeflow: KubeflowConfig | None = setting(None, "where submit --target kubeflow sends to")


def load_config(path: str | os.PathLike[str], *, data_may_come: bool = False) -> Config:
    """Reads, checks and completes a configuration file.

    Paths in it are relative to its folder and come back joined to it.

    Args:
      path: the file.
      data_may_come: whether the folder that is to hold the spans need not be there yet: who goes on, waits.

    Raises:
      InputError: one line `file:line: key: got ..., expected ...` for each problem, all at once.
    """
    config, problems = loader.load(Config, os.fspath(path))
    problems.data_may_come = data_may_come
    if problems.clean(*defaults.DECIDED_BY):
        config = defaults.complete(config, problems.given)
    checks.check(config, problems)
    problems.raise_if_any()
    return config


def placed(error: Unsuited, path: str | os.PathLike[str]) -> str:
    """What is wrong with a configuration for what was asked of it: `file:line: key: ...` for each problem."""
    try:
        _, problems = loader.load(Config, os.fspath(path))
    except InputError:  # it was a pipe, which is read once, or is gone by now
        return str(error)
    problems.items.clear()  # it has none of its own, or it would not have come so far
    for key, text in error.problems:
        problems.add(key, text)
    return problems.shown
