"""Broken jobs: names, labels, roots, values and resources that a service refuses, or a run trips over."""

import pytest
from broken_line import executor, found_alone

from pipeline.kubeflow.lint import lint

TRAINER = "executors.SequenceTrainer_executor.resources"


def _resources(job):
    return executor(job, "SequenceTrainer")["container"]["resources"]


def value_of_nothing(job):
    job["runtimeConfig"]["parameterValues"] = {"train_step": 3}


def value_of_another_type(job):
    job["runtimeConfig"]["parameterValues"] = {"train_steps": "3"}


def value_that_means_nothing(job):
    job["runtimeConfig"]["parameterValues"] = {"spans": '[3, "a"]', "new_spans": "[]"}


def values_that_contradict_each_other(job):
    job["runtimeConfig"]["parameterValues"] = {"spans": "[3]", "new_spans": "[4]"}


def _default(job, name, value):
    declared = job["pipelineSpec"]["root"]["inputDefinitions"]["parameters"]
    declared[name]["defaultValue"] = value


def value_at_another_service(job):
    job["runtimeConfig"]["parameterValues"] = {"data_path": "s3://b/{SPAN}"}


def default_out_of_range(job):
    _default(job, "train_steps", -5)


def default_that_means_nothing(job):
    _default(job, "spans", "newest")


def default_at_another_service(job):
    _default(job, "push_destination", "minio://b/served")


def default_beside_another(job):
    _default(job, "new_spans", "[4]")
    _default(job, "spans", "[3]")


def too_many_cores(job):
    _resources(job)["cpuLimit"] = 9000


def negative_memory(job):
    _resources(job)["memoryLimit"] = -2


def negative_request(job):
    _resources(job)["cpuRequest"] = -0.5


def too_many_cores_as_text(job):
    _resources(job)["resourceCpuLimit"] = "96001m"


def too_much_memory_as_text(job):
    _resources(job)["resourceMemoryLimit"] = "1Ti"


def too_much_memory_in_powers_of_two(job):
    _resources(job)["resourceMemoryLimit"] = "582Gi"  # 624.9 GB


def no_amount(job):
    _resources(job)["resourceMemoryRequest"] = "-2G"


def no_cores(job):
    _resources(job)["resourceCpuRequest"] = "0"


def no_accelerators(job):
    _resources(job)["accelerator"]["count"] = "0"


def negative_accelerators(job):
    _resources(job)["accelerator"] = {"resourceType": "NVIDIA_L4", "resourceCount": "-1"}


def accelerators_to_the_power(job):
    _resources(job)["accelerator"] = {"resourceType": "NVIDIA_L4", "resourceCount": "²"}


def accelerator_without_a_count(job):
    del _resources(job)["accelerator"]["count"]


def unknown_accelerator(job):
    _resources(job)["accelerator"]["type"] = "NVIDIA_TESLA_T5"


def accelerator_of_no_kind(job):
    _resources(job)["accelerator"] = {"count": "1"}


def label_with_a_capital(job):
    job["labels"]["Team"] = "nlp"


def label_with_a_dot(job):
    job["labels"]["version"] = "1.21"


def long_label(job):
    job["labels"]["team"] = "n" * 64


def too_many_labels(job):
    job["labels"] |= {f"label-{number}": "" for number in range(61)}


def another_name(job):
    job["pipelineSpec"]["pipelineInfo"]["name"] = "My_Pipe"


def long_name(job):
    job["pipelineSpec"]["pipelineInfo"]["name"] = "n" * 129


def no_root(job):
    del job["runtimeConfig"]["gcsOutputDirectory"]


def no_runtime(job):
    del job["runtimeConfig"]


def root_without_a_bucket(job):
    job["runtimeConfig"]["gcsOutputDirectory"] = "gs://"


