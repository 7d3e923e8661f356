"""What SequenceTrainer and the Tuner are asked to do, of artifacts and parameters."""

import pytest
from tfx.types import standard_artifacts

from components.artifacts import Vocabulary
from components.errors import InputError
from components.trainer import inputs, spec
from transform.settings import Settings, Side

PARAMETERS = {
    spec.SETTINGS: Settings("lm", Side("text", "whitespace", 5)).to_json(),
    spec.MODEL_OPTIONS: "{}",
    spec.LOSS_OPTIONS: "{}",
    spec.BATCH_OPTIONS: "{}",
    spec.TRAIN_OPTIONS: '{"epochs": 3}',
    spec.CODE_HASH: "",
}


def request(base_model="", **parameters):
    kinds = {
        spec.EXAMPLES: standard_artifacts.Examples,
        spec.TRANSFORM_GRAPH: standard_artifacts.TransformGraph,
        spec.VOCABULARY: Vocabulary,
    }
    kinds |= {spec.BASE_MODEL: standard_artifacts.Model} if base_model else {}
    artifacts = {name: [kind()] for name, kind in kinds.items()}
    for name, (artifact,) in artifacts.items():
        artifact.uri = base_model if name == spec.BASE_MODEL else f"/{name}"
    artifacts[spec.EXAMPLES][0].split_names = '["train", "eval"]'
    return inputs.request_from(artifacts, PARAMETERS | parameters)


@pytest.mark.parametrize(("steps", "expected"), [(0, (3, None)), (40, (None, 40))])
def test_steps_of_a_run_go_before_those_of_the_configuration(steps, expected) -> None:
    train = request(train_steps=steps).train
    assert (train.epochs, train.steps) == expected


def test_steps_are_not_negative() -> None:
    with pytest.raises(InputError, match=r"^train_steps: got -1, expected 0 or more$"):
        request(train_steps=-1)


def test_the_base_model_is_an_artifact_or_a_folder() -> None:
    assert request().base_model == ""
    assert request(base_model="/m").base_model == "/m"
    assert request(base_model_folder="gs://b/m").base_model == "gs://b/m"
    never = '{"epochs": 3, "warm_start": "never"}'
    assert request(base_model_folder="gs://b/m", train_options=never).base_model == ""
