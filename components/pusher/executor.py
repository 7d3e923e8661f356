"""Adapter: blessings and model in, `versions.push` in the middle, TFX's pushed-model properties out."""

import os
from typing import Any

from tfx import types
from tfx.components.util import model_utils
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import io_utils, path_utils

from components.pusher import origins, outcome, rollback, run_keys, spec, versions


class Executor(base_executor.BaseExecutor):
    """Pushes a blessed model; records what the stock Pusher records, and why there was no push."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        pushed = artifact_utils.get_single_instance(output_dict[spec.PUSHED_MODEL])
        model = path_utils.serving_model_path(artifact_utils.get_single_uri(input_dict[spec.MODEL]))
        destination = exec_properties[spec.PUSH_DESTINATION]
        run_key = exec_properties.get(spec.RUN_KEY, "")
        if reason := _reason_against(model, destination, input_dict):
            io_utils.write_string_file(os.path.join(pushed.uri, spec.NOT_PUSHED_FILE), reason)
            pushed.set_int_custom_property("pushed", 0)
            pushed.set_string_custom_property("reason", reason)
            if run_key:
                run_keys.refuse(pushed.uri, run_key, reason)
            _tell(exec_properties, input_dict, reason=reason)
            return
        keep = exec_properties[spec.KEEP_VERSIONS]
        version = versions.push(model, destination, keep=keep, run_key=run_key)
        if exec_properties.get(spec.NOTE_ORIGIN):
            origins.write(artifact_utils.get_single_instance(input_dict[spec.MODEL]), version)
        io_utils.write_string_file(os.path.join(pushed.uri, spec.PUSHED_FILE), version)
        pushed.set_int_custom_property("pushed", 1)
        pushed.set_string_custom_property("pushed_destination", version)
        pushed.set_string_custom_property("pushed_version", os.path.basename(version))
        _tell(exec_properties, input_dict, version=os.path.basename(version))


def _tell(
    exec_properties: dict[str, Any], input_dict: dict[str, list[types.Artifact]], **ended: str
) -> None:
    """Tell whoever ordered this run, where somebody did and wants to know."""
    run_key, folder = (
        exec_properties.get(spec.RUN_KEY, ""),
        exec_properties.get(spec.OUTCOME_TO, ""),
    )
    if not (run_key and folder):
        return
    evaluation = input_dict.get(spec.EVALUATION) or []
    where = artifact_utils.get_single_uri(evaluation) if evaluation else ""
    outcome.write(folder, run_key, evaluation=where, **ended)


def _reason_against(
    model: str, destination: str, input_dict: dict[str, list[types.Artifact]]
) -> str:
    """Why the model is not pushed; "" if it is. What a person has decided comes first."""
    if number := versions.withdrawn_as(model, destination):
        return f"withdrawn as version {number}: `tokenline rollback --to {number}` brings it back"
    blessing = artifact_utils.get_single_instance(input_dict[spec.MODEL_BLESSING])
    revoked = blessing.get_int_custom_property(rollback.REVOKED) == 1
    reasons = [] if revoked or model_utils.is_model_blessed(blessing) else ["not blessed"]
    for checked in input_dict.get(spec.INFRA_BLESSING) or []:
        if not model_utils.is_infra_validated(checked):
            reasons.append("the serving check failed")
    return " and ".join(reasons)
