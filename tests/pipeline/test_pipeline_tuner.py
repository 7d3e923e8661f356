"""train.tune in the wiring: off by default, before the trainer, with the same options and base."""

import json

import pytest

from components.errors import InputError
from pipeline import inputs, paths
from pipeline.config import load_config

CONFIG = """
pipeline: {name: tuned, root: runs}
task: seq2seq
data: {path: "data/span-{SPAN}", generator: {name: numbers, rows: 60}, max_target_length: 26}
transform: {source_tokenizer: character, target_tokenizer: whitespace}
train:
  epochs: 3
  tune: {max_trials: 4, seed: 3, space: {units: [8, 16], learning_rate: {min: 0.01, max: 0.1}}}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    from pipeline.pipeline import create_pipeline

    folder = tmp_path_factory.mktemp("tuned")

    def create(text=CONFIG, **given):
        (folder / "c.yaml").write_text(text)
        config = load_config(folder / "c.yaml")
        return create_pipeline(
            config,
            inputs.resolve(config),
            paths.new_run(config),
            base_vocabulary="",
            input_key="key",
            **given,
        )

    return create


def _nodes(line):
    return {node.id: node for node in line.components}


def test_the_trainer_waits_for_the_tuner_and_gets_what_it_found(made) -> None:
    from tfx.components import Tuner
    from tfx.types.standard_artifacts import HyperParameters, TunerResults

    nodes = _nodes(made())
    tuner, trainer = nodes["Tuner"], nodes["SequenceTrainer"]
    assert isinstance(tuner, Tuner)
    assert {node.id for node in tuner.upstream_nodes} == {"Transform", "VocabularyGen"}
    assert tuner in trainer.upstream_nodes
    assert trainer.inputs["hyperparameters"] is tuner.outputs["best_hyperparameters"]
    assert {name: channel.type for name, channel in tuner.outputs.items()} == {
        "best_hyperparameters": HyperParameters,
        "tuner_results": TunerResults,
    }


def test_what_the_space_says_reaches_the_tuner_alone(made) -> None:
    tuner, trainer = (_nodes(made())[name].exec_properties for name in ("Tuner", "SequenceTrainer"))
    assert json.loads(tuner["tune_options"]) == {
        "max_trials": 4,
        "epochs": None,
        "seed": 3,
        "space": {"units": [8, 16], "learning_rate": {"min": 0.01, "max": 0.1, "log": False}},
    }
    assert "tune" not in json.loads(trainer["train_options"])
    for name in ("settings", "model", "loss", "batch", "train"):
        key = name if name == "settings" else f"{name}_options"
        assert tuner[key] == trainer[key], key


def test_off_means_that_nothing_changes(made) -> None:
    without = _nodes(made(CONFIG[: CONFIG.index("  tune:")]))
    assert "Tuner" not in without
    trainer = without["SequenceTrainer"]
    assert "hyperparameters" not in trainer.inputs
    assert trainer.exec_properties == _nodes(made())["SequenceTrainer"].exec_properties


def test_trials_start_from_the_runs_base_model_whose_sizes_stay(made) -> None:
    with pytest.raises(InputError, match=r"^train.tune.space.units: .* start from models/3,"):
        made(base_model="models/3")
    nodes = _nodes(made(CONFIG.replace("units: [8, 16], ", ""), base_model="models/3"))
    assert nodes["BaseModel"] in nodes["Tuner"].upstream_nodes
    assert nodes["Tuner"].inputs["base_model"] is nodes["SequenceTrainer"].inputs["base_model"]


def test_compiles_for_vertex(made, tmp_path) -> None:
    from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner as runner

    config = runner.KubeflowV2DagRunnerConfig(use_pipeline_spec_2_1=True)
    runner.KubeflowV2DagRunner(
        config=config, output_dir=str(tmp_path), output_filename="line.json"
    ).run(made(), write_out=True)
    spec = json.loads((tmp_path / "line.json").read_text())["pipelineSpec"]
    assert {"Tuner", "SequenceTrainer"} <= spec["root"]["dag"]["tasks"].keys()
