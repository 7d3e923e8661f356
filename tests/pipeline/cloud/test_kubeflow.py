"""`submit` and `schedule` with --target kubeflow: the unmodified kfp client, on loopback."""

import json

import fake_vertex
import pytest
from fake_kubeflow import FakeKubeflow

from components.errors import Passing
from pipeline.__main__ import main
from pipeline.config import load_config
from pipeline.submit import following
from pipeline.submit.kubeflow_service import KubeflowService

GIVEN = ["--target", "kubeflow", "--parameter", "data_path=d"]


@pytest.fixture
def kubeflow(config_file, monkeypatch):
    monkeypatch.setenv("HOME", "nowhere")
    monkeypatch.setattr(following, "POLL_SECONDS", 0.0)
    service = FakeKubeflow()
    with fake_vertex.serving(lambda call: service.answer(call)) as port:
        with open(config_file, "a") as config:
            config.write(f"kubeflow: {{host: 'http://localhost:{port}', token_file: token}}\n")
        (config_file.parent / "token").write_text("secret\n")
        yield service


def task(name, state, seconds=None, **more):
    found = {"task_id": name, "display_name": name, "state": state, **more}
    found["start_time"] = "2026-01-01T12:00:00Z"
    found["end_time"] = f"2026-01-01T12:00:{seconds:02d}Z" if seconds else "1970-01-01T00:00:00Z"
    return found


def test_a_dry_run_is_what_is_sent(kubeflow, spec_file, capsys):
    assert main(["submit", spec_file, *GIVEN, "--dry-run"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert kubeflow.calls == []
    assert main(["submit", spec_file, *GIVEN]) == 0
    (call,) = kubeflow.made("POST", "/runs")
    body = call.body
    assert body["runtime_config"] == {
        "parameters": told["runtimeConfig"]["parameters"],
        "pipeline_root": told["runtimeConfig"]["pipelineRoot"],
    }
    assert told["runtimeConfig"]["parameters"] == {"data_path": "d"}
    assert body["pipeline_spec"] == told["pipelineSpec"]
    assert body["display_name"].startswith("numbers-")
    assert kubeflow.experiments["e0"]["display_name"] == "tokenline"
    out = capsys.readouterr().out
    assert out.startswith("tokenline submit: numbers, job r0\n  http://localhost:")
    assert out.endswith("/#/runs/details/r0\n")
    assert out.count("\n") == 2  # and nothing of kfp's own


def test_waiting(kubeflow, spec_file, capsys):
    window = task("SpanWindow", "SUCCEEDED", 5)
    driver = task("Pusher-driver", "SUCCEEDED", 1)
    kubeflow.course = [
        {"state": "RUNNING", "run_details": {"task_details": [window, driver]}},
        {
            "state": "FAILED",
            "run_details": {
                "task_details": [
                    window,
                    task(
                        "SequenceTrainer",
                        "FAILED",
                        7,
                        error={"code": 1, "message": "out of memory"},
                    ),
                ]
            },
        },
    ]
    assert main(["submit", spec_file, *GIVEN, "--wait", "--json"]) == 1
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each.get("step"), each.get("state")) for each in events[1:]] == [
        ("SpanWindow", "done"),
        ("SequenceTrainer", "failed"),
        (None, "failed"),
    ]
    assert events[-1]["reason"] == "SequenceTrainer failed: out of memory"
    assert main(["submit", "--follow", "r0", "--target", "kubeflow", "--json"]) == 1
    assert capsys.readouterr().out.splitlines() == [json.dumps(each) for each in events[1:]]
    assert main(["submit", "--cancel", "r0", "--target", "kubeflow"]) == 0
    assert len(kubeflow.made("POST", "/runs/r0:terminate")) == 1


def test_a_run_that_ends_well(kubeflow, spec_file, capsys):
    assert main(["submit", spec_file, *GIVEN, "--wait"]) == 0
    assert (
        "  done; whether a model was pushed is not told by the service" in capsys.readouterr().out
    )


