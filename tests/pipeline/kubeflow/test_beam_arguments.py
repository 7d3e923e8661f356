"""Beam's arguments in a compiled line: which containers have them, and what lint finds in them."""

import pytest
from compiled_line import CONFIG, compiled

from components.errors import InputError
from pipeline.kubeflow.lint import lint

OF_BEAM = {"ExampleGen", "StatisticsGen", "VocabularyGen", "Transform", "SequenceEvaluator"}
DATAFLOW = "beam: {dataflow: {image: 'registry.example/workers:1'}}\n"
FLINK = "beam: {flink: {job_server: '%s', environment_type: %s}}\n"


def with_profile(profile, section):
    return (
        CONFIG.replace("cloud:\n", f"cloud:\n  beam: {profile}\n  project: p\n  region: r\n")
        + section
    )


def containers(job):
    executors = job["pipelineSpec"]["deploymentSpec"]["executors"]
    found = {
        label.removesuffix("_executor"): each.get("container") for label, each in executors.items()
    }
    return {name: each["args"] for name, each in found.items() if each}


def options(arguments):
    """Beam's: they come last."""
    at = next((at for at, each in enumerate(arguments) if each.startswith("--runner")), None)
    return [] if at is None else arguments[at:]


@pytest.fixture(scope="module")
def on_dataflow(tmp_path_factory):
    return compiled(tmp_path_factory.mktemp("dataflow"), with_profile("dataflow", DATAFLOW))


def test_those_that_run_beam_have_the_arguments_and_no_others(on_dataflow) -> None:
    found = {name: options(arguments) for name, arguments in containers(on_dataflow).items()}
    assert {name for name, given in found.items() if given} == OF_BEAM
    (same,) = {tuple(given) for given in found.values() if given}
    assert same == (
        "--runner=DataflowRunner",
        "--project=p",
        "--region=r",
        "--temp_location=gs://bucket/pipelines/numbers/beam/temp",
        "--staging_location=gs://bucket/pipelines/numbers/beam/staging",
        "--sdk_container_image=registry.example/workers:1",
        "--sdk_location=container",
        "--autoscaling_algorithm=THROUGHPUT_BASED",
        "--service_account_email=runner@p.iam.gserviceaccount.com",
        "--no_save_main_session",
        "--beam_plugin=components.beam_worker",
        "--labels=team=nlp",
    )
    assert lint(on_dataflow, "vertex") == []


def test_a_profile_changes_nothing_else_so_that_other_steps_stay_cached(on_dataflow, job) -> None:
    there, here = containers(on_dataflow), containers(job)
    assert {name for name in here if there[name] != here[name]} == OF_BEAM
    for each in (on_dataflow, job):
        each["pipelineSpec"] = each["pipelineSpec"] | {"deploymentSpec": {}}
    assert on_dataflow == job


def test_the_driver_s_hook_has_none(on_dataflow, job) -> None:
    executors = job["pipelineSpec"].get("deploymentSpec", {}).get("executors", {})
    hook = executors["SpanWindow_executor"]["container"]["lifecycle"]["preCacheCheck"]
    assert options(hook["args"]) == []


def test_local_is_right_on_a_service_and_means_the_step_s_own_container(job) -> None:
    given = options(containers(job)["ExampleGen"])
    assert given[0] == "--runner=FnApiRunner"
    assert lint(job, "vertex") == []


@pytest.mark.parametrize(
    ("profile", "section", "expected"),
    [
        ("flink", FLINK % ("localhost:8099", "EXTERNAL, environment_config: 'p:1'"),
         "beam.flink.job_server: got localhost:8099, which is this machine, or there the step's own"),
        ("flink", FLINK % ("jobs:8099", "LOOPBACK"),
         "beam.flink.environment_type: got LOOPBACK in a cloud build, expected DOCKER or EXTERNAL"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_by_name(profile, section, expected, tmp_path) -> None:
    with pytest.raises(InputError) as raised:
        compiled(tmp_path, with_profile(profile, section))
    (line,) = str(raised.value).split("\n")
    assert line.startswith(expected)


def test_dataflow_reads_no_other_store(tmp_path) -> None:
    text = with_profile("dataflow", DATAFLOW).replace("root: gs://", "root: s3://")
    text = text.replace(
        "workers:1'", "workers:1', temp_location: 'gs://t', staging_location: 'gs://t'"
    )
    with pytest.raises(InputError, match=r"^cloud.root: got 's3://.*expected gs://… with Dataflow"):
        compiled(tmp_path, text, "kubeflow")


def _without(name):
    return lambda given: [each for each in given if not each.startswith(f"--{name}")]


def _with(*more):
    return lambda given: [*given, *more]


PORTABLE = ("--runner=PortableRunner", "--job_endpoint=jobs:8099", "--environment_type=DOCKER")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda given: ["--runner=DirectRunner"], "got --runner=DirectRunner, which starts a program"),
        (lambda given: ["--runner=FlinkRunner"], "got --runner=FlinkRunner, which starts a program"),
        (lambda given: [], "got no --runner, which starts a program from elsewhere"),
        (_without("region"), "got no --region, which Dataflow needs"),
        (_without("sdk_container_image"), "got no --sdk_container_image, which Dataflow needs"),
        (_with("--temp_location=/scratch/x"), "got --temp_location=/scratch/x, expected an address"),
        (_with("--sdk_container_image=none"), "got 'none' for Beam's workers, expected an image"),
        (_with("--requirements_file", "r.txt"), "got --requirements_file, and the image has no pip"),
        (lambda given: [PORTABLE[0]], "got no --job_endpoint, expected the address"),
        (lambda given: [*PORTABLE], "got no --environment_config, expected the workers' image"),
        (lambda given: [*PORTABLE, "--environment_config=apache/beam_java"], None),
        (lambda given: [*PORTABLE, "--environment_config=apache/beam_python3.13_sdk"], "got 'apache/b"),
        (_with("--runner=PortableRunner", "--job_endpoint=127.0.0.1:1", "--environment_config=i"),
         "got --job_endpoint=127.0.0.1:1, which in a step is its own container"),
        (lambda given: [*PORTABLE[:2], "--environment_type=LOOPBACK"], "got --environment_type=LOOPB"),
    ],
)  # fmt: skip
def test_lint_finds_it_in_a_step_of_beam_s_alone(change, expected, job) -> None:
    executors = job["pipelineSpec"]["deploymentSpec"]["executors"]
    dataflow = [
        "--runner=DataflowRunner",
        "--project=p",
        "--region=r",
        "--temp_location=gs://b/t",
        "--sdk_container_image=i:1",
    ]
    for name in ("StatisticsGen", "SequenceTrainer"):  # the trainer runs no Beam: nothing to find
        given = executors[f"{name}_executor"]["container"]["args"]
        given[:] = [each for each in given if each not in options(given)] + change(dataflow)
    found = [str(each) for each in lint(job, "vertex") if "got" in each.text]
    if expected is None:
        assert found == []
        return
    # `DOCKER` is Beam's default where no type is named, and wants an image: another finding.
    (line,) = [each for each in found if expected in each]
    assert line.startswith(f"executors.StatisticsGen_executor: {expected}")
    assert all(each.startswith("executors.StatisticsGen_executor: ") for each in found)
