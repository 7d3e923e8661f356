"""VersionPusher's `Do`: only a blessed model moves, and TFX's own properties say where."""

import os
import pathlib

import pytest
from tfx.types import standard_artifacts

from components.pusher import spec
from components.pusher.executor import Executor


@pytest.fixture
def push(tmp_path):
    """Runs `Do` with a blessing of 1, 0 or none; returns the PushedModel artifact."""
    serving = tmp_path / "model" / "Format-Serving"
    serving.mkdir(parents=True)
    (serving / "saved_model.pb").write_text("m")
    (tmp_path / "pushed").mkdir()

    def call(blessed):
        model, blessing = standard_artifacts.Model(), standard_artifacts.ModelBlessing()
        pushed = standard_artifacts.PushedModel()
        model.uri, pushed.uri = str(tmp_path / "model"), str(tmp_path / "pushed")
        blessing.uri = str(tmp_path / "blessing")
        if blessed is not None:
            blessing.set_int_custom_property("blessed", blessed)
        Executor().Do(
            {spec.MODEL: [model], spec.MODEL_BLESSING: [blessing]},
            {spec.PUSHED_MODEL: [pushed]},
            {spec.PUSH_DESTINATION: str(tmp_path / "served"), spec.KEEP_VERSIONS: 2},
        )
        return pushed

    return call


def test_a_blessed_model_is_pushed(push, tmp_path):
    pushed = push(1)
    version = str(tmp_path / "served" / "1")
    assert os.listdir(version) == ["saved_model.pb"]
    assert pushed.get_int_custom_property("pushed") == 1
    assert pushed.get_string_custom_property("pushed_destination") == version
    assert pushed.get_string_custom_property("pushed_version") == "1"
    assert pathlib.Path(pushed.uri, "pushed_destination.txt").read_text() == version


@pytest.mark.parametrize("blessed", [0, None])
def test_without_a_blessing_nothing_is_pushed(push, tmp_path, blessed):
    pushed = push(blessed)
    assert pushed.mlmd_artifact.custom_properties["pushed"].int_value == 0
    assert "pushed" in pushed.mlmd_artifact.custom_properties
    assert not (tmp_path / "served").exists()
    assert os.listdir(pushed.uri) == []
