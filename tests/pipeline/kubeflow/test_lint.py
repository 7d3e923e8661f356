"""Broken lines: each is one that kfp's own reading accepts, and each is found, alone and with its place."""

import copy
import json
import pathlib
import subprocess
import sys

import pytest
import yaml
from broken_line import constant, executor, found_alone, given, tasks

from pipeline.__main__ import main
from pipeline.kubeflow.lint import lint

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]

SERIALISED = '{"steps": {"__class__": "RuntimeParameter", "__module__": "tfx", "name": "n"}}'


def unknown_producer(job):
    given(job, "VocabularyGen")["base_vocabulary"]["taskOutputParameter"]["producerTask"] += "_task"


def unknown_output(job):
    edge = tasks(job)["Transform"]["inputs"]["artifacts"]["examples"]["taskOutputArtifact"]
    edge["outputArtifactKey"] = "samples"


def another_type(job):
    edge = tasks(job)["Transform"]["inputs"]["artifacts"]["schema"]["taskOutputArtifact"]
    edge |= {"producerTask": "StatisticsGen", "outputArtifactKey": "statistics"}


def unresolved_input(job):
    del tasks(job)["Pusher"]["inputs"]["artifacts"]["model_blessing"]


def serialised_parameter(job):
    given(job, "SequenceTrainer")["train_options"] = constant(SERIALISED)


def serialised_parameter_in_json(job):
    given(job, "SequenceTrainer")["train_options"] = constant(json.dumps({"deep": SERIALISED}))


def _condition(job, text):
    tasks(job)["Pusher"]["triggerPolicy"] = {"condition": text}


def condition_on_a_key_behind_a_dot(job):
    _condition(job, "inputs.artifacts.nope.artifacts[0].metadata['blessed'] == 1")


def condition_on_other_inputs(job):
    _condition(job, "input.artifacts['model'].artifacts[0].uri != ''")


def condition_on_another_kind(job):
    _condition(job, "inputs.artefacts['model'].artifacts[0].uri != ''")


def condition_that_cannot_be_read(job):
    _condition(job, "inputs.artifacts['model'].artifacts[0].metadata['blessed'] ==== 1")


def condition_on_another_key(job):
    condition = (
        "inputs.artifacts['_SequenceEvaluator.blessing'].artifacts[0].metadata['blessed'] == 1"
    )
    tasks(job)["Pusher"]["triggerPolicy"] = {"condition": condition}


def local_path(job):
    given(job, "ServingCheck")["options"] = constant('{"rows": "/home/me/data/rows.jsonl"}')


def local_default(job):
    definitions = job["pipelineSpec"]["root"]["inputDefinitions"]["parameters"]
    definitions["data_path"]["defaultValue"] = "/home/me/data/span-{SPAN}"


def infra_validator(job):
    path = "tfx.components.infra_validator.executor.Executor"
    arguments = executor(job, "ServingCheck")["container"]["args"]
    arguments[arguments.index("--executor_class_path") + 1] = path


def default_image(job):
    executor(job, "Transform")["container"]["image"] = "gcr.io/tfx-oss-public/tfx:1.21.0"


def type_that_is_nowhere(job):
    for component in job["pipelineSpec"]["components"].values():
        text = json.dumps(component).replace("components.TokenLedger", "components.Ledger")
        component.update(json.loads(text))


def undeclared_input(job):
    del job["pipelineSpec"]["root"]["inputDefinitions"]["parameters"]["train_steps"]


def dag_without_inputs(job):
    """What TFX makes of an exit handler and a runtime parameter."""
    spec = job["pipelineSpec"]
    spec["components"]["tfx-dag"] = {"dag": {"tasks": spec["root"]["dag"]["tasks"]}}
    spec["root"]["dag"]["tasks"] = {"tfx-dag": {"componentRef": {"name": "tfx-dag"}}}
    spec["components"]["tfx-dag"]["inputDefinitions"] = copy.deepcopy(
        spec["root"]["inputDefinitions"]
    )
    del spec["components"]["tfx-dag"]["inputDefinitions"]["parameters"]["train_steps"]
    spec["root"]["dag"]["tasks"]["tfx-dag"]["inputs"] = {
        "parameters": {
            name: {"componentInputParameter": name}
            for name in spec["components"]["tfx-dag"]["inputDefinitions"]["parameters"]
        }
    }


