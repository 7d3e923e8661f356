"""What a compiled line says: steps, edges, values, containers; always the same, nothing of this machine."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
import yaml
from compiled_line import CONFIG, compiled

from components.errors import InputError
from pipeline import kubeflow_runner
from pipeline.__main__ import main
from pipeline.kubeflow import finish
from pipeline.kubeflow.accelerators import ACCELERATORS
from pipeline.kubeflow.spec import constant

STEPS = {
    "SpanWindow",
    "BaseModel",
    "ExampleGen",
    "StatisticsGen",
    "SchemaGen",
    "ExampleValidator",
    "VocabularyGen",
    "Transform",
    "SequenceTrainer",
    "SequenceEvaluator",
    "ServingCheck",
    "Pusher",
}
RESOLVERS = {"LastBlessedModel-model-blessing-resolver", "LastBlessedModel-model-resolver"}


def tasks(job):
    return job["pipelineSpec"]["root"]["dag"]["tasks"]


def given(job, task):
    return tasks(job)[task]["inputs"]["parameters"]


def container(job, task):
    return job["pipelineSpec"]["deploymentSpec"]["executors"][f"{task}_executor"]["container"]


def made_by(job, task, name):
    edge = given(job, task)[name]["taskOutputParameter"]
    return edge["producerTask"], edge["outputParameterKey"]


def test_the_steps_of_each_target(job, kubeflow_job) -> None:
    assert tasks(job).keys() == STEPS | RESOLVERS
    assert tasks(kubeflow_job).keys() == STEPS


def test_runtime_parameters_are_whole_and_have_their_defaults(job) -> None:
    definitions = job["pipelineSpec"]["root"]["inputDefinitions"]["parameters"]
    text = {"parameterType": "STRING"}
    assert definitions == {
        "data_path": text | {"defaultValue": "gs://bucket/data/span-{SPAN}"},
        "spans": text | {"defaultValue": "latest:1"},
        "new_spans": text | {"defaultValue": "[]"},
        "fingerprint": text | {"defaultValue": ""},
        "train_steps": {"parameterType": "NUMBER_INTEGER", "defaultValue": 0},
        "push_destination": text | {"defaultValue": "gs://bucket/pipelines/numbers/served"},
        "run_key": text | {"defaultValue": ""},
    }
    taken = {
        (task, name): source["componentInputParameter"]
        for task, facts in tasks(job).items()
        for name, source in facts.get("inputs", {}).get("parameters", {}).items()
        if "componentInputParameter" in source
    }
    assert taken == {
        ("SpanWindow", "input_base"): "data_path",
        ("SpanWindow", "spans"): "spans",
        ("SpanWindow", "new_spans"): "new_spans",
        ("SpanWindow", "fingerprint"): "fingerprint",
        ("ExampleGen", "input_base"): "data_path",
        ("SequenceTrainer", "train_steps"): "train_steps",
        ("Pusher", "push_destination"): "push_destination",
        ("Pusher", "run_key"): "run_key",
    }


@pytest.mark.parametrize(
    ("spans", "expected"), [("latest", "latest:1"), ("all", "all"), ("[3, 5]", "[3, 5]")]
)
def test_which_spans_a_run_reads_by_default(spans, expected, tmp_path) -> None:
    from pipeline.config import load_config
    from pipeline.kubeflow import parameters

    (tmp_path / "c.yaml").write_text(CONFIG.replace("data: {path", f"data: {{spans: {spans}, path"))
    config = load_config(tmp_path / "c.yaml")
    assert parameters.defaults(config, config.cloud)["spans"] == expected


def test_what_a_run_builds_on_comes_from_one_node(job, kubeflow_job) -> None:
    for compiled_job in (job, kubeflow_job):
        assert made_by(compiled_job, "SequenceTrainer", "base_model_folder") == (
            "BaseModel",
            "base_model",
        )
        assert made_by(compiled_job, "SequenceTrainer", "data_key") == ("BaseModel", "data_key")
        assert made_by(compiled_job, "VocabularyGen", "base_vocabulary") == (
            "BaseModel",
            "base_vocabulary",
        )
        assert made_by(compiled_job, "VocabularyGen", "input_key") == ("BaseModel", "input_key")


def test_on_vertex_a_resolver_finds_the_last_blessed_model(job) -> None:
    for task, name in (("BaseModel", "model"), ("SequenceEvaluator", "baseline_model")):
        edge = tasks(job)[task]["inputs"]["artifacts"][name]["taskOutputArtifact"]
        assert edge["producerTask"] == "LastBlessedModel-model-resolver"
    assert constant(given(job, "BaseModel")["served"]) == ""
    assert constant(given(job, "Pusher")["note_origin"]) == 0


def test_pusher_is_told_where_to_tell_how_the_run_ended(job) -> None:
    assert constant(given(job, "Pusher")["outcome_to"]) == "gs://bucket/pipelines/numbers/runs"
    evaluation = tasks(job)["Pusher"]["inputs"]["artifacts"]["evaluation"]["taskOutputArtifact"]
    assert evaluation["producerTask"] == "SequenceEvaluator"


def test_elsewhere_what_is_served_counts_as_blessed_last(kubeflow_job) -> None:
    served = given(kubeflow_job, "BaseModel")["served"]
    assert served == {"componentInputParameter": "push_destination"}
    assert made_by(kubeflow_job, "SequenceEvaluator", "baseline_folder") == (
        "BaseModel",
        "baseline",
    )
    assert constant(given(kubeflow_job, "Pusher")["note_origin"]) == 1


def test_images_and_resources_by_component(job) -> None:
    for step in STEPS:
        gpu = "-gpu" if step == "SequenceTrainer" else ""
        assert container(job, step)["image"] == f"registry.example/tokenline{gpu}:1"
    assert container(job, "ExampleGen")["resources"] == {"memoryLimit": 8.0}
    assert container(job, "SequenceTrainer")["resources"] == {
        "cpuLimit": 8.0,
        "memoryLimit": 32.0,
        "accelerator": {"type": "NVIDIA_TESLA_T4", "count": "2"},
    }
    assert "resources" not in container(job, "Pusher")


def test_what_the_job_says_of_itself(job, kubeflow_job) -> None:
    assert job["displayName"] == "numbers"
    assert job["labels"].items() >= {"team": "nlp", "tfx_version": "1-21-0"}.items()
    assert job["runtimeConfig"] == {"gcsOutputDirectory": "gs://bucket/pipelines"}
    assert job["pipelineSpec"]["defaultPipelineRoot"] == "gs://bucket/pipelines"
    assert job["pipelineSpec"]["schemaVersion"] == "2.1.0"
    assert job["serviceAccount"] == "runner@p.iam.gserviceaccount.com"
    assert job["network"] == "projects/12345/global/networks/inside"
    assert not kubeflow_job.keys() & {"serviceAccount", "network"}


def cached(job):
    return {name for name, task in tasks(job).items() if task.get("cachingOptions")}


def test_what_depends_on_more_than_its_inputs_is_never_cached(job, kubeflow_job, tmp_path) -> None:
    assert cached(job) == STEPS - {"ServingCheck", "Pusher"}
    # Without a driver that runs before, the cache sees neither new data nor what is served by now.
    assert cached(kubeflow_job) == cached(job) - {"SpanWindow", "BaseModel"}
    never = compiled(tmp_path, CONFIG + "  cache: false\n")
    assert cached(never) == set()


def test_the_driver_runs_before_the_cache_is_asked(job, kubeflow_job) -> None:
    hook = container(job, "SpanWindow")["lifecycle"]["preCacheCheck"]
    assert hook["command"] == ["python", "-m", "components.span_window.driver"]
    assert hook["args"] == container(job, "SpanWindow")["args"][8:]
    assert hook["args"][:2] == ["--json_serialized_invocation_args", "{{$}}"]
    for step in STEPS:
        assert ("lifecycle" in container(job, step)) == (step == "SpanWindow")
        assert "lifecycle" not in container(kubeflow_job, step)
        for each in (job, kubeflow_job):
            assert container(each, step)["command"][-1] == "components.container_entrypoint"


def test_a_step_of_vertex_knows_where_to_tell_that_it_fails(job, kubeflow_job) -> None:
    told = ["--outcome_to", "gs://bucket/pipelines/numbers/runs"]
    told += ["--job", "{{$.pipeline_job_name}}", "--task", "{{$.pipeline_task_name}}"]
    for step in STEPS:
        assert container(job, step)["args"][:6] == told
        assert not set(told) & set(container(kubeflow_job, step)["args"])


def test_it_is_the_same_wherever_and_whenever_it_is_compiled(job, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    compiled(tmp_path, CONFIG, "vertex", "p.json", "p.yaml")
    assert json.loads(pathlib.Path("p.json").read_text()) == job
    assert yaml.safe_load(pathlib.Path("p.yaml").read_text()) == job["pipelineSpec"]
    text = pathlib.Path("p.json").read_text()
    for place in (str(tmp_path), os.fspath(pathlib.Path(__file__).parents[3]), sys.prefix):
        assert place not in text
    before = [pathlib.Path(name).read_bytes() for name in ("p.json", "p.yaml")]
    compiled(tmp_path, CONFIG, "vertex", "p.json", "p.yaml")
    assert [pathlib.Path(name).read_bytes() for name in ("p.json", "p.yaml")] == before
    assert sorted(os.listdir()) == ["c.yaml", "p.json", "p.yaml"]


def test_kfp_takes_it_as_it_is(job) -> None:
    from google.protobuf import json_format
    from kfp.pipeline_spec import pipeline_spec_pb2

    for key in ("serviceAccount", "network"):  # Vertex's PipelineJob has them, kfp's has not
        del job[key]
    read = json_format.ParseDict(job, pipeline_spec_pb2.PipelineJob())
    assert read.display_name == "numbers"
    deployment = job["pipelineSpec"]["deploymentSpec"]
    config = json_format.ParseDict(deployment, pipeline_spec_pb2.PipelineDeploymentConfig())
    resources = config.executors["SequenceTrainer_executor"].container.resources
    assert (resources.cpu_limit, resources.accelerator.count) == (8.0, 2)


_GUARDED = """
import runpy, socket, sys
def refused(*args): raise AssertionError(f"a connection to {args}")
socket.socket.connect = socket.getaddrinfo = refused
sys.argv[0] = "pipeline"
runpy.run_module("pipeline", run_name="__main__")
"""


def test_the_command_needs_no_network_and_no_credentials(tmp_path, monkeypatch) -> None:
    (tmp_path / "c.yaml").write_text(CONFIG)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    monkeypatch.setenv("HOME", str(tmp_path))
    root = pathlib.Path(__file__).parents[3]
    command = [
        sys.executable,
        "-c",
        _GUARDED,
        "compile",
        "--config",
        "c.yaml",
        "--target",
        "kubeflow",
    ]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("tokenline compile: pipeline.yaml, 12 steps for kubeflow in ")
    assert (tmp_path / "pipeline.yaml").exists()


@pytest.mark.parametrize(
    ("old", "new", "target", "expected"),
    [
        (
            "gs://bucket/pipelines",
            "s3://b/p",
            "vertex",
            "cloud.root: got 's3://b/p', expected gs://",
        ),
        (
            "registry.example/tokenline:1",
            "tensorflow/tfx:1.21.0",
            "vertex",
            "cloud.image: got 'ten",
        ),
        ("rows: 60}", "rows: 60}, drift: {}", "kubeflow", "data.drift: the span before cannot be"),
        ("steps: 7", "steps: 7, distribution: multi_worker", "vertex", "train.distribution: got"),
        (
            "NVIDIA_TESLA_T4",
            "T4000",
            "vertex",
            "cloud.resources.SequenceTrainer.accelerator: got 'T4000', which Vertex does not know, expected",
        ),
        (
            "NVIDIA_TESLA_T4",
            "TESLA_T4",
            "vertex",
            "cloud.resources.SequenceTrainer.accelerator: got 'TESLA_T4', which Vertex does not know, did",
        ),
        (
            "whitespace}",
            "whitespace, span_half_life: 2}",
            "vertex",
            "transform.weights: got span_age",
        ),
    ],
)
def test_what_cannot_be_compiled_is_said_at_once(
    old, new, target, expected, tmp_path, capsys
) -> None:
    text = CONFIG.replace(old, new)
    (tmp_path / "c.yaml").write_text(text)
    assert main(["compile", "--config", str(tmp_path / "c.yaml"), "--target", target]) == 2
    line = 1 + text[: text.index(new)].count("\n")  # where the key stands
    told = capsys.readouterr().err
    assert told.startswith(f"tokenline: {tmp_path / 'c.yaml'}:{line}: {expected}")


def test_the_accelerators_are_those_of_vertex() -> None:
    from google.cloud.aiplatform_v1.types import AcceleratorType

    kinds = [kind.name for kind in AcceleratorType if kind]
    assert sorted(ACCELERATORS) == sorted(kinds)


def test_kubeflow_has_accelerators_of_its_own(tmp_path) -> None:
    job = compiled(tmp_path, CONFIG.replace("NVIDIA_TESLA_T4", "nvidia.com/gpu"), "kubeflow")
    resources = container(job, "SequenceTrainer")["resources"]
    assert resources["accelerator"] == {"type": "nvidia.com/gpu", "count": "2"}


def test_the_example_compiles_as_it_is(tmp_path, capsys) -> None:
    path = pathlib.Path(__file__).parents[3] / "examples/numbers_on_vertex.yaml"
    output = tmp_path / "p.json"
    assert main(["compile", "--config", str(path), "-o", str(output)]) == 0
    assert ", 14 steps for vertex in " in capsys.readouterr().out
    arguments = container(json.loads(output.read_text()), "Transform")["args"]
    assert "--runner=DataflowRunner" in arguments


LEARNED = """
pipeline: {name: learned, root: runs}
task: lm
data: {path: "gs://b/rows-{SPAN}", excess_length: window, schema: schema.pbtxt, skew: {}}
transform: {target_tokenizer: sentencepiece}
train: {tune: {max_trials: 2, space: {learning_rate: {min: 0.01, max: 0.1}}}}
cloud: {root: "gs://b/runs", image: "registry.example/tokenline:1"}
"""


def test_what_is_learned_given_and_tuned_goes_there_too(tmp_path) -> None:
    (tmp_path / "schema.pbtxt").write_text('feature { name: "text" type: BYTES }\n')
    job = compiled(tmp_path, LEARNED)
    more = {"ImportSchemaGen", "SpanCheck", "Tuner"}
    assert tasks(job).keys() == (STEPS - {"SchemaGen"}) | RESOLVERS | more
    assert constant(given(job, "ImportSchemaGen")["text"]).startswith('feature {\n  name: "text"\n')
    assert made_by(job, "ExampleGen", "base_vocabulary") == ("BaseModel", "base_vocabulary")
    edge = tasks(job)["VocabularyGen"]["inputs"]["artifacts"]["subwords"]["taskOutputArtifact"]
    assert edge["producerTask"] == "ExampleGen"
    assert made_by(job, "Tuner", "base_model_folder") == ("BaseModel", "base_model")


def test_without_the_section_nothing_is_compiled(tmp_path, capsys) -> None:
    (tmp_path / "c.yaml").write_text(CONFIG[: CONFIG.index("cloud:")])
    assert main(["compile", "--config", str(tmp_path / "c.yaml")]) == 2
    assert capsys.readouterr().err.startswith(
        f"tokenline: {tmp_path / 'c.yaml'}:1: cloud: missing, expected a section with"
    )


@pytest.mark.parametrize("same", ["p.json", "./p.json"])
def test_a_file_given_twice_is_refused(same) -> None:
    with pytest.raises(InputError, match=f"^{same}: given twice, expected each file once$"):
        kubeflow_runner.check_outputs(["p.json", "p.yaml", same])


def test_the_configuration_is_not_overwritten(tmp_path, capsys) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(CONFIG)
    for output in (config, tmp_path / "." / "c.yaml"):
        assert main(["compile", "--config", str(config), "-o", str(output)]) == 2
        says = f"{output}: is the configuration, expected another file to write"
        assert capsys.readouterr().err == f"tokenline: {says}\n"
    assert config.read_text() == CONFIG


def test_the_longest_name_that_a_configuration_may_have_compiles(tmp_path) -> None:
    long = "n" * 63
    made = compiled(tmp_path, CONFIG.replace("name: numbers", f"name: {long}", 1))
    assert made["pipelineSpec"]["pipelineInfo"]["name"] == long


def test_a_file_of_another_kind_is_refused(tmp_path) -> None:
    from pipeline import kubeflow_runner

    with pytest.raises(
        InputError, match=r"^p.txt: got this name, expected one with .json or .yaml$"
    ):
        kubeflow_runner.check_outputs(["p.txt"])
    with pytest.raises(
        InputError, match=r"^no/p.json: got no folder no, expected one that is there$"
    ):
        kubeflow_runner.check_outputs(["p.json", "no/p.json"])


def test_a_line_with_findings_is_not_written(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(finish, "_SUFFIX", "_other")  # TFX's mistake stays
    (tmp_path / "c.yaml").write_text(CONFIG)
    output = tmp_path / "p.json"
    assert main(["compile", "--config", str(tmp_path / "c.yaml"), "-o", str(output)]) == 1
    told = capsys.readouterr().err.splitlines()
    assert told[-1] == "tokenline: the compiled line: 4 findings"
    assert told[0] == (
        "tokenline: root.SequenceTrainer.base_model_folder: takes an output of 'BaseModel_task', "
        "which is no task"
    )
    assert not output.exists()
