"""The component as TFX runs it: artifacts in, TFMA's files and a blessing out."""

import dataclasses
import inspect
import json
import pathlib

import pytest
import tfx.components  # noqa: F401  (before TFMA)
from tfx import types
from tfx.components.util import model_utils
from tfx.types import artifact_utils, standard_artifacts

from components.errors import InputError
from components.evaluator.component import SequenceEvaluator
from components.evaluator.evaluation import EvaluationRequest
from components.evaluator.executor import Executor
from pipeline.config.eval import EvalConfig

import tensorflow_model_analysis as tfma  # isort: skip

DEFAULTS = {
    "example_splits": '["eval"]',
    "slices": "[]",
    "thresholds": "[]",
    "blessing_rule": '{"compare": false}',
    "batch_size": 256,
    "block_rows": 16_384,
    "block_mb": 32,
    "confidence": 0.95,
    "min_tokens": 1,
    "worst": 20,
    "worst_min_tokens": 1,
    "samples": 2,
    "decode_examples": 5,
    "code_hash": "",
}
THRESHOLDS = [
    {"metric": "masked_token_loss", "max": 3.0},
    {"metric": "token_accuracy", "min": 0.25, "slice": "*"},
    {"metric": "masked_token_loss", "max_increase": 0.005},
]
RULE = json.dumps({"metric": "masked_token_loss", "margin": 0.005, "slice_margin": 0.125})


@pytest.fixture(scope="module")
def world(tmp_path_factory, make_row, make_model, make_examples):
    """Two spans of raw examples, a good and a worse model."""
    folder = tmp_path_factory.mktemp("executor")
    rows = [
        make_row(
            (1.0 + index % 3, 2.0), (1.0, 0.5), (1, index % 2), lang="de" if index % 2 else "en"
        )
        for index in range(60)
    ]
    spans = []
    for span, piece in enumerate((rows[:20], rows[20:])):
        artifact = standard_artifacts.Examples()
        artifact.uri = str(folder / f"span-{span}")
        artifact.split_names = artifact_utils.encode_split_names(["train", "eval"])
        make_examples(folder / f"span-{span}" / "Split-eval" / "data_tfrecord-0.gz", piece)
        spans.append(artifact)
    models = []
    for number, scale in ((11, 1.0), (12, 1.25)):
        artifact = standard_artifacts.Model()
        artifact.uri = str(folder / f"model-{number}")
        artifact.id = number
        make_model(pathlib.Path(artifact.uri), scale=scale)
        models.append(artifact)
    return spans, *models


def do(folder, spans, model, baselines, **parameters):
    evaluation = standard_artifacts.ModelEvaluation()
    blessing = standard_artifacts.ModelBlessing()
    evaluation.uri, blessing.uri = str(folder / "evaluation"), str(folder / "blessing")
    Executor().Do(
        {"examples": spans, "model": [model], "baseline_model": baselines},
        {"evaluation": [evaluation], "blessing": [blessing]},
        {**DEFAULTS, **parameters},
    )
    return evaluation.uri, blessing


def numbers(folder, model_name=None):
    """{slice key: {metric: value}} of what TFMA reads back."""
    result = tfma.load_eval_result(folder, model_name=model_name)
    assert result is not None
    return {
        key: {
            name: float(
                value["boundedValue"]["value"] if "boundedValue" in value else value["doubleValue"]
            )
            for name, value in metrics[""][""].items()
        }
        for key, metrics in result.slicing_metrics
    }


def documents(folder):
    path = pathlib.Path(folder)
    return (json.loads((path / name).read_text()) for name in ("metrics.json", "verdict.json"))


def as_key(item):
    return ((item["column"], item["value"]),) if item["column"] else ()


def test_first_run_without_baseline(tmp_path, world):
    spans, model, _ = world
    folder, blessing = do(
        tmp_path, spans, model, [], slices='["lang"]', thresholds=json.dumps(THRESHOLDS)
    )
    metrics, verdict = documents(folder)
    read = numbers(folder)
    assert read == {as_key(item): item["candidate"] for item in metrics["slices"]}
    # 60 rows: Σ w·loss = 120 + 60, Σ w = 90; half the rows get the second token right.
    assert read[()]["masked_token_loss"] == pytest.approx(2.0, rel=1e-12)
    assert read[()]["token_accuracy"] == pytest.approx(75 / 90, rel=1e-12)
    assert read[()]["example_count"] == 60
    assert read[(("lang", "en"),)]["sequence_accuracy"] == 0.0
    assert verdict["blessed"]
    assert not verdict["baseline"]
    assert verdict["verdict"] == "first_model"
    assert verdict["notes"][0].startswith("no model was blessed before: ")
    assert tfma.load_validation_result(folder).validation_ok
    assert tfma.load_validation_result(folder).rubber_stamp
    assert model_utils.is_model_blessed(blessing)
    assert blessing.get_int_custom_property("current_model_id") == 11
    assert blessing.get_string_custom_property("current_model") == model.uri
    assert [path.name for path in pathlib.Path(blessing.uri).iterdir()] == ["BLESSED"]


