"""Adapter: the text into the file that TFX reads a Schema from."""

import os
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import io_utils

from components.given_schema import spec

_FILE = "schema.pbtxt"


class Executor(base_executor.BaseExecutor):
    """Writes the schema."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        del input_dict
        folder = artifact_utils.get_single_uri(output_dict[spec.SCHEMA])
        io_utils.write_string_file(os.path.join(folder, _FILE), exec_properties[spec.TEXT])