def test_a_recurring_run_lives(kubeflow, spec_file, capsys):
    assert main(["schedule", "*/30 3 * * 1", spec_file, *GIVEN]) == 0
    (call,) = kubeflow.made("POST", "/recurringruns")
    assert call.body["trigger"]["cron_schedule"]["cron"] == "0 */30 3 * * 1"
    assert call.body["max_concurrency"] in (1, "1")
    assert call.body["no_catchup"] is True
    assert call.body["mode"] == "ENABLE"
    assert call.body["runtime_config"]["parameters"] == {"data_path": "d"}
    assert main(["schedule", "0 0 1 * *", spec_file, *GIVEN, "--name", "monthly"]) == 0
    to = ["--target", "kubeflow"]
    assert main(["schedule", "--pause", "numbers", *to]) == 0
    capsys.readouterr()
    assert main(["schedule", "--list", *to]) == 0
    assert capsys.readouterr().out == (
        "monthly  active  0 0 1 * *  (s1)\nnumbers  paused  */30 3 * * 1  (s0)\n"
    )
    assert main(["schedule", "--resume", "numbers", *to]) == 0
    assert kubeflow.recurring["s0"]["status"] == "ENABLED"
    assert main(["schedule", "--delete", "numbers", *to]) == 0
    assert list(kubeflow.recurring) == ["s1"]


@pytest.mark.parametrize(
    ("refused", "says"),
    [
        (
            fake_vertex.Refused(403, "no access to namespace x"),
            "403 Forbidden: no access to namespace x",
        ),
        (
            fake_vertex.Refused(503, "later"),
            "503 Service Unavailable: later; it may be tried again",
        ),
    ],
)
def test_refusals_are_one_line(kubeflow, spec_file, capsys, refused, says):
    kubeflow.refusal = refused
    assert main(["submit", spec_file, *GIVEN]) == 2
    error = capsys.readouterr().err
    assert error.startswith("tokenline: kubeflow.host: http://localhost:")
    assert says in error
    assert error.count("\n") == 1


def test_an_installation_that_is_not_up_yet(kubeflow, spec_file, monkeypatch, capfd):
    monkeypatch.setattr("kfp.client.client.time.sleep", lambda seconds: None)
    kubeflow.sick = True
    assert main(["submit", spec_file, *GIVEN]) == 2
    captured = capfd.readouterr()
    assert "Failed getting healthz endpoint after 5 attempts; it may be tried" in captured.err
    assert (captured.out, captured.err.count("\n")) == ("", 1)


def test_a_time_zone_and_a_missing_token_are_refused(kubeflow, spec_file, config_file, capsys):
    assert main(["schedule", "TZ=UTC 0 3 * * *", spec_file, *GIVEN]) == 2
    assert "cron: got TZ=UTC, expected none" in capsys.readouterr().err
    (config_file.parent / "token").unlink()
    assert main(["submit", spec_file, *GIVEN]) == 2
    assert "kubeflow.token_file: token: No such file or directory" in capsys.readouterr().err


def test_nobody_at_the_address(config_file):
    with fake_vertex.serving(lambda call: {}) as port:
        pass  # a port at which nobody listens any more
    with open(config_file, "a") as config:
        config.write(f"kubeflow: {{host: 'http://localhost:{port}'}}\n")
    read = load_config(config_file)
    with pytest.raises(Passing, match=f"localhost:{port}: Connection refused, expected Kubeflow"):
        KubeflowService(read.cloud, read.kubeflow).schedules()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("kubeflow: {}", "kubeflow.host: missing"),
        ("kubeflow: {host: kubeflow.example.org}", "kubeflow.host: got 'kubeflow.example.org'"),
        (
            "kubeflow: {host: 'http://h', experiment: ''}",
            "kubeflow.experiment: got '', expected text",
        ),
    ],
)
def test_the_section(config_file, capsys, text, says):
    with open(config_file, "a") as config:
        config.write(text + "\n")
    assert main(["schedule", "--list"]) == 2
    assert says in capsys.readouterr().err


def test_the_section_needs_the_one_of_the_cloud(config_file, capsys):
    text = config_file.read_text()
    config_file.write_text(text[: text.index("cloud:")] + "kubeflow: {host: 'http://h'}\n")
    assert main(["schedule", "--list"]) == 2
    assert "kubeflow: has no effect without the section cloud" in capsys.readouterr().err
