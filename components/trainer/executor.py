"""Adapter: artifacts to a TrainRequest, train, export, check that the product is there."""

import json
import os
from typing import Any

from tensorflow import io as tf_io
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import io_utils, path_utils

from components import process, progress
from components.trainer import distribution, export, spec, starting_point, training
from components.trainer.decoding import DecodeOptions
from components.trainer.goodput import Goodput
from components.trainer.request import (
    BatchOptions,
    LossOptions,
    ModelOptions,
    TrainOptions,
    TrainRequest,
    options,
)
from components.trainer.started import described
from transform.settings import Settings
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
        vocabulary = artifact_utils.get_single_uri(input_dict[spec.VOCABULARY])
        written = artifact_utils.get_single_uri(output_dict[spec.HISTORY])
        settings = Settings.from_json(exec_properties[spec.SETTINGS])
        train = options(TrainOptions, exec_properties[spec.TRAIN_OPTIONS])
        request = TrainRequest(
            train_files=_files(input_dict[spec.EXAMPLES], "train"),
            eval_files=_files(input_dict[spec.EXAMPLES], "eval"),
            transform_graph=artifact_utils.get_single_uri(input_dict[spec.TRANSFORM_GRAPH]),
            vocabulary=vocabulary,
            serving_folder=serving,
            settings=settings.with_subwords(vocabulary),
            model=options(ModelOptions, exec_properties[spec.MODEL_OPTIONS]),
            loss=options(LossOptions, exec_properties[spec.LOSS_OPTIONS]),
            batch=options(BatchOptions, exec_properties[spec.BATCH_OPTIONS]),
            train=train,
            decode=options(DecodeOptions, exec_properties[spec.DECODE_OPTIONS]),
            state_folder=_state_folder(output_dict[spec.MODEL]),
            code_hash=exec_properties[spec.CODE_HASH],
            base_model=_only_uri(input_dict, spec.BASE_MODEL) if train.warm_start == "auto" else "",
            start_folder=os.path.join(made.uri, starting_point.FOLDER),
            history_folder=written,
            ingest_report=_only_uri(input_dict, spec.INGEST_REPORT),
        )
        vocabularies = Vocabularies.read(request.vocabulary)
        model, history = training.train(request, vocabularies, progress.update, goodput)
        if not distribution.is_chief(request.train):
            return  # the chief writes what came out
        progress.result(described(history.start))
        progress.result(history.summary())
        progress.update("exporting the model")
        with goodput.phase("export"):
            export.export(model, request, vocabularies)
        if not tf_io.gfile.exists(os.path.join(serving, "saved_model.pb")):
            raise RuntimeError(f"no SavedModel was written to {serving}")
        history.goodput = goodput.seconds()
        io_utils.write_string_file(
            os.path.join(written, "history.json"), json.dumps(history.to_dict(), indent=1)
        )
        _say_what_it_is(made, request, exec_properties[spec.DATA_KEY])
        training.clear_checkpoints(request)


def _files(examples: list[types.Artifact], split: str) -> tuple[str, ...]:
    return tuple(tf_io.gfile.glob(os.path.join(artifact_utils.get_split_uri(examples, split), "*")))


def _only_uri(input_dict: dict[str, list[types.Artifact]], name: str) -> str:
    """Of an optional input; "" without one."""
    found = input_dict.get(name) or []
    return artifact_utils.get_single_uri(found) if found else ""


def _say_what_it_is(model: types.Artifact, request: TrainRequest, data_key: str) -> None:
    """What a later run needs to choose its base model, and to repeat this run's choice."""
    model.set_string_custom_property(spec.DATA_KEY, data_key)
    model.set_string_custom_property(spec.BASE_MODEL, request.base_model)
    model.set_string_custom_property("warm_start", request.train.warm_start)


def _state_folder(model: list[types.Artifact]) -> str:
    """The component's own folder, beside those of its outputs, which are new in each execution.

    Checkpoints need a file system that can rename; "" where the pipeline's root has none.
    """
    execution = artifact_utils.get_single_uri(model).rstrip("/")  # <component>/model/<execution>
    component = os.path.dirname(os.path.dirname(execution))
    return "" if "://" in component else os.path.join(component, "state")
