"""VersionPusher's `Do`: only a model with all blessings moves, and TFX's own properties say where."""

import json
import os
import pathlib

import pytest
from tfx.types import standard_artifacts

from components.pusher import outcome, run_keys, spec
from components.pusher.executor import Executor


@pytest.fixture
def push(tmp_path):
    """Runs `Do` with blessings of 1, 0 or none; returns the PushedModel artifact.

    `checked`: ServingCheck's, where there is that component.
    """
    serving = tmp_path / "model" / "Format-Serving"
    serving.mkdir(parents=True)
    (serving / "saved_model.pb").write_text("m")
    (tmp_path / "pushed").mkdir()

    def call(blessed, *, checked=None, revoked=0, **more):
        model, blessing = standard_artifacts.Model(), standard_artifacts.ModelBlessing()
        pushed = standard_artifacts.PushedModel()
        model.uri, pushed.uri = str(tmp_path / "model"), str(tmp_path / "pushed")
        blessing.uri = str(tmp_path / "blessing")
        if blessed is not None:
            blessing.set_int_custom_property("blessed", blessed)
        inputs = {spec.MODEL: [model], spec.MODEL_BLESSING: [blessing]}
        if revoked:
            blessing.set_int_custom_property("revoked", revoked)
        if (tmp_path / "evaluation").exists():
            inputs[spec.EVALUATION] = [standard_artifacts.ModelEvaluation()]
            inputs[spec.EVALUATION][0].uri = str(tmp_path / "evaluation")
        if checked is not None:
            inputs[spec.INFRA_BLESSING] = [standard_artifacts.InfraBlessing()]
            inputs[spec.INFRA_BLESSING][0].set_int_custom_property("blessed", checked)
        Executor().Do(
            inputs,
            {spec.PUSHED_MODEL: [pushed]},
            {spec.PUSH_DESTINATION: str(tmp_path / "served"), spec.KEEP_VERSIONS: 2} | more,
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


def test_what_became_of_a_run_is_noted_under_its_key(push, tmp_path):
    push(1, run_key="k1")
    assert run_keys.version_of(str(tmp_path / "served"), "k1") == 1
    pushed = push(0, run_key="k2")
    assert run_keys.refusal(str(tmp_path), "k2") is None  # no number, no push of TFX's
    (tmp_path / "made").mkdir()
    os.rename(pushed.uri, tmp_path / "made/5")
    assert run_keys.refusal(str(tmp_path / "made"), "k2") == "not blessed"


@pytest.fixture
def told(tmp_path):
    """What the Evaluator wrote; returns what is told of a run to whoever ordered it."""
    folder = tmp_path / "evaluation"
    folder.mkdir()
    slices = [{"candidate": {"perplexity": 3.5}}, {"candidate": {"perplexity": 9.0}}]
    (folder / "metrics.json").write_text(json.dumps({"slices": slices}))
    verdict = {"blessed": False, "reasons": ["worse than the last", "and more"]}
    (folder / "verdict.json").write_text(json.dumps(verdict))
    return lambda key: json.loads((tmp_path / "runs" / key / "outcome.json").read_text())


def test_what_became_of_a_run_is_told_where_it_was_ordered(push, told, tmp_path):
    there = {"outcome_to": str(tmp_path / "runs")}
    push(0, run_key="k2", **there)
    assert told("k2") == {
        "key": "k2",
        "state": "refused",
        "reason": "not blessed: worse than the last",
        "version": "",
        "metrics": {"perplexity": 3.5},
    }
    push(1, run_key="k1", **there)
    assert told("k1") == {
        "key": "k1",
        "state": "pushed",
        "reason": "",
        "version": "1",
        "metrics": {"perplexity": 3.5},
    }


def test_it_is_told_after_the_push_and_not_instead(push, told, tmp_path, monkeypatch):
    monkeypatch.setattr(outcome, "write", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        push(1, run_key="k1", outcome_to=str(tmp_path / "runs"))
    assert run_keys.version_of(str(tmp_path / "served"), "k1") == 1


@pytest.mark.parametrize("asked", [{"run_key": "k1"}, {"outcome_to": "runs"}, {}])
def test_nothing_is_told_that_nobody_asked_for(push, tmp_path, monkeypatch, asked):
    monkeypatch.chdir(tmp_path)
    push(1, **asked)
    assert not (tmp_path / "runs").exists()


def test_without_an_evaluation_the_outcome_has_no_metrics(push, tmp_path):
    push(0, run_key="k", outcome_to=str(tmp_path / "runs"))
    found = json.loads((tmp_path / "runs/k/outcome.json").read_text())
    assert (found["reason"], found["metrics"]) == ("not blessed", {})


def test_where_asked_for_it_is_noted_where_a_version_came_from(push, tmp_path):
    push(1)
    assert os.listdir(tmp_path / "served") == ["1"]
    push(1, note_origin=1)
    noted = json.loads((tmp_path / "served/.origins/1.json").read_text())
    assert noted["uri"] == str(tmp_path / "model")
    assert noted["version"] == str(tmp_path / "served/1")


@pytest.mark.parametrize("blessed", [0, None])
def test_without_a_blessing_nothing_is_pushed(push, tmp_path, blessed):
    pushed = push(blessed)
    assert pushed.mlmd_artifact.custom_properties["pushed"].int_value == 0
    assert "pushed" in pushed.mlmd_artifact.custom_properties
    assert not (tmp_path / "served").exists()
    assert _why(pushed) == "not blessed"


def _why(pushed):
    """The reason, which is said twice: for people's eyes, and for the metadata store."""
    assert os.listdir(pushed.uri) == ["not_pushed.txt"]
    text = pathlib.Path(pushed.uri, "not_pushed.txt").read_text()
    assert pushed.get_string_custom_property("reason") == text
    return text


@pytest.mark.parametrize(
    ("blessed", "checked", "reason"),
    [
        (1, 0, "the serving check failed"),
        (0, 1, "not blessed"),
        (0, 0, "not blessed and the serving check failed"),
    ],
)
def test_both_must_bless(push, tmp_path, blessed, checked, reason):
    pushed = push(blessed, checked=checked)
    assert _why(pushed) == reason
    assert not (tmp_path / "served").exists()


def test_with_both_blessings_a_model_is_pushed(push, tmp_path):
    assert push(1, checked=1).get_string_custom_property("pushed_version") == "1"


def test_what_failed_before_is_pushed_when_it_passes(push):
    """Its blessing was revoked meanwhile, so that it was no baseline; the Evaluator gave it all the same."""
    assert _why(push(0, checked=0, revoked=1)) == "the serving check failed"
    assert push(0, checked=1, revoked=1).get_int_custom_property("pushed") == 1


def test_a_withdrawn_model_is_not_pushed_again(push, tmp_path):
    for name in ("7", ".withdrawn/8"):
        (tmp_path / "served" / name).mkdir(parents=True)
        content = "m" if name == ".withdrawn/8" else "older"
        (tmp_path / "served" / name / "saved_model.pb").write_text(content)
    assert _why(push(1)) == "withdrawn as version 8: `tokenline rollback --to 8` brings it back"
    assert sorted(os.listdir(tmp_path / "served")) == [".withdrawn", "7"]
