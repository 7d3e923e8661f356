"""The section `beam`: what follows from what, one line for whatever is wrong, the argument of each key."""

import socket

import pytest

from components.errors import InputError, Passing
from pipeline import beam_profile
from pipeline.config import load_config
from pipeline.retrain.order import config_digest

CONFIG = """
pipeline: {name: numbers, root: runs}
task: lm
data: {path: "gs://bucket/data/span-{SPAN}"}
"""
CLOUD = """
cloud:
  root: gs://bucket/pipelines
  image: registry.example/tokenline:1
  project: mine
  region: europe-west4
  service_account: runner@mine.iam.gserviceaccount.com
  labels: {team: nlp}
"""
DATAFLOW = "image: registry.example/workers:1"
FLINK = "job_server: jobs.example:8099, environment_type: "


@pytest.fixture
def load(tmp_path):
    """Loads a configuration with these lines at its end."""

    def loaded(*more: str):
        (tmp_path / "c.yaml").write_text(CONFIG + "\n".join(more) + "\n")
        return load_config(tmp_path / "c.yaml")

    return loaded


def arguments(config, profile=None):
    return beam_profile.arguments(config.beam, profile or config.beam.profile)


def test_without_the_section_all_is_done_by_one_worker_in_this_process(load) -> None:
    config = load(CLOUD)
    assert (config.beam.profile, config.cloud.beam) == ("local", "local")
    assert beam_profile.here(config) == list(beam_profile.HERE)
    assert beam_profile.HERE == (
        "--runner=FnApiRunner",
        "--sdk_container_image=none",
        "--direct_running_mode=in_memory",
        "--direct_num_workers=1",
    )


def test_what_dataflow_is_not_told_it_has_from_the_cloud(load) -> None:
    dataflow = load(CLOUD, f"beam: {{profile: dataflow, dataflow: {{{DATAFLOW}}}}}").beam.dataflow
    assert (dataflow.project, dataflow.region) == ("mine", "europe-west4")
    assert dataflow.temp_location == "gs://bucket/pipelines/numbers/beam/temp"
    assert dataflow.staging_location == "gs://bucket/pipelines/numbers/beam/staging"
    assert dataflow.service_account == "runner@mine.iam.gserviceaccount.com"
    assert dataflow.labels == {"team": "nlp"}


def test_what_dataflow_is_told_is_its_own(load) -> None:
    own = (
        "project: other, region: us-east1, labels: {}, temp_location: gs://t/t, "
        "staging_location: gs://t/s, service_account: w@other.iam.gserviceaccount.com"
    )
    found = load(CLOUD, f"beam: {{dataflow: {{{DATAFLOW}, {own}}}}}").beam.dataflow
    assert (found.project, found.region, found.labels) == ("other", "us-east1", {})
    assert (found.temp_location, found.staging_location) == ("gs://t/t", "gs://t/s")
    assert found.service_account == "w@other.iam.gserviceaccount.com"


