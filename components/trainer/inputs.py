"""What SequenceTrainer and the Tuner take from their input artifacts and parameters alike."""

import dataclasses
import os
from typing import Any

from tensorflow import io as tf_io
from tfx import types
from tfx.types import artifact_utils

from components.errors import InputError
from components.trainer import spec
from components.trainer.request import (
    BatchOptions,
    LossOptions,
    ModelOptions,
    TrainOptions,
    TrainRequest,
    options,
)
from transform.settings import Settings

Artifacts = dict[str, list[types.Artifact]]


def request_from(inputs: Artifacts, parameters: dict[str, Any]) -> TrainRequest:
    """A request that writes nothing anywhere, as the Tuner's are.

    Raises:
      InputError: `train_steps` is below 0.
    """
    vocabulary = artifact_utils.get_single_uri(inputs[spec.VOCABULARY])
    train = options(TrainOptions, parameters[spec.TRAIN_OPTIONS])
    steps = parameters.get(spec.TRAIN_STEPS, 0)
    if steps < 0:
        raise InputError(f"train_steps: got {steps}, expected 0 or more")
    if steps:
        train = dataclasses.replace(train, steps=steps, epochs=None)
    base = only_uri(inputs, spec.BASE_MODEL) or parameters.get(spec.BASE_MODEL_FOLDER, "")
    return TrainRequest(
        train_files=_files(inputs[spec.EXAMPLES], "train"),
        eval_files=_files(inputs[spec.EXAMPLES], "eval"),
        transform_graph=artifact_utils.get_single_uri(inputs[spec.TRANSFORM_GRAPH]),
        vocabulary=vocabulary,
        serving_folder="",
        settings=Settings.from_json(parameters[spec.SETTINGS]).with_subwords(vocabulary),
        model=options(ModelOptions, parameters[spec.MODEL_OPTIONS]),
        loss=options(LossOptions, parameters[spec.LOSS_OPTIONS]),
        batch=options(BatchOptions, parameters[spec.BATCH_OPTIONS]),
        train=train,
        code_hash=parameters[spec.CODE_HASH],
        base_model=base if train.warm_start == "auto" else "",
    )


def only_uri(inputs: Artifacts, name: str) -> str:
    """Of an optional input; "" without one."""
    found = inputs.get(name) or []
    return artifact_utils.get_single_uri(found) if found else ""


def state_folder(output: list[types.Artifact]) -> str:
    """The component's own folder, beside those of its outputs, which are new in each execution.

    On Vertex and Kubeflow it is the job's, as an output is <job>/<task>/<output>: a container that is
    started again, maybe as another task, finds it there.
    """
    execution = artifact_utils.get_single_uri(output).rstrip("/")
    component = os.path.dirname(os.path.dirname(execution))  # of <component>/<output>/<execution>
    return os.path.join(component, "state")


def _files(examples: list[types.Artifact], split: str) -> tuple[str, ...]:
    return tuple(tf_io.gfile.glob(os.path.join(artifact_utils.get_split_uri(examples, split), "*")))
