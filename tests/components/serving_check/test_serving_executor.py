"""ServingCheck as TFX runs it: a verdict in the artifact, and the blessing that Pusher reads."""

import json
import logging
import os

import pytest
import tfx.components  # noqa: F401  (before TFDV and TFMA)
from tfx.components.util import model_utils
from tfx.types import artifact_utils, standard_artifacts

from components.serving_check import checking, spec
from components.serving_check.executor import Executor
from components.serving_check.verdict import Check, Verdict


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs `Do` with a given verdict; returns what was asked for and the blessing."""

    def call(verdict):
        asked = []
        monkeypatch.setattr(checking, "check", lambda request: asked.append(request) or verdict)
        model, raw, made = (
            standard_artifacts.Model(),
            standard_artifacts.Examples(),
            standard_artifacts.Examples(),
        )
        blessing = standard_artifacts.InfraBlessing()
        for artifact, name in ((model, "m"), (raw, "raw"), (made, "made"), (blessing, "out")):
            artifact.uri = str(tmp_path / name)
        for examples in (raw, made):
            examples.split_names = artifact_utils.encode_split_names(["train", "eval"])
        model.id = 41
        (tmp_path / "m" / "Format-Serving").mkdir(parents=True)
        inputs = {spec.MODEL: [model], spec.EXAMPLES: [raw], spec.TRANSFORMED_EXAMPLES: [made]}
        Executor().Do(inputs, {spec.BLESSING: [blessing]}, {spec.OPTIONS: '{"examples": 5}'})
        return asked[0], blessing

    return call


@pytest.mark.parametrize(
    ("passed", "file"), [(True, "INFRA_BLESSED"), (False, "INFRA_NOT_BLESSED")]
)
def test_the_verdict_is_written_and_blesses(run, tmp_path, caplog, passed, file):
    caplog.set_level(logging.INFO, "tokenline.progress")
    checks = (Check("skew", passed, "rows"), Check("memory", True, "700 MB"))
    asked, blessing = run(Verdict(checks, {"1": {"median": 1.0, "p95": 2.0}}, 700.0))
    assert asked.raw == str(tmp_path / "raw" / "Split-eval")
    assert asked.transformed == str(tmp_path / "made" / "Split-eval")
    assert asked.model == str(tmp_path / "m" / "Format-Serving")
    assert asked.options.examples == 5
    assert blessing.get_int_custom_property("current_model_id") == 41
    assert model_utils.is_infra_validated(blessing) == passed
    assert sorted(os.listdir(blessing.uri)) == [file, "serving_check.json"]
    with open(os.path.join(blessing.uri, "serving_check.json")) as stream:
        written = json.load(stream)
    assert written["passed"] == passed
    expected = ["skew: rows", "memory: 700 MB"] if passed else ["skew: rows"]
    assert written["reasons"] == expected
    assert blessing.get_string_custom_property("message") == "\n".join(expected)
    line = "passed, 2 checks: p95 2.0 ms, 700 MB" if passed else "FAILED: skew"
    assert caplog.messages == [line]