def test_a_compiled_line_may_have_another_profile_than_this_machine(load) -> None:
    config = load(CLOUD + "  beam: dataflow", f"beam: {{dataflow: {{{DATAFLOW}}}}}")
    assert (config.beam.profile, config.cloud.beam) == ("local", "dataflow")
    assert beam_profile.here(config) == list(beam_profile.HERE)
    follows = load(CLOUD, f"beam: {{profile: dataflow, dataflow: {{{DATAFLOW}}}}}")
    assert follows.cloud.beam == "dataflow"


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("{profile: beam}", "beam.profile: got 'beam', expected one of local, dataflow, flink, spark"),
        ("{engine: flink}", "beam.engine: unknown key, expected one of profile, local, dataflow"),
        ("{local: {workers: 0}}", "beam.local.workers: got 0, expected an integer >= 1"),
        ("{local: {mode: fork}}", "beam.local.mode: got 'fork', expected one of threads, processes"),
        ("{profile: flink}", "beam.flink: missing, expected a section with job_server and environ"),
        ("{profile: dataflow}", "beam.dataflow: missing, expected a section with image (beam.profile"),
        ("{dataflow: {}}", "beam.dataflow.image: missing, expected an image"),
        ("{dataflow: {image: a b}}", "beam.dataflow.image: got 'a b', expected an image, as europe"),
        (f"{{dataflow: {{{DATAFLOW}, project: a b}}}}", "project: got 'a b', expected a project's id"),
        (f"{{dataflow: {{{DATAFLOW}, region: us central}}}}", "region: got 'us central', expected a r"),
        ("{dataflow: {image: tensorflow/tfx:1.21.0}}", "beam.dataflow.image: got 'tensorflow/tfx"),
        ("{dataflow: {image: apache/beam_python3.13_sdk}}", "beam.dataflow.image: got 'apache/beam"),
        (f"{{dataflow: {{{DATAFLOW}, temp_location: a/b}}}}", "temp_location: got 'a/b', expected an"),
        (f"{{dataflow: {{{DATAFLOW}, workers: 9, max_workers: 3}}}}", "workers: got 9, expected at mo"),
        (f"{{dataflow: {{{DATAFLOW}, autoscaling: none}}}}", "autoscaling: got none, expected workers"),
        (
            f"{{dataflow: {{{DATAFLOW}, autoscaling: none, workers: 2, max_workers: 3}}}}",
            "beam.dataflow.max_workers: has no effect with autoscaling none; expected no value",
        ),
        (f"{{dataflow: {{{DATAFLOW}, subnetwork: inside}}}}", "subnetwork: got 'inside', expected reg"),
        (f"{{dataflow: {{{DATAFLOW}, network: a/b}}}}", "network: got 'a/b', expected a name of a-z"),
        (f"{{dataflow: {{{DATAFLOW}, service_account: me}}}}", "service_account: got 'me', expected n"),
        (f"{{dataflow: {{{DATAFLOW}, labels: {{T: x}}}}}}", "beam.dataflow.labels.T: got this name"),
        ("{flink: {job_server: jobs, environment_type: LOOPBACK}}", "job_server: got 'jobs', expected"),
        (f"{{flink: {{{FLINK} PROCESS}}}}", "environment_type: got 'PROCESS', expected one of DOCKER"),
        (f"{{flink: {{{FLINK} DOCKER}}}}", "environment_config: missing, expected the workers' image"),
        (f"{{flink: {{{FLINK} EXTERNAL}}}}", "environment_config: missing, expected host:port"),
        (f"{{flink: {{{FLINK} EXTERNAL, environment_config: x}}}}", "environment_config: got 'x', exp"),
        (f"{{flink: {{{FLINK} LOOPBACK, environment_config: x}}}}", "environment_config: has no eff"),
        (f"{{flink: {{{FLINK} DOCKER, environment_config: tensorflow/tfx}}}}", "got 'tensorflow/tfx'"),
        (f"{{spark: {{{FLINK} LOOPBACK, parallelism: 3}}}}", "beam.spark.parallelism: unknown key"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line(section, expected, load) -> None:
    with pytest.raises(InputError) as raised:
        load(f"beam: {section}")
    (line,) = str(raised.value).split("\n")
    assert "c.yaml:5: beam" in line
    assert expected in line


def test_all_that_is_wrong_is_told_at_once_each_with_its_line(load, tmp_path) -> None:
    with pytest.raises(InputError) as raised:
        load(
            "beam:",
            "  profile: flink",
            "  local: {workers: many}",
            f"  dataflow: {{{DATAFLOW}, autoscaling: none}}",
            "  spark: {job_server: nowhere, environment_type: DOCKER}",
        )
    keys = [line.split(": ")[0] for line in str(raised.value).split("\n")]
    assert [key.removeprefix(f"{tmp_path}/") for key in keys] == [
        "c.yaml:6", "c.yaml:7", "c.yaml:8", "c.yaml:9",
    ]  # fmt: skip


def test_dataflow_without_a_cloud_needs_its_own_project_region_and_places(load) -> None:
    with pytest.raises(InputError) as raised:
        load(f"beam: {{profile: dataflow, dataflow: {{{DATAFLOW}}}}}")
    told = sorted(
        line.split("beam.dataflow.")[1].split(":")[0] for line in str(raised.value).split("\n")
    )
    assert told == ["project", "region", "staging_location", "temp_location"]
    load(f"beam: {{dataflow: {{{DATAFLOW}}}}}")  # kept for later, and not in use


def test_the_cloud_s_profile_needs_its_section_too(load) -> None:
    with pytest.raises(InputError) as raised:
        load(CLOUD + "  beam: spark")
    (line,) = str(raised.value).split("\n")
    assert line.endswith("environment_type (cloud.beam is spark)")
    assert "c.yaml:13: beam.spark: missing" in line


def test_no_profile_changes_a_run_key(load) -> None:
    before = config_digest(load())
    assert before == config_digest(load("beam: {local: {workers: 8, mode: processes}}"))
    flink = f"{{{FLINK} LOOPBACK}}"
    assert before == config_digest(load(f"beam: {{profile: flink, flink: {flink}}}"))


@pytest.mark.parametrize(
    ("local", "runner"),
    [
        ("{workers: 3}", "FnApiRunner"),
        ("{workers: 3, mode: processes}", "components.beam_processes.Runner"),
    ],
)
def test_local_workers(local, runner, load) -> None:
    found = arguments(load(f"beam: {{local: {local}}}"))
    assert found == [f"--runner={runner}", *beam_profile.HERE[1:3], "--direct_num_workers=3"]
    assert beam_profile.shares_files(found)
    assert not beam_profile.shares_files(beam_profile.HERE)


def test_every_key_of_dataflow_is_an_argument_that_beam_takes(load) -> None:
    from apache_beam.options import pipeline_options as options

    section = (
        f"{DATAFLOW}, machine_type: n2-standard-4, disk_gb: 50, workers: 2, max_workers: 9, "
        "network: inside, subnetwork: regions/europe-west4/subnetworks/a, public_ips: false, "
        "labels: {a: b, c: d}"
    )
    found = arguments(load(CLOUD, f"beam: {{profile: dataflow, dataflow: {{{section}}}}}"))
    read = options.PipelineOptions(found)
    google, workers = (
        read.view_as(options.GoogleCloudOptions),
        read.view_as(options.WorkerOptions),
    )
    setup = read.view_as(options.SetupOptions)
    assert read.view_as(options.StandardOptions).runner == "DataflowRunner"
    assert (google.project, google.region) == ("mine", "europe-west4")
    assert google.temp_location == "gs://bucket/pipelines/numbers/beam/temp"
    assert google.staging_location == "gs://bucket/pipelines/numbers/beam/staging"
    assert google.service_account_email == "runner@mine.iam.gserviceaccount.com"
    assert google.labels == ["a=b", "c=d"]
    assert (workers.machine_type, workers.disk_size_gb) == ("n2-standard-4", 50)
    assert (workers.num_workers, workers.max_num_workers) == (2, 9)
    assert workers.autoscaling_algorithm == "THROUGHPUT_BASED"
    assert (workers.network, workers.use_public_ips) == ("inside", False)
    assert workers.subnetwork == "regions/europe-west4/subnetworks/a"
    assert workers.sdk_container_image == "registry.example/workers:1"
    assert (setup.sdk_location, setup.save_main_session) == ("container", False)
    assert setup.beam_plugins == [beam_profile.PLUGIN]


@pytest.mark.parametrize(
    ("kind", "config", "image"),
    [
        ("DOCKER", "registry.example/w:1", "registry.example/w:1"),
        ("EXTERNAL", "pool.example:50000", "none"),
        ("LOOPBACK", "", "none"),
    ],
)
def test_every_key_of_a_cluster_is_an_argument_that_beam_takes(kind, config, image, load) -> None:
    from apache_beam.options import pipeline_options as options

    given = f", environment_config: {config}" if config else ""
    more = ", artifacts: files.example:8098, parallelism: 6, worker_processes: 2"
    section = f"{{{FLINK} {kind}{given}{more}}}"
    read = options.PipelineOptions(arguments(load(f"beam: {{flink: {section}}}"), "flink"))
    portable = read.view_as(options.PortableOptions)
    assert read.view_as(options.StandardOptions).runner == "PortableRunner"
    assert portable.job_endpoint == "jobs.example:8099"
    assert portable.artifact_endpoint == "files.example:8098"
    assert (portable.environment_type, portable.environment_config) == (kind, config or None)
    assert portable.sdk_worker_parallelism == "2"
    assert read.view_as(options.FlinkRunnerOptions).parallelism == 6
    # Without one TFX would build a package of itself, and a worker would have no pip for it.
    assert read.view_as(options.WorkerOptions).sdk_container_image == image


def test_an_emulated_step_does_its_work_itself(load) -> None:
    config = load(CLOUD, f"beam: {{profile: dataflow, dataflow: {{{DATAFLOW}}}}}")
    step = ["python", "-m", "run", "--executor_class_path", "a.B"]
    assert beam_profile.brought_here([*step, *arguments(config)]) == [*step, *beam_profile.HERE]
    for kept in (step, [*step, *beam_profile.HERE], [*step, "--runner=FnApiRunner", "--other=1"]):
        assert beam_profile.brought_here(kept) == kept


def test_dataflow_cannot_run_on_files_of_this_machine(load) -> None:
    config = load(CLOUD, f"beam: {{profile: dataflow, dataflow: {{{DATAFLOW}}}}}")
    with pytest.raises(InputError) as raised:
        beam_profile.here(config)
    assert str(raised.value).startswith("beam.profile: got dataflow, expected local here: Dataflow")
    assert str(raised.value).endswith("cloud.beam: dataflow")
    assert "\n" not in str(raised.value)


def test_nor_can_containers(load) -> None:
    section = f"{{{FLINK} DOCKER, environment_config: registry.example/w:1}}"
    config = load(f"beam: {{profile: spark, spark: {section}}}")
    with pytest.raises(InputError, match=r"^beam.spark.environment_type: got DOCKER, expected LOO"):
        beam_profile.here(config)


def _flink(port):
    return f"beam: {{profile: flink, flink: {{job_server: 'localhost:{port}', environment_type: LOOPBACK}}}}"


def test_a_job_server_that_does_not_answer_is_one_line_and_may_pass(load) -> None:
    with socket.socket() as taken:
        taken.bind(("localhost", 0))  # and does not listen
        port = taken.getsockname()[1]
        with pytest.raises(Passing, match=rf"^beam: the job server at localhost:{port} does not a"):
            beam_profile.here(load(_flink(port)))


def test_a_job_server_that_takes_connections_will_do(load) -> None:
    with socket.create_server(("localhost", 0)) as server:
        port = server.getsockname()[1]
        assert f"--job_endpoint=localhost:{port}" in beam_profile.here(load(_flink(port)))


@pytest.mark.parametrize("command", [["run"], ["retrain", "--once"]])
def test_the_command_says_so_before_anything_runs(
    command, load, tmp_path, capsys, monkeypatch
) -> None:
    from pipeline.__main__ import main

    monkeypatch.chdir(tmp_path)
    load(CLOUD, f"beam: {{profile: dataflow, dataflow: {{{DATAFLOW}}}}}")
    assert main([*command, "--config", "c.yaml"]) == 2
    told = capsys.readouterr()
    assert told.err.startswith(
        "tokenline: c.yaml:14: beam.profile: got dataflow, expected local here"
    )
    assert (told.out, told.err.count("\n")) == ("", 1)
    assert not (tmp_path / "runs").exists()
