"""Adapter: artifacts to a TrainRequest, search, what was found into TFX's artifacts."""

import dataclasses
import json
import os
from typing import Any

from tfx import types
from tfx.components.tuner import executor as tfx_executor
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import io_utils

from components import progress
from components.trainer import inputs, tuned
from components.trainer.request import options
from components.tuner import search, spec
from transform.vocabulary import Vocabularies


class Executor(base_executor.BaseExecutor):
    """Searches on the split `train`, judges on `eval`."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        request = inputs.request_from(input_dict, exec_properties)
        kept = inputs.state_folder(output_dict[spec.BEST_HYPERPARAMETERS])
        tuner = search.search(
            request,
            Vocabularies.read(request.vocabulary),
            options(search.TuneOptions, exec_properties[spec.TUNE_OPTIONS]),
            state_folder=kept,
            update=progress.update,
            result=progress.result,
        )
        tfx_executor.write_best_hyperparameters(tuner, output_dict)
        best = artifact_utils.get_single_uri(output_dict[spec.BEST_HYPERPARAMETERS])
        trials = [dataclasses.asdict(trial) for trial in tuner.trials]
        io_utils.write_string_file(os.path.join(best, tuned.TRIALS), json.dumps(trials, indent=1))
        search.clear(kept)