@pytest.mark.parametrize("better", [True, False])
def test_against_a_baseline(tmp_path, world, better):
    spans, first, second = world
    model, baseline = (first, second) if better else (second, first)
    folder, blessing = do(
        tmp_path, spans, model, [baseline], slices='["lang"]', thresholds=json.dumps(THRESHOLDS)
    )
    metrics, verdict = documents(folder)
    for item in metrics["slices"]:
        diff = {f"{name}_diff": value for name, value in item["diff"].items()}
        assert numbers(folder, "candidate")[as_key(item)] == item["candidate"] | diff
        assert numbers(folder, "baseline")[as_key(item)] == item["baseline"]
    assert numbers(folder) == numbers(folder, "candidate")
    overall = metrics["slices"][0]
    change = -0.5 if better else 0.5
    assert overall["diff"]["masked_token_loss"] == pytest.approx(change, rel=1e-12)
    low, high = overall["intervals"]["diff"]["masked_token_loss"]
    assert low < change < high
    assert verdict["blessed"] is better
    assert verdict["baseline_status"] == "used"
    result = tfma.load_validation_result(folder)
    assert result.validation_ok is better
    assert not result.missing_slices
    assert model_utils.is_model_blessed(blessing) is better
    assert blessing.get_int_custom_property("baseline_model_id") == baseline.id
    if not better:
        (failed,) = result.metric_validations_per_slice
        (failure,) = failed.failures
        assert failure.metric_key.is_diff
        assert failure.message == verdict["reasons"][0]
        assert failure.message == blessing.get_string_custom_property("blessing_message")
        assert "2.5 after 2, a change of +0.5 (at least +0.36" in failure.message
        assert "but up to +0.005 is allowed" in failure.message
        assert [path.name for path in pathlib.Path(blessing.uri).iterdir()] == ["NOT_BLESSED"]


@pytest.mark.parametrize("better", [True, False])
def test_the_rule_judges_all_examples_and_every_slice(tmp_path, world, better):
    spans, first, second = world
    model, baseline = (first, second) if better else (second, first)
    parameters = {"slices": '["lang"]', "blessing_rule": RULE}
    folder, blessing = do(tmp_path, spans, model, [baseline], **parameters)
    _, verdict = documents(folder)
    name = "better" if better else "worse"
    assert verdict["verdict"] == blessing.get_string_custom_property("verdict") == name
    findings = verdict["findings"]
    assert [(item["slice"], item["kind"], item["verdict"]) for item in findings] == [
        ("overall", "finite", "finite"),
        ("overall", "max_increase", name),
        ("lang=de", "max_increase", name),
        ("lang=en", "max_increase", name),
    ]
    assert [item["bound"] for item in findings] == [None, 0.005, 0.125, 0.125]
    for item in findings[1:]:
        assert item["low"] < item["value"] < item["high"]
        assert item["passed"] is better
    result = tfma.load_validation_result(folder)
    assert result.validation_ok is better
    assert not result.missing_slices
    assert len(result.metric_validations_per_slice) == (0 if better else 3)


@pytest.mark.parametrize(("first", "blessed"), [(0, False), (2, False), (3, True)])
def test_a_broken_baseline_fails_the_thresholds_on_the_change(tmp_path, world, first, blessed):
    spans, model, _ = world
    broken = standard_artifacts.Model()
    broken.uri, broken.id = str(tmp_path / "gone"), 5
    folder, blessing = do(
        tmp_path, spans, model, [broken], thresholds=json.dumps(THRESHOLDS[first:])
    )
    _, verdict = documents(folder)
    assert model_utils.is_model_blessed(blessing) is blessed
    result = tfma.load_validation_result(folder)
    assert result.validation_ok is blessed
    assert not result.rubber_stamp
    if not blessed:
        (failure,) = result.metric_validations_per_slice[0].failures
        assert [failure.message] == verdict["reasons"]
        assert "remove the threshold for one run" in failure.message
    assert verdict["baseline_status"] == "unusable"
    assert "not a SavedModel" in verdict["baseline_problem"]
    assert numbers(folder)[()]["example_count"] == 60


