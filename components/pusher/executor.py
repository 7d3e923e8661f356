"""Adapter: blessing and model in, `versions.push` in the middle, TFX's pushed-model properties out."""

import os
from typing import Any

from tfx import types
from tfx.components.util import model_utils
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import io_utils, path_utils

from components.pusher import spec, versions


class Executor(base_executor.BaseExecutor):
    """Pushes a blessed model; records what the stock Pusher records."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        pushed = artifact_utils.get_single_instance(output_dict[spec.PUSHED_MODEL])
        blessing = artifact_utils.get_single_instance(input_dict[spec.MODEL_BLESSING])
        if not model_utils.is_model_blessed(blessing):
            pushed.set_int_custom_property("pushed", 0)
            return
        model = path_utils.serving_model_path(artifact_utils.get_single_uri(input_dict[spec.MODEL]))
        version = versions.push(
            model, exec_properties[spec.PUSH_DESTINATION], keep=exec_properties[spec.KEEP_VERSIONS]
        )
        io_utils.write_string_file(os.path.join(pushed.uri, "pushed_destination.txt"), version)
        pushed.set_int_custom_property("pushed", 1)
        pushed.set_string_custom_property("pushed_destination", version)
        pushed.set_string_custom_property("pushed_version", os.path.basename(version))