def empty_module(job):
    component = job["pipelineSpec"]["components"]["Transform"]["inputDefinitions"]
    component["parameters"]["module_path"] = {"parameterType": "STRING"}
    given(job, "Transform")["module_path"] = constant("")


def another_schema(job):
    job["pipelineSpec"]["schemaVersion"] = "2.0.0"


def unknown_component(job):
    tasks(job)["Pusher"]["componentRef"]["name"] = "Pushed"


def no_executor(job):
    del job["pipelineSpec"]["deploymentSpec"]["executors"]["Pusher_executor"]


def circle(job):
    tasks(job)["SpanWindow"]["dependentTasks"] = ["Pusher"]


def wrong_type_of_value(job):
    given(job, "SequenceEvaluator")["batch_size"] = constant("many")


def executor_that_is_nowhere(job):
    arguments = executor(job, "Pusher")["container"]["args"]
    arguments[arguments.index("--executor_class_path") + 1] = "components.pusher.executor.Runner"


def driver_that_is_nowhere(job):
    hook = executor(job, "SpanWindow")["container"]["lifecycle"]["preCacheCheck"]
    hook["command"][-1] = "components.span_window.drive"


def empty_executor(job):
    job["pipelineSpec"]["deploymentSpec"]["executors"]["Pusher_executor"] = {}


def no_command(job):
    del executor(job, "Pusher")["container"]["command"]


def command_that_is_nowhere(job):
    executor(job, "Pusher")["container"]["command"][-1] = "components.entry"


def no_tasks(job):
    job["pipelineSpec"]["root"]["dag"] = {}


def parameter_of_a_task_that_goes_on(job):
    tasks(job)["VocabularyGen"]["dependentTasks"].remove("BaseModel")


def fraction_for_an_integer(job):
    definitions = job["pipelineSpec"]["root"]["inputDefinitions"]["parameters"]
    definitions["train_steps"]["defaultValue"] = 1.5


BROKEN = {
    unknown_producer: "root.VocabularyGen.base_vocabulary: takes an output of 'BaseModel_task', which is",
    unknown_output: "root.Transform.examples: takes 'samples' of ExampleGen, which has no such output",
    another_type: "root.Transform.schema: got tfx.ExampleStatistics, expected tfx.Schema",
    unresolved_input: "root.Pusher.model_blessing: the component needs it, the task",
    serialised_parameter: "root.SequenceTrainer.train_options: holds a runtime parameter",
    serialised_parameter_in_json: "root.SequenceTrainer.train_options: holds a runtime parameter",
    condition_on_a_key_behind_a_dot: "root.Pusher.condition: reads 'nope' of the task's inputs, which",
    condition_on_other_inputs: "root.Pusher.condition: reads \"input.artifacts['model']\", expected inputs.",
    condition_on_another_kind: "root.Pusher.condition: reads \"inputs.artefacts['model']\", expected inputs.",
    condition_that_cannot_be_read: "root.Pusher.condition: condition inputs.artifacts['model'].artifacts[0].",
    condition_on_another_key: "root.Pusher.condition: reads '_SequenceEvaluator.blessing' of",
    local_path: "root.ServingCheck.options: got '/home/me/data/rows.jsonl', a path of this machine",
    local_default: "root.data_path: got '/home/me/data/span-{SPAN}', a path of this machine",
    infra_validator: "executors.ServingCheck_executor: runs tfx.components.infra_validator.",
    default_image: "executors.Transform_executor: got image 'gcr.io/tfx-oss-public/tfx:1.21.0'",
    type_that_is_nowhere: "components.VocabularyGen.ledger: is of type 'components.Ledger'",
    undeclared_input: "root.SequenceTrainer.train_steps: takes 'train_steps', which root does",
    dag_without_inputs: "components.tfx-dag.SequenceTrainer.train_steps: takes 'train_steps', which",
    empty_module: "root.Transform.module_path: is empty, expected the module",
    another_schema: "schemaVersion: got '2.0.0', expected '2.1.0'",
    unknown_component: "root.Pusher: component 'Pushed' is not in the file",
    no_executor: "root.Pusher: executor 'Pusher_executor' of Pusher is not in the file",
    circle: "root: these tasks wait for each other: BaseModel, ExampleGen, ",
    wrong_type_of_value: "root.SequenceEvaluator.batch_size: got 'many', expected a value of",
    executor_that_is_nowhere: "executors.Pusher_executor: runs components.pusher.executor.Runner,",
    driver_that_is_nowhere: "executors.SpanWindow_executor.preCacheCheck: runs components.span_window.drive,",
    empty_executor: "root.Pusher: executor 'Pusher_executor' of Pusher is empty, expected what",
    no_command: "executors.Pusher_executor: got no command, expected one: the image has no",
    command_that_is_nowhere: "executors.Pusher_executor: starts components.entry, which cannot",
    no_tasks: "root: got no tasks, expected a dag of them",
    parameter_of_a_task_that_goes_on: "root.VocabularyGen: takes parameters of BaseModel, expected it among",
    fraction_for_an_integer: "root.train_steps: got 1.5, expected a value of type NUMBER_INTEGER",
}  # fmt: skip


