"""Where SpanCheck stands in the line, and that it is there only where it is asked for."""

import importlib
import json
import pathlib

import pytest

from pipeline import inputs, paths
from pipeline.config import load_config

CONFIG = """
pipeline: {name: wired, root: runs}
task: lm
data: {path: "data/span-{SPAN}", drift: {}}
"""


@pytest.fixture
def line(tmp_path, monkeypatch):
    """The pipeline, made with the given arguments of create_pipeline."""
    from pipeline.pipeline import create_pipeline

    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/span-1").mkdir(parents=True)
    (tmp_path / "data/span-1/a.jsonl").write_text('{"text": "a"}\n')

    def call(text=CONFIG, **arguments):
        (tmp_path / "c.yaml").write_text(text)
        config = load_config("c.yaml")
        found, where = inputs.resolve(config), paths.new_run(config)
        options = {"base_vocabulary": "", "input_key": "key"} | arguments
        return create_pipeline(config, found, where, **options)

    return call


def waits(line):
    return {node.id: {other.id for other in node.upstream_nodes} for node in line.components}


def test_a_span_is_compared_before_anything_is_made_of_it(line) -> None:
    nodes = waits(line())
    assert nodes["SpanCheck"] == {"SpanWindow", "ExampleGen", "ExampleValidator"}
    assert "SpanCheck" in nodes["VocabularyGen"]
    assert waits(line(CONFIG.replace(", drift: {}", ""))) == {
        name: others - {"SpanCheck"} for name, others in nodes.items() if name != "SpanCheck"
    }


def test_the_span_before_is_an_input_and_decides_what_is_cached(line) -> None:
    made = line(span_before="earlier")
    assert waits(made)["SpanCheck"] >= {"SpanBefore"}
    (importer,) = (node for node in made.components if node.id == "SpanBefore")
    assert importer.exec_properties["artifact_uri"] == "earlier"
    assert "SpanBefore" not in waits(line(CONFIG.replace("drift", "skew"), span_before=""))


def test_it_compiles_for_vertex(line, tmp_path: pathlib.Path) -> None:
    from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner as runner

    config = runner.KubeflowV2DagRunnerConfig(use_pipeline_spec_2_1=True)
    runner.KubeflowV2DagRunner(
        config=config, output_dir=str(tmp_path), output_filename="line.json"
    ).run(line(span_before="earlier"), write_out=True)
    spec = json.loads((tmp_path / "line.json").read_text())["pipelineSpec"]
    assert {"SpanCheck", "SpanBefore"} <= {*spec["root"]["dag"]["tasks"]}
    used = json.dumps(spec)
    assert "components.SpanStatistics" in used
    assert importlib.import_module("components").SpanStatistics.TYPE_NAME in used
