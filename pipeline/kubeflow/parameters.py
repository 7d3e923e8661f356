"""Runtime parameters: what may be another value in each run of one compiled line. No TensorFlow."""

import json

from components.example_gen import files
from pipeline.config import Config
from pipeline.config.cloud import CloudConfig

DATA_PATH = "data_path"
SPANS = "spans"
NEW_SPANS = "new_spans"
FINGERPRINT = "fingerprint"
TRAIN_STEPS = "train_steps"
PUSH_DESTINATION = "push_destination"
RUN_KEY = "run_key"
# Name -> parameterType.
KINDS = {
    DATA_PATH: "STRING",
    SPANS: "STRING",
    NEW_SPANS: "STRING",
    FINGERPRINT: "STRING",
    TRAIN_STEPS: "NUMBER_INTEGER",
    PUSH_DESTINATION: "STRING",
    RUN_KEY: "STRING",
}


def defaults(config: Config, cloud: CloudConfig) -> dict[str, str | int]:
    """Name -> value where a run gives none.

    data_path: folder of the input files.
    spans: "latest:1", "all", or a JSON list.
    new_spans: JSON list of those that no run was trained on before.
    fingerprint: of the files; "": taken when the run starts.
    train_steps: optimizer steps; 0: as configured.
    push_destination: folder of model versions.
    run_key: of a run of retrain; "": none.
    """
    return {
        DATA_PATH: cloud.data,
        SPANS: _spans(config, cloud.data),
        NEW_SPANS: "[]",
        FINGERPRINT: "",
        TRAIN_STEPS: 0,
        PUSH_DESTINATION: cloud.push_to,
        RUN_KEY: "",
    }


def outcomes(config: Config, cloud: CloudConfig) -> str:
    """Folder in which runs of retrain tell how they ended, each below its key."""
    return f"{cloud.root}/{config.pipeline.name}/runs"


def _spans(config: Config, data: str) -> str:
    spans = config.data.spans
    if files.SPAN not in data:
        return "[]"
    if isinstance(spans, tuple):
        return json.dumps(spans)
    return "latest:1" if spans == "latest" else spans
