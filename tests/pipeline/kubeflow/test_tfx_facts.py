"""What this tree knows of TFX 1.21 and works around somewhere; a newer TFX is to announce itself."""

import pytest
from tfx import v1 as tfx
from tfx.components import InfraValidator
from tfx.components.evaluator import executor as evaluator
from tfx.dsl.components.common.resolver import Resolver
from tfx.dsl.input_resolution.strategies.span_range_strategy import SpanRangeStrategy
from tfx.orchestration import data_types, pipeline
from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner as runner
from tfx.types import channel, standard_artifacts

import components as ours
from components.evaluator.executor import Executor
from pipeline.kubeflow.lint import lint
from pipeline.kubeflow.refusals import NOT_OURS


def compiled(*nodes, **options):
    line = pipeline.Pipeline("facts", "gs://bucket/root", components=list(nodes))
    config = runner.KubeflowV2DagRunnerConfig(use_pipeline_spec_2_1=True, **options)
    return runner.KubeflowV2DagRunner(config).run(line, write_out=False)


def window(**parameters):
    given = {
        "input_base": "gs://bucket/span-{SPAN}",
        "spans": "all",
        "fingerprint": "f",
    } | parameters
    return ours.SpanWindow(**given)


def base_model(span_window):
    return ours.BaseModel(
        span_window=span_window.outputs["span_window"],
        split="{}",
        vocabulary_key="k",
        token_identity="i",
        warm_start="auto",
        code_hash="c",
    )


def test_the_version_and_the_schemas() -> None:
    import tfx.version

    assert tfx.version.__version__ == "1.21.0"
    spec = compiled(window())["pipelineSpec"]
    assert (spec["schemaVersion"], spec["sdkVersion"]) == ("2.1.0", "tfx-1.21.0")
    assert not runner.KubeflowV2DagRunnerConfig().use_pipeline_spec_2_1


def test_the_producer_of_a_parameter_is_a_task_that_is_not_there() -> None:
    """`finish` names the right one, and `lint` refuses the wrong one."""
    first = window()
    chosen = base_model(first)
    text = chosen.outputs["base_model"].future()[0].value
    last = window(new_spans="[]", format=text).with_id("Last")
    job = compiled(first, chosen, last)
    edge = job["pipelineSpec"]["root"]["dag"]["tasks"]["Last"]["inputs"]["parameters"]["format"]
    assert edge["taskOutputParameter"]["producerTask"] == "BaseModel_task"
    assert "root.Last.format: takes an output of 'BaseModel_task', which is no task" in map(
        str, lint(job, "vertex")
    )


def test_a_default_is_not_compiled_in() -> None:
    parameter = data_types.RuntimeParameter("spans", ptype=str, default="all")
    spec = compiled(window(spans=parameter))["pipelineSpec"]
    assert spec["root"]["inputDefinitions"]["parameters"] == {"spans": {"parameterType": "STRING"}}


def test_a_runtime_parameter_inside_a_text_is_no_parameter() -> None:
    parameter = data_types.RuntimeParameter("steps", ptype=int, default=3)
    job = compiled(window(format=f'{{"steps": {parameter!r}}}'))
    assert "inputDefinitions" not in job["pipelineSpec"]["root"]
    text = "root.SpanWindow.format: holds a runtime parameter as text, which no run replaces"
    assert any(str(found).startswith(text) for found in lint(job, "vertex"))


def test_the_default_image_is_tfx_s_own() -> None:
    executors = compiled(window())["pipelineSpec"]["deploymentSpec"]["executors"]
    image = executors["SpanWindow_executor"]["container"]["image"]
    assert image == "gcr.io/tfx-oss-public/tfx:1.21.0"
    assert NOT_OURS.fullmatch(image)


def test_what_does_not_compile() -> None:
    model = channel.Channel(type=standard_artifacts.Model)
    trained = tfx.dsl.Importer(
        source_uri="gs://b/m", artifact_type=standard_artifacts.Model
    ).with_id("Trained")
    check = InfraValidator(model=trained.outputs["result"], serving_spec=tfx.proto.ServingSpec())
    with pytest.raises(NotImplementedError):
        compiled(trained, check)
    spans = Resolver(strategy_class=SpanRangeStrategy, config={"range_config": {}}, model=model)
    with pytest.raises(TypeError, match="LatestArtifactStrategy and LatestBlessedModelStrategy"):
        compiled(spans)


def test_only_an_evaluator_s_blessing_names_the_model_as_vertex_does() -> None:
    """Without it the resolver of the next run, which asks by that name, finds no model."""
    assert issubclass(Executor, evaluator.Executor)
    import inspect

    from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor as container

    source = inspect.getsource(container)
    assert "issubclass(executor_cls, evaluator_executor.Executor)" in source