def test_nothing_is_found_in_a_line_that_is_as_it_was_compiled(job, kubeflow_job) -> None:
    assert lint(job, "vertex") == []
    assert lint(kubeflow_job, "kubeflow") == []


@pytest.mark.parametrize(
    "condition",
    [
        "inputs.artifacts['model'].artifacts[0].metadata['not-a-name'] == 'nor is this'",
        "inputs.artifacts.model.artifacts[0].uri != '' && true || int('1') == 1.5",
    ],
)
def test_a_condition_on_what_there_is_is_nothing(condition, job) -> None:
    _condition(job, condition)
    assert lint(job, "vertex") == []


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_it_is_found_alone_and_kfp_finds_nothing(broken, job) -> None:
    assert found_alone(broken, job).startswith(BROKEN[broken])


@pytest.mark.parametrize("target", ["vertex", "kubeflow"])
@pytest.mark.parametrize("kind", ["json", "yaml"])
def test_the_command_finds_nothing_in_what_compile_writes(target, kind, tmp_path, capsys) -> None:
    from compiled_line import CONFIG, compiled

    path = str(tmp_path / f"pipeline.{kind}")
    compiled(tmp_path, CONFIG, target, path)
    assert main(["compile", "--lint", path, "--target", target]) == 0
    assert capsys.readouterr().out.endswith(f": nothing found for {target}\n")


def test_who_takes_an_artifact_need_not_be_told_to_wait(job, kubeflow_job) -> None:
    """TFX does not tell one Resolver to wait for the other; of parameters the proto says no such thing."""
    for task in (*tasks(job).values(), *tasks(kubeflow_job).values()):
        task.pop("dependentTasks", None)
    found = {each.text for each in lint(job, "vertex")}
    assert found == {"takes parameters of BaseModel, expected it among its dependentTasks"}
    assert lint(kubeflow_job, "kubeflow") == []


def test_who_gives_an_artifact_besides_a_parameter_is_waited_for(job) -> None:
    task = tasks(job)["VocabularyGen"]
    gives = {source["taskOutputArtifact"]["producerTask"] for source in _artifacts(task)}
    assert "ExampleGen" in gives
    task["dependentTasks"] = ["BaseModel"]
    found = {"producerTask": "ExampleGen", "outputParameterKey": "x"}
    given(job, "VocabularyGen")["x"] = {"taskOutputParameter": found}
    assert not [each for each in lint(job, "vertex") if "dependentTasks" in each.text]


def _artifacts(task):
    return task["inputs"]["artifacts"].values()


