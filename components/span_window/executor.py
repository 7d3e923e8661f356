"""Adapter between TFX and the window."""

import json
import os
from typing import Any

from tfx.dsl.components.base import base_executor
from tfx.types import artifact, artifact_utils
from tfx.utils import io_utils

from components.span_window import window
from components.span_window.spec import SPAN_WINDOW


class Executor(base_executor.BaseExecutor):
    """Writes the window as `spans.json`, and as custom properties of its artifact."""

    def Do(
        self,
        input_dict: dict[str, list[artifact.Artifact]],
        output_dict: dict[str, list[artifact.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Resolve and write.

        Raises:
          InputError: a parameter is wrong, or no span is there.
        """
        del input_dict
        found = window.resolve(
            *(exec_properties[key] for key in ("input_base", "spans", "new_spans", "fingerprint"))
        )
        output = artifact_utils.get_single_instance(output_dict[SPAN_WINDOW])
        io_utils.write_string_file(os.path.join(output.uri, window.FILE), found.to_json())
        output.set_string_custom_property("spans", json.dumps(found.spans))
        output.set_string_custom_property("new", json.dumps(found.new))
        output.set_string_custom_property("input_fingerprint", found.fingerprint)


def read(artifacts: list[artifact.Artifact]) -> window.Window:
    """The window that an input artifact holds."""
    uri = artifact_utils.get_single_uri(artifacts)
    return window.from_json(io_utils.read_string_file(os.path.join(uri, window.FILE)))
