"""Adapter: artifacts in, `checking.check` in the middle, TFX's InfraBlessing out."""

import os
from typing import Any

import tensorflow as tf
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import io_utils, path_utils

from components import progress
from components.serving_check import checking, spec
from components.serving_check.verdict import FILE

_SPLIT = "eval"
_LONGEST_PROPERTY = 4000


class Executor(base_executor.BaseExecutor):
    """Writes `serving_check.json`, and blesses as the stock InfraValidator does."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Check the model; a model that fails is a verdict, not an error.

        Raises:
          InputError: the eval split has no row.
        """
        blessing = artifact_utils.get_single_instance(output_dict[spec.BLESSING])
        verdict = checking.check(_request(input_dict, exec_properties))
        tf.io.gfile.makedirs(blessing.uri)
        io_utils.write_string_file(os.path.join(blessing.uri, FILE), verdict.to_json())
        _mark(blessing, verdict.passed)
        model = artifact_utils.get_single_instance(input_dict[spec.MODEL])
        # Which model it is about, as the Evaluator's blessing says it.
        blessing.set_int_custom_property("current_model_id", model.id)
        reasons = "\n".join(verdict.reasons)[:_LONGEST_PROPERTY]
        blessing.set_string_custom_property("message", reasons)
        progress.update(verdict.line)


def _mark(blessing: types.Artifact, passed: bool) -> None:
    """As tfx/components/infra_validator/executor.py does, and Pusher reads."""
    name = "INFRA_BLESSED" if passed else "INFRA_NOT_BLESSED"
    io_utils.write_string_file(os.path.join(blessing.uri, name), "")
    blessing.set_int_custom_property("blessed", int(passed))


def _request(
    input_dict: dict[str, list[types.Artifact]], parameters: dict[str, Any]
) -> checking.CheckRequest:
    report = input_dict.get(spec.INGEST_REPORT) or []
    return checking.CheckRequest(
        model=path_utils.serving_model_path(artifact_utils.get_single_uri(input_dict[spec.MODEL])),
        raw=artifact_utils.get_split_uri(input_dict[spec.EXAMPLES], _SPLIT),
        transformed=artifact_utils.get_split_uri(input_dict[spec.TRANSFORMED_EXAMPLES], _SPLIT),
        report=report[0].uri if report else "",
        options=checking.Options.from_json(parameters[spec.OPTIONS]),
    )
