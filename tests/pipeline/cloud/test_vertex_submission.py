"""VertexSubmitter and the unmodified aiplatform client against a Vertex on loopback."""

import dataclasses
import socket

import pytest
from google.auth.exceptions import DefaultCredentialsError
from google.cloud import aiplatform_v1

from components.errors import InputError, Passing
from pipeline.submission import VertexSubmitter

KEY = "0123456789abcdef" * 4
JOB = "projects/my-project/locations/europe-west4/pipelineJobs/numbers-0123456789abcdef-1"


@pytest.fixture
def submitter(config, spec_file):
    return VertexSubmitter(config, spec_file)


def test_what_is_sent(vertex, submitter):
    given = {"data_path": "gs://bucket/data/span-{SPAN}", "train_steps": 7, "rate": 2}
    assert submitter.submit(KEY, 1, given) == JOB
    (call,) = vertex.made("POST", "pipelineJobs")
    assert call.query["pipelineJobId"] == "numbers-0123456789abcdef-1"
    body = call.body
    assert body["displayName"] == "numbers"
    assert body["labels"] == {
        "team": "nlp",
        "tfx_version": "1-21-0",
        "tokenline-run-key": "0123456789abcdef",
    }
    assert body["serviceAccount"] == "runner@my-project.iam.gserviceaccount.com"
    assert "network" not in body
    runtime = body["runtimeConfig"]
    assert runtime["gcsOutputDirectory"] == "gs://bucket/pipelines"
    assert runtime["parameterValues"] == given | {"run_key": KEY}
    fast = aiplatform_v1.PipelineFailurePolicy.PIPELINE_FAILURE_POLICY_FAIL_FAST
    assert runtime["failurePolicy"] == fast
    assert body["pipelineSpec"]["pipelineInfo"] == {"name": "numbers"}


def test_an_attempt_is_submitted_once(vertex, submitter):
    given = {"data_path": "d"}
    assert submitter.submit(KEY, 1, given) == JOB
    assert submitter.submit(KEY, 1, given) == JOB
    assert submitter.submit(KEY, 2, given) == JOB[:-1] + "2"
    assert len(vertex.jobs) == 2


def test_a_lost_answer_is_no_second_job(vertex, submitter):
    vertex.faults.append((503, True))
    assert submitter.submit(KEY, 1, {"data_path": "d"}) == JOB
    assert len(vertex.made("POST", "pipelineJobs")) == 2
    assert list(vertex.jobs) == [JOB]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "parameter data_path: missing, expected text: it has no default"),
        ({"data_path": 3}, "parameter data_path: got 3, expected text"),
        (
            {"data_path": "d", "train_steps": "7"},
            "parameter train_steps: got '7', expected an integer",
        ),
        (
            {"data_path": "d", "train_steps": True},
            "parameter train_steps: got True, expected an int",
        ),
        ({"data_path": "d", "train_steps": 2**53 + 1}, "expected an integer of at most"),
        ({"data_path": "d", "rate": float("nan")}, "parameter rate: got nan, expected a finite"),
        ({"data_path": "d", "span": "1"}, "no such parameter, did you mean spans?"),
    ],
)
def test_parameters_are_checked_before_anything_is_sent(vertex, submitter, given, says):
    with pytest.raises(InputError) as refused:
        submitter.submit(KEY, 1, given)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)
    assert vertex.calls == []


def test_states(vertex, submitter):
    vertex.course = [
        {"state": f"PIPELINE_STATE_{name}"} for name in ("QUEUED", "RUNNING", "FAILED")
    ]
    job = submitter.submit(KEY, 1, {"data_path": "d"})
    assert [submitter.state(job) for _ in range(4)] == ["QUEUED", "RUNNING", "FAILED", "FAILED"]
    assert submitter.state(job[:-1] + "9") == "NOT_FOUND"


@pytest.mark.parametrize(
    ("code", "kind", "says"),
    [
        (403, InputError, "403 .*roles/aiplatform.user"),
        (400, InputError, "400 .*injected"),
        (504, Passing, "504 .*it may be tried again"),
    ],
)
def test_refusals_are_one_line(vertex, submitter, code, kind, says):
    vertex.faults.append((code, False))
    with pytest.raises(
        kind, match=f"Vertex AI, project my-project, europe-west4: {says}"
    ) as refused:
        submitter.submit(KEY, 1, {"data_path": "d"})
    assert type(refused.value) is kind
    assert "\n" not in str(refused.value)


def test_a_missing_section_and_an_unknown_region(config, config_file, spec_file):
    with pytest.raises(InputError, match="cloud: missing, expected a section"):
        VertexSubmitter(dataclasses.replace(config, cloud=None), spec_file)
    nowhere = dataclasses.replace(config, cloud=dataclasses.replace(config.cloud, region="mars"))
    with pytest.raises(InputError, match=r"cloud\.region: got 'mars', expected a region of Vertex"):
        VertexSubmitter(nowhere, spec_file)


def test_no_credentials_is_one_line(submitter, monkeypatch):
    def default(**arguments):
        raise DefaultCredentialsError("long text")

    monkeypatch.setattr("google.auth.default", default)
    with pytest.raises(
        InputError, match="no credentials found, expected credentials: `gcloud auth"
    ):
        submitter.submit(KEY, 1, {"data_path": "d"})


def test_the_guard_of_this_folder_bites(left):
    for host in ("192.0.2.1", "storage.googleapis.com"):
        with pytest.raises(PermissionError, match="not on loopback"):
            socket.create_connection((host, 80), timeout=1)
    assert left
    left.clear()