def test_the_tables(tmp_path, world):
    spans, model, _ = world
    folder, _ = do(tmp_path, spans, model, [], slices='["token_position"]')
    worst, samples = (
        json.loads((pathlib.Path(folder) / name).read_text())
        for name in ("worst.json", "samples.json")
    )
    # There are 6 different rows, 10 times each: a loss of 1, 2 or 3 for the first token, 2 languages.
    assert len(worst["examples"]) == 6
    assert [row["loss"] for row in worst["examples"][:2]] == [(3 * 1.0 + 2 * 0.5) / 1.5] * 2
    assert worst["examples"][0].keys() == {"key", "loss", "loss_sum", "tokens"}
    assert worst["min_tokens"] == 1
    assert worst["examples_by_sum"][0]["loss_sum"] == 4.0
    # All of the fake model's tokens have the id 0.
    assert [(row["token"], row["count"]) for row in worst["tokens"]] == [("#0", 120)]
    assert [len(sample["losses"]) for sample in samples["samples"]] == [2, 2]
    assert [sample["generated"] for sample in samples["samples"]] == [None, None]
    (position,) = [s for s in next(documents(folder))["slices"] if s["column"]]
    assert numbers(folder)[(("token_position", "1-4"),)] == position["candidate"]
    assert position["candidate"]["masked_token_loss"] == 2.0
    assert "sequence_accuracy" in position["absent"]["candidate"]


def test_slices_of_tokens_are_not_judged_by_what_has_no_meaning_there(tmp_path, world):
    spans, model, _ = world
    thresholds = [{"metric": "sequence_accuracy", "min": 0.0, "slice": "*"}]
    folder, _ = do(
        tmp_path, spans, model, [], slices='["token_position"]', thresholds=json.dumps(thresholds)
    )
    _, verdict = documents(folder)
    assert verdict["blessed"]
    assert sum("sequence_accuracy" in reason for reason in verdict["reasons"]) == 1


def test_a_split_that_is_not_there(tmp_path, world):
    spans, model, _ = world
    with pytest.raises(InputError, match=r"no split 'test' in .*, expected one of train, eval"):
        do(tmp_path, spans, model, [], example_splits='["test"]')


def channel(kind):
    return types.Channel(type=kind)


def test_component_has_the_interface_of_the_stock_evaluator():
    component = SequenceEvaluator(
        examples=channel(standard_artifacts.Examples),
        model=channel(standard_artifacts.Model),
        baseline_model=channel(standard_artifacts.Model),
        thresholds=json.dumps(THRESHOLDS),
    )
    assert component.outputs["blessing"].type is standard_artifacts.ModelBlessing
    assert component.outputs["evaluation"].type is standard_artifacts.ModelEvaluation
    assert component.exec_properties == {
        **DEFAULTS,
        "thresholds": json.dumps(THRESHOLDS),
        "blessing_rule": "{}",
        "min_tokens": 1000,
        "worst_min_tokens": 3,
        "samples": 8,
        "decode_examples": 1000,
        "baseline_folder": "",
    }


def test_the_defaults_are_those_of_the_configuration():
    parameters = inspect.signature(SequenceEvaluator.__init__).parameters
    requested = {field.name: field.default for field in dataclasses.fields(EvaluationRequest)}
    configured = {field.name: field.default for field in dataclasses.fields(EvalConfig)}
    names = (
        "batch_size",
        "block_rows",
        "block_mb",
        "confidence",
        "min_tokens",
        "worst",
        "worst_min_tokens",
        "samples",
        "decode_examples",
    )
    for name in names:
        assert parameters[name].default == requested[name] == configured[name]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"example_splits": "[]"}, "example_splits: expected a JSON list of split names, got"),
        ({"slices": "lang"}, "slices: expected a JSON list of names, got 'lang'"),
        ({"thresholds": '[{"metric": "loss", "max": 1}]'}, "metric: got 'loss', expected one of"),
        ({"blessing_rule": '{"margins": 1}'}, "blessing: unknown key 'margins', expected compare"),
        ({"confidence": 95.0}, "confidence: got 95.0, expected between 0 and 1"),
    ],
)
def test_bad_parameters_fail_when_the_pipeline_is_made(parameters, message):
    with pytest.raises(InputError, match=message):
        SequenceEvaluator(
            examples=channel(standard_artifacts.Examples),
            model=channel(standard_artifacts.Model),
            **parameters,
        )
