"""The wiring: which nodes, in which order, with which kind of parameters; and that it compiles."""

import importlib
import json
import pathlib

import pytest

from components.errors import InputError
from pipeline import inputs, paths
from pipeline.config import load_config

CONFIG = """
pipeline: {name: wired, root: runs}
task: seq2seq
data: {path: "data/span-{SPAN}", generator: {name: numbers, rows: 60}, max_target_length: 26}
transform: {source_tokenizer: character, target_tokenizer: whitespace}
"""
NODES = {  # node -> what it waits for
    "SpanWindow": set(),
    "ExampleGen": {"SpanWindow"},
    "StatisticsGen": {"ExampleGen"},
    "SchemaGen": {"StatisticsGen"},
    "ExampleValidator": {"StatisticsGen", "SchemaGen"},
    "VocabularyGen": {"ExampleGen", "ExampleValidator"},
    "Transform": {"ExampleGen", "SchemaGen", "VocabularyGen"},
    "SequenceTrainer": {"ExampleGen", "Transform", "VocabularyGen"},
    "LastBlessedModel": set(),
    "SequenceEvaluator": {"ExampleGen", "VocabularyGen", "SequenceTrainer", "LastBlessedModel"},
    "ServingCheck": {"ExampleGen", "Transform", "SequenceTrainer", "SequenceEvaluator"},
    "Pusher": {"SequenceTrainer", "SequenceEvaluator", "ServingCheck"},
}
OURS = [
    "SpanWindow",
    "ExampleGen",
    "ExampleValidator",
    "VocabularyGen",
    "Transform",
    "SequenceTrainer",
    "SequenceEvaluator",
    "ServingCheck",
    "Pusher",
]


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    from pipeline.pipeline import create_pipeline

    folder = tmp_path_factory.mktemp("wired")
    (folder / "c.yaml").write_text(CONFIG)
    config = load_config(folder / "c.yaml")
    return create_pipeline(
        config, inputs.resolve(config), paths.new_run(config), base_vocabulary="", input_key="key"
    )


def test_nodes_and_what_they_wait_for(line) -> None:
    found = {node.id: {other.id for other in node.upstream_nodes} for node in line.components}
    assert found == NODES


def test_without_the_serving_check_the_evaluator_alone_decides(tmp_path) -> None:
    from pipeline.pipeline import create_pipeline

    (tmp_path / "c.yaml").write_text(CONFIG + "serving: {check: {enabled: false}}\n")
    config = load_config(tmp_path / "c.yaml")
    line = create_pipeline(
        config, inputs.resolve(config), paths.new_run(config), base_vocabulary="", input_key="key"
    )
    nodes = {node.id: {other.id for other in node.upstream_nodes} for node in line.components}
    assert nodes == {
        name: waits - {"ServingCheck"} for name, waits in NODES.items() if name != "ServingCheck"
    }


def test_a_failed_check_is_not_taken_from_the_cache(line) -> None:
    """Time and memory are another matter the next time; which failed last is a parameter."""
    from pipeline.pipeline import create_pipeline

    folder = pathlib.Path(line.pipeline_info.pipeline_root).parents[2]
    config = load_config(folder / "c.yaml")
    found, where = inputs.resolve(config), paths.new_run(config)
    options = {"base_vocabulary": "", "input_key": "key"}
    later = create_pipeline(config, found, where, **options, last_failed_check=1)
    assert _changed(line, later) == ["ServingCheck"]
    ordered = create_pipeline(config, found, where, **options, run_key="k")
    assert _changed(line, ordered) == ["Pusher"]  # what it is known by changes no result


def _changed(line, later) -> list[str]:
    """The nodes with other parameters."""
    pairs = zip(line.components, later.components, strict=True)
    return [one.id for one, other in pairs if one.exec_properties != other.exec_properties]


def test_a_wrong_subword_file_is_named_as_the_user_named_it(tmp_path, monkeypatch) -> None:
    from pipeline.pipeline import create_pipeline

    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows/a.jsonl").write_text('{"text": "a"}\n')
    (tmp_path / "pieces.model").write_text("no model\n")
    options = "transform: {target_tokenizer: sentencepiece, target_subwords: pieces.model}\n"
    text = "pipeline: {name: p, root: runs}\ntask: lm\ndata: {path: rows}\n" + options
    (tmp_path / "c.yaml").write_text(text)
    config = load_config("c.yaml")
    where = paths.new_run(config)
    found = inputs.resolve(config)
    expected = "^transform.target_subwords: pieces.model: not a sentencepiece file: "
    with pytest.raises(InputError, match=expected):
        create_pipeline(config, found, where, base_vocabulary="", input_key="key")


