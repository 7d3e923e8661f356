"""Adapter: artifacts to a TrainRequest, train, export, check that the product is there."""

import dataclasses
import json
import os
from typing import Any

from tensorflow import io as tf_io
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import io_utils, path_utils

from components import process, progress
from components.trainer import (
    distribution,
    export,
    inputs,
    own_scores,
    spec,
    starting_point,
    training,
    tunable,
    tuned,
)
from components.trainer.decoding import DecodeOptions
from components.trainer.goodput import Goodput
from components.trainer.request import TrainRequest, options
from components.trainer.started import described
from transform.vocabulary import Vocabularies


class Executor(base_executor.BaseExecutor):
    """Trains on the split `train`, reports on `eval`."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        goodput = Goodput(before=process.before_now())
        made = artifact_utils.get_single_instance(output_dict[spec.MODEL])
        serving = path_utils.serving_model_dir(made.uri)
        written = artifact_utils.get_single_uri(output_dict[spec.HISTORY])
        request = dataclasses.replace(
            inputs.request_from(input_dict, exec_properties),
            serving_folder=serving,
            decode=options(DecodeOptions, exec_properties[spec.DECODE_OPTIONS]),
            state_folder=inputs.state_folder(output_dict[spec.MODEL]),
            start_folder=os.path.join(made.uri, starting_point.FOLDER),
            history_folder=written,
            ingest_report=inputs.only_uri(input_dict, spec.INGEST_REPORT),
        )
        found = inputs.only_uri(input_dict, spec.HYPERPARAMETERS)
        tuning = tuned.read(found) if found else {}
        request = tuned.applied(request, tuning.get("values", {}))
        vocabularies = Vocabularies.read(request.vocabulary)
        model, history = training.train(request, vocabularies, progress.update, goodput)
        if not distribution.is_chief(request.train):
            return  # the chief writes what came out
        history.tuning = tuning
        progress.result(described(history.start))
        if tuning:
            progress.result(tunable.described(tuning))
        progress.result(history.summary())
        progress.update("exporting the model")
        with goodput.phase("export"):
            export.export(model, request, vocabularies)
            own_scores.write(model, request)
        if not tf_io.gfile.exists(os.path.join(serving, "saved_model.pb")):
            raise RuntimeError(f"no SavedModel was written to {serving}")
        history.goodput = goodput.seconds()
        io_utils.write_string_file(
            os.path.join(written, "history.json"), json.dumps(history.to_dict(), indent=1)
        )
        vocabulary = artifact_utils.get_single_instance(input_dict[spec.VOCABULARY])
        _say_what_it_is(made, request, exec_properties[spec.DATA_KEY], vocabulary)
        training.clear_checkpoints(request)


def _say_what_it_is(
    model: types.Artifact, request: TrainRequest, data_key: str, vocabulary: types.Artifact
) -> None:
    """What a later run needs to choose its base model, and to repeat this run's choice."""
    model.set_string_custom_property(spec.DATA_KEY, data_key)
    model.set_string_custom_property(spec.BASE_MODEL, request.base_model)
    model.set_string_custom_property(spec.WARM_START, request.train.warm_start)
    for name in (spec.BASE_VOCABULARY, spec.INPUT_KEY):
        model.set_string_custom_property(name, vocabulary.get_string_custom_property(name))
