"""What a run builds on, as the nodes of its line take it.

On this machine it is looked up before the line is made. In the cloud nothing can be: there a node looks it
up, see `pipeline.kubeflow.line`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tfx import types
from tfx.dsl.components.base.base_node import BaseNode
from tfx.dsl.components.common.importer import Importer
from tfx.dsl.components.common.resolver import Resolver
from tfx.dsl.input_resolution.strategies.latest_blessed_model_strategy import (
    LatestBlessedModelStrategy,
)
from tfx.types import standard_artifacts

BASE_MODEL = "BaseModel"
LAST_BLESSED = "LastBlessedModel"


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """What earlier runs made. Texts, or other nodes' outputs that are texts.

    Attributes:
      nodes: those that bring it into the line.
      base_vocabulary: folder of the vocabulary to extend, or "".
      input_key, data_key: what is kept with the new vocabulary and model.
      base_model: parameter and value by which SequenceTrainer and Tuner take what they start from.
      baseline: the same for what SequenceEvaluator compares with.
      folder: of that model, "" without one and where it is not known yet.
    """

    nodes: tuple[BaseNode, ...]
    base_vocabulary: Any
    input_key: Any
    data_key: Any
    base_model: Mapping[str, Any]
    baseline: Mapping[str, Any]
    folder: str = ""


def looked_up(*, base_vocabulary: str, input_key: str, data_key: str, base_model: str) -> Earlier:
    """What was found on this machine; see `pipeline.pipeline.create_pipeline`."""
    importer = _importer(base_model) if base_model else None
    blessed = last_blessed()
    return Earlier(
        nodes=(importer, blessed) if importer else (blessed,),
        base_vocabulary=base_vocabulary,
        input_key=input_key,
        data_key=data_key,
        base_model={"base_model": importer.outputs["result"]} if importer else {},
        baseline={"baseline_model": blessed.outputs["model"]},
        folder=base_model,
    )


def last_blessed() -> Resolver:
    """The model that was blessed last; nothing before the first was."""
    return Resolver(
        strategy_class=LatestBlessedModelStrategy,
        model=types.Channel(type=standard_artifacts.Model),
        model_blessing=types.Channel(type=standard_artifacts.ModelBlessing),
    ).with_id(LAST_BLESSED)


def _importer(folder: str) -> Importer:
    """One model of an earlier run; no Resolver, as what "the last" is changes with each run."""
    return Importer(source_uri=folder, artifact_type=standard_artifacts.Model).with_id(BASE_MODEL)