LEARNED = """
pipeline: {name: learned, root: runs}
task: lm
data: {path: rows, excess_length: window}
transform: {target_tokenizer: sentencepiece}
"""


@pytest.mark.parametrize("base", ["", "vocabulary"])
def test_pieces_are_learned_once_by_what_cuts_first(base, tmp_path) -> None:
    from pipeline.pipeline import create_pipeline

    (tmp_path / "rows").mkdir()
    (tmp_path / "rows/a.jsonl").write_text('{"text": "a"}\n')
    (tmp_path / "c.yaml").write_text(LEARNED)
    config = load_config(tmp_path / "c.yaml")
    line = create_pipeline(
        config, inputs.resolve(config), paths.new_run(config), base_vocabulary=base, input_key="k"
    )
    nodes = {node.id: node for node in line.components}
    assert nodes["ExampleGen"].exec_properties["base_vocabulary"] == base
    assert ("subwords" in nodes["ExampleGen"].outputs) == (not base)
    assert ("subwords" in nodes["VocabularyGen"].inputs) == (not base)
    test_compiles_for_vertex(line, tmp_path)


def test_where_nothing_is_learned_examples_do_not_depend_on_the_vocabulary(line) -> None:
    from pipeline.pipeline import create_pipeline

    folder = pathlib.Path(line.pipeline_info.pipeline_root).parents[2]
    config = load_config(folder / "c.yaml")
    grown = create_pipeline(
        config, inputs.resolve(config), paths.new_run(config), base_vocabulary="v", input_key="k"
    )
    first, later = (
        next(node.exec_properties for node in each.components if node.id == "ExampleGen")
        for each in (line, grown)
    )
    assert first == later


def test_parameters_are_scalars_or_json_so_that_they_compile_for_vertex(line) -> None:
    for node in line.components:
        if node.id in OURS:
            for name, value in node.exec_properties.items():
                assert isinstance(value, int | float | str), (node.id, name, value)


def test_pipeline_args_pin_the_runner(line) -> None:
    assert "--runner=FnApiRunner" in line.beam_pipeline_args
    for node in line.components:
        executor = getattr(node, "executor_spec", None)
        flags = getattr(executor, "beam_pipeline_args", None) or []
        assert not [flag for flag in flags if "DirectRunner" in flag]


def test_no_user_module_is_packaged(line) -> None:
    for node in line.components:
        assert not node.exec_properties.get("module_file")


def test_compiles_for_vertex(line, tmp_path: pathlib.Path) -> None:
    from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner as runner

    config = runner.KubeflowV2DagRunnerConfig(use_pipeline_spec_2_1=True)
    runner.KubeflowV2DagRunner(
        config=config, output_dir=str(tmp_path), output_filename="line.json"
    ).run(line, write_out=True)
    spec = json.loads((tmp_path / "line.json").read_text())["pipelineSpec"]
    tasks = spec["root"]["dag"]["tasks"]
    assert set(OURS) <= set(tasks)
    used = json.dumps(spec)
    for name in ("SpanList", "Vocabulary", "TokenLedger", "TrainingHistory", "IngestReport"):
        assert f"components.{name}" in used
        assert getattr(importlib.import_module("components"), name).TYPE_NAME in used


def test_every_training_key_of_the_configuration_is_an_option_of_the_trainer() -> None:
    """The trainer takes the sections as they are: a key that it lacks would be refused at run time."""
    import dataclasses

    from components.trainer import request
    from pipeline.config import decode as config_decode
    from pipeline.config import train

    model = {field.name for field in dataclasses.fields(train.ModelConfig)}
    options = {field.name for field in dataclasses.fields(request.ModelOptions)}
    assert model == options | {"preset"}
    pairs = [
        (train.LossConfig, request.LossOptions, set()),
        (train.BatchConfig, request.BatchOptions, set()),
        (train.TrainConfig, request.TrainOptions, {"decode_length", "score_positions"}),
    ]
    decode = {field.name for field in dataclasses.fields(config_decode.DecodeConfig)}
    assert decode == {field.name for field in dataclasses.fields(request.DecodeOptions)} | {
        "max_length"
    }
    for section, options, extra in pairs:
        keys = {field.name for field in dataclasses.fields(section)} - {"tune"}  # the Tuner's
        assert {field.name for field in dataclasses.fields(options)} == keys | extra