def test_elsewhere_a_resolver_and_the_hook_are_not_run(job) -> None:
    found = [str(each) for each in lint(job, "kubeflow")]
    assert found == [
        "executors.LastBlessedModel-model-blessing-resolver_executor: is a resolver, which Kubeflow "
        "Pipelines does not implement",
        "executors.LastBlessedModel-model-resolver_executor: is a resolver, which Kubeflow Pipelines "
        "does not implement",
        "executors.SpanWindow_executor.lifecycle: Kubeflow Pipelines ignores it; expected a command "
        "that runs the driver first",
        "root.SpanWindow: is cached, and nothing tells Kubeflow's cache of new data",
    ]


def test_elsewhere_the_driver_needs_the_entrypoint(kubeflow_job) -> None:
    module = "tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor"
    executor(kubeflow_job, "SpanWindow")["container"]["command"] = ["python", "-m", module]
    (found,) = map(str, lint(kubeflow_job, "kubeflow"))
    assert found.startswith(
        f"executors.SpanWindow_executor: got command {module}, expected one that"
    )


@pytest.mark.parametrize(
    ("root", "expected"),
    [("runs/numbers", "expected an address that"), ("s3://b/p", "expected gs://… on Vertex")],
)
def test_a_root_that_the_target_cannot_reach(root, expected, job) -> None:
    job["runtimeConfig"]["gcsOutputDirectory"] = root
    (found,) = map(str, lint(job, "vertex"))
    assert found.startswith(f"runtimeConfig.gcsOutputDirectory: got '{root}', {expected}")


@pytest.mark.parametrize("text", ["/gcs/bucket/rows", "a/b", "/", "/^[0-9]+/", "gs://b/home/me"])
def test_what_is_no_path_of_a_machine(text, job) -> None:
    given(job, "ServingCheck")["options"] = constant(json.dumps({"rows": text}))
    assert lint(job, "vertex") == []


def test_who_takes_any_artifact_takes_one_of_a_service_s_type(job) -> None:
    components = job["pipelineSpec"]["components"]
    made = components["SchemaGen"]["outputDefinitions"]["artifacts"]["schema"]
    made["artifactType"] = {"schemaTitle": "system.Dataset"}
    assert len(lint(job, "vertex")) == 2  # Transform and ExampleValidator expect a schema
    for taker in ("Transform", "ExampleValidator"):
        taken = components[taker]["inputDefinitions"]["artifacts"]["schema"]
        taken["artifactType"] = {"schemaTitle": "system.Artifact"}
    assert lint(job, "vertex") == []


def test_a_pattern_may_look_like_a_path(job) -> None:
    given(job, "Transform")["settings"] = constant(json.dumps({"target": {"pattern": "/home/a/b"}}))
    assert lint(job, "vertex") == []


def test_what_is_looked_at_before_a_file_is_sent_loads_nothing_heavy(job, tmp_path) -> None:
    (tmp_path / "p.json").write_text(json.dumps(job))
    code = """if True:
        import sys
        from pipeline.kubeflow import lint, reading
        found = lint.quick(reading.read(sys.argv[1]).spec, "vertex")
        print(found, {"tensorflow", "tfx", "apache_beam"} & set(sys.modules))
    """
    command = [sys.executable, "-c", code, str(tmp_path / "p.json")]
    told = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert (told.stdout, told.stderr) == ("[] set()\n", "")


def test_the_command_lints_a_file(job, tmp_path, capsys) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.yaml"
    good.write_text(json.dumps(job))
    unresolved_input(job)
    bad.write_text(yaml.safe_dump(job["pipelineSpec"]))
    assert main(["compile", "--lint", str(good)]) == 0
    assert capsys.readouterr().out == f"tokenline compile: {good}: nothing found for vertex\n"
    assert main(["compile", "--lint", str(bad)]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == (
        "tokenline: root.Pusher.model_blessing: the component needs it, the task does not give it\n"
        f"tokenline: {bad}: 1 finding\n"
    )
