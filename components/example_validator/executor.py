"""Runs the stock executor, then reads what it wrote."""

import os
from typing import Any

from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx import types
from tfx.components.example_validator import executor as stock
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import io_utils

from components.errors import InputError


class Executor(stock.Executor):
    """Writes the anomalies as the stock executor does; raises if there are any."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> Any:
        result = super().Do(input_dict, output_dict, exec_properties)
        written = output_dict[standard_component_specs.ANOMALIES_KEY]
        lines: list[str] = []
        for split in artifact_utils.decode_split_names(written[0].split_names):
            path = os.path.join(
                artifact_utils.get_split_uri(written, split), stock.DEFAULT_FILE_NAME
            )
            anomalies = anomalies_pb2.Anomalies.FromString(io_utils.read_bytes_file(path))
            lines += describe(anomalies, split)
        if lines:
            raise InputError("\n".join(lines))
        return result


def describe(anomalies: anomalies_pb2.Anomalies, split: str) -> list[str]:
    """One line an anomaly: split, column, what is wrong."""
    lines = []
    for name, info in sorted(anomalies.anomaly_info.items()):
        column = ".".join(info.path.step) or name
        lines.append(
            f"{split} split, column {column!r}: {info.short_description}: {info.description}"
        )
    lines += [
        f"{split} split: {reason.short_description}: {reason.description}"
        for reason in anomalies.dataset_anomaly_info.reason
    ]
    return lines