BROKEN = {
    value_of_nothing: "runtimeConfig.parameterValues.train_step: the pipeline has no such parameter, did",
    value_of_another_type: "runtimeConfig.parameterValues.train_steps: got '3', expected an integer",
    value_that_means_nothing: "runtimeConfig.parameterValues.spans: got '[3, \"a\"]', expected a JSON",
    values_that_contradict_each_other: "runtimeConfig.parameterValues.new_spans: got [4], expected some",
    value_at_another_service: "runtimeConfig.parameterValues.data_path: got 's3://b/{SPAN}', expected an",
    default_out_of_range: "root.train_steps: got -5, expected an integer >= 1, or 0: as configured",
    default_that_means_nothing: "root.spans: got 'newest', expected a JSON list of numbers",
    default_at_another_service: "root.push_destination: got 'minio://b/served', expected an address at gs://",
    default_beside_another: "root.new_spans: got [4], expected some of the spans [3]",
    too_many_cores: f"{TRAINER}.cpuLimit: got 9000, expected a number > 0 and <= 96",
    negative_memory: f"{TRAINER}.memoryLimit: got -2, expected a number > 0 and <= 624",
    negative_request: f"{TRAINER}.cpuRequest: got -0.5, expected a number > 0 and <= 96",
    too_many_cores_as_text: f"{TRAINER}.resourceCpuLimit: got '96001m', expected a number > 0 and <= 96",
    too_much_memory_as_text: f"{TRAINER}.resourceMemoryLimit: got '1Ti', expected a number > 0 and <= 624",
    too_much_memory_in_powers_of_two: f"{TRAINER}.resourceMemoryLimit: got '582Gi', expected a number",
    no_amount: f"{TRAINER}.resourceMemoryRequest: got '-2G', expected memory as '16G' or '16Gi'",
    no_cores: f"{TRAINER}.resourceCpuRequest: got '0', expected a number > 0 and <= 96",
    no_accelerators: f"{TRAINER}.accelerator.count: got 0, expected how many, at least 1",
    negative_accelerators: f"{TRAINER}.accelerator.count: got -1, expected how many, at least 1",
    accelerators_to_the_power: f"{TRAINER}.accelerator.count: got ², expected how many, at least 1",
    accelerator_without_a_count: f"{TRAINER}.accelerator.count: got 0, expected how many, at least 1",
    unknown_accelerator: f"{TRAINER}.accelerator.type: got 'NVIDIA_TESLA_T5', which Vertex does not know",
    accelerator_of_no_kind: f"{TRAINER}.accelerator.type: got none, expected which kind",
    label_with_a_capital: "labels.Team: got 'nlp', expected at most 63 of a-z, 0-9, _ and -; a key starts",
    label_with_a_dot: "labels.version: got '1.21', expected at most 63 of",
    long_label: f"labels.team: got '{'n' * 64}', expected at most 63 of",
    too_many_labels: "labels: got 65 labels, expected at most 64",
    another_name: "pipelineInfo.name: got 'My_Pipe', expected a name of a-z, 0-9 and '-', at most 128 long",
    long_name: f"pipelineInfo.name: got '{'n' * 129}', expected a name of a-z",
    no_root: "runtimeConfig.gcsOutputDirectory: got none, expected the gs://… that all runs are kept in",
    no_runtime: "runtimeConfig.gcsOutputDirectory: got none, expected the gs://… that all runs",
    root_without_a_bucket: "runtimeConfig.gcsOutputDirectory: got 'gs://', expected gs://… on Vertex, with",
}  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_it_is_found_alone_and_kfp_finds_nothing(broken, job) -> None:
    assert found_alone(broken, job).startswith(BROKEN[broken])


def root_of_another_store(job):
    job["runtimeConfig"] = {"gcsOutputDirectory": "minio://bucket/p"}


ELSEWHERE = (  # what Kubernetes, or an installation of its own, takes
    value_at_another_service,
    default_at_another_service,
    too_many_cores,
    too_many_cores_as_text,
    too_much_memory_as_text,
    unknown_accelerator,
    label_with_a_capital,
    too_many_labels,
    no_root,
    root_of_another_store,
)


def test_a_line_with_one_of_these_names_may_be_anybody_s(job) -> None:
    default_out_of_range(job)
    del job["pipelineSpec"]["root"]["inputDefinitions"]["parameters"]["new_spans"]
    assert not [each for each in lint(job, "vertex") if each.place == "root.train_steps"]


@pytest.mark.parametrize("broken", ELSEWHERE, ids=lambda broken: broken.__name__)
def test_elsewhere_these_are_nothing(broken, kubeflow_job) -> None:
    broken(kubeflow_job)
    assert lint(kubeflow_job, "kubeflow") == []


@pytest.mark.parametrize(
    "resources",
    [
        {"cpuLimit": 96, "memoryLimit": 624.0, "cpuRequest": 0.5},
        {"cpuLimit": 0, "memoryLimit": 0.0},  # as a message has it where none is said
        {
            "resourceCpuLimit": "500m",
            "resourceMemoryLimit": "581Gi",
            "resourceMemoryRequest": "1.5G",
        },
        {"resourceCpuLimit": "{{$.inputs.parameters['cores']}}"},
        {"accelerator": {"resourceType": "TPU_V3", "resourceCount": "8"}},
        {"accelerator": {"type": "{{$.inputs.parameters['kind']}}", "count": 2}},
        {"accelerator": {"type": "NVIDIA_L4", "resourceCount": "{{$.inputs.parameters['n']}}"}},
        {"accelerator": {}},
    ],
)
def test_resources_that_vertex_has(resources, job) -> None:
    executor(job, "SequenceTrainer")["container"]["resources"] = resources
    assert lint(job, "vertex") == []
