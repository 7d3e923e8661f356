"""A model exported in seconds, without training, for what calls the signatures of a served one."""

import functools
import os
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_transform.tf_metadata import schema_utils

from components.sequence_transform import graph
from components.trainer import export, training
from components.trainer.models import build_model
from components.trainer.request import (
    BatchOptions,
    LossOptions,
    ModelOptions,
    TrainOptions,
    TrainRequest,
)
from transform import preprocessing
from transform.settings import Settings
from transform.vocabulary import Vocabularies


def make(
    folder: str,
    settings: Settings,
    vocabularies: Vocabularies,
    columns: dict[str, tf.DType],
    *,
    seed: int = 7,
    scale: float = 0.3,
    **options: Any,
) -> str:
    """Export a model with random weights; returns the SavedModel's folder.

    Args:
      folder: to work in.
      settings: what tokens are.
      vocabularies: of its sides.
      columns: the raw columns and their types.
      seed: of the weights.
      scale: their standard deviation; large ones make peaked, unequal logits.
      options: of `ModelOptions`.
    """
    vocabulary = os.path.join(folder, "vocabulary")
    vocabularies.write(vocabulary)
    config = {preprocessing.SETTINGS: settings.to_json(), preprocessing.VOCABULARY: vocabulary}
    function = functools.partial(preprocessing.preprocessing_fn, custom_config=config)
    spec = {name: tf.io.VarLenFeature(kind) for name, kind in columns.items()}
    traced = os.path.join(folder, "graph")
    graph.write(function, schema_utils.schema_from_feature_spec(spec), traced)
    request = TrainRequest(
        train_files=(),
        eval_files=(),
        transform_graph=traced,
        vocabulary=vocabulary,
        serving_folder=os.path.join(folder, "serving", "1"),
        settings=settings,
        model=ModelOptions(**options),
        loss=LossOptions(),
        batch=BatchOptions(),
        train=TrainOptions(decode_length=8),
    )
    model = build_model(training.model_spec(request, vocabularies))
    dice = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        variable.assign(dice.normal(scale=scale, size=variable.shape))
    export.export(model, request, vocabularies)
    return request.serving_folder
