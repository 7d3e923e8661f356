"""Adapter: tells the stock Transform executor which function to run, and where the vocabulary is."""

from typing import Any

from tfx import types
from tfx.components.transform import executor as stock
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import json_utils

from components.beam_runner import NamedRunner
from components.sequence_transform import spec
from transform import preprocessing

_PREPROCESSING_FN = "transform.preprocessing.preprocessing_fn"


class Executor(NamedRunner, stock.Executor):
    """The stock executor without an analysis pass and without its statistics."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        vocabulary = artifact_utils.get_single_uri(input_dict[spec.VOCABULARY])
        custom_config = {
            preprocessing.SETTINGS: exec_properties[spec.SETTINGS],
            preprocessing.VOCABULARY: vocabulary,
        }
        super().Do(
            {name: found for name, found in input_dict.items() if name != spec.VOCABULARY},
            output_dict,
            {
                standard_component_specs.PREPROCESSING_FN_KEY: _PREPROCESSING_FN,
                standard_component_specs.CUSTOM_CONFIG_KEY: json_utils.dumps(custom_config),
                standard_component_specs.DISABLE_STATISTICS_KEY: 1,
                standard_component_specs.FORCE_TF_COMPAT_V1_KEY: 0,
            },
        )
