"""`tokenline submit`: the request, waiting with live steps, exit codes, Ctrl-C."""

import io
import json
import subprocess
import sys

import pytest
from fake_vertex import step
from small_pipeline import REPOSITORY, compiled

from components.errors import InputError, Passing
from pipeline.__main__ import main
from pipeline.submit import command, following
from pipeline.submit.service import Look, Step
from pipeline.terminal import Terminal

GIVEN = ["--parameter", "data_path=gs://bucket/data/span-{SPAN}"]
PUSHED = {"pushed": 1.0, "pushed_destination": "gs://bucket/served/3", "pushed_version": "3"}
REFUSED = {"pushed": 0.0, "reason": "not blessed"}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(following, "POLL_SECONDS", 0.0)


def pusher(facts):
    artifact = {"uri": "gs://bucket/x", "metadata": facts}
    return step("Pusher", "SUCCEEDED", 1, outputs={"pushed_model": {"artifacts": [artifact]}})


def course(*looks):
    """State of the job, and its tasks; the root's dag is one of them."""
    root = step("numbers-root", "RUNNING")
    return [
        {"state": f"PIPELINE_STATE_{state}", "jobDetail": {"taskDetails": [root, *tasks]}}
        for state, *tasks in looks
    ]


def test_a_dry_run_is_what_is_sent_and_needs_nothing(vertex, config_file, spec_file, capsys):
    assert main(["submit", spec_file, *GIVEN, "--dry-run", "--no-cache"]) == 0
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    assert captured.err == "tokenline: a dry run: nothing was sent\n"
    assert vertex.calls == []
    assert main(["submit", spec_file, *GIVEN, "--no-cache"]) == 0
    (call,) = vertex.made("POST", "pipelineJobs")
    told["pipelineJob"]["runtimeConfig"]["failurePolicy"] = 2  # by name, and by number
    assert told["pipelineJob"] == call.body
    assert told["parent"] == "projects/my-project/locations/europe-west4"
    tasks = call.body["pipelineSpec"]["root"]["dag"]["tasks"]
    assert {task["cachingOptions"]["enableCache"] for task in tasks.values()} == {False}


def test_a_dry_run_without_credentials_or_network(config_file, spec_file):
    """In a process of its own: no credentials, no address that is not refused, the default transport."""
    code = (
        "import socket, sys\n"
        "def refuse(*arguments, **more): raise SystemExit('asked for the network')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "from pipeline.__main__ import main\n"
        f"sys.exit(main(['submit', {spec_file!r}, *{GIVEN!r}, '--dry-run']))"
    )
    environment = {"PYTHONPATH": f"{REPOSITORY}", "PATH": "", "HOME": "nowhere"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "tokenline: a dry run: nothing was sent\n")
    assert json.loads(done.stdout)["pipelineJob"]["displayName"] == "numbers"


def test_submitting_says_where_to_look(vertex, config_file, spec_file, capsys):
    assert main(["submit", spec_file, *GIVEN]) == 0
    first, second = capsys.readouterr().out.splitlines()
    (job,) = vertex.jobs
    short = job.rpartition("/")[2]
    assert first == f"tokenline submit: numbers, job {short}"
    assert second == (
        "  https://console.cloud.google.com/vertex-ai/locations/europe-west4/pipelines/runs/"
        f"{short}?project=my-project"
    )


def test_waiting_shows_the_steps_as_they_end(vertex, config_file, spec_file, capsys):
    window, trained = step("SpanWindow", "SKIPPED", 0), step("SequenceTrainer", "SUCCEEDED", 61.25)
    vertex.course = course(
        ("PENDING",),
        ("RUNNING", step("Importer", "SUCCEEDED", 1), window, step("SequenceTrainer", "RUNNING")),
        ("RUNNING", window, trained, step("Pusher", "RUNNING")),
        ("SUCCEEDED", window, trained, pusher(PUSHED)),
    )
    assert main(["submit", spec_file, *GIVEN, "--wait"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.endswith("…")]
    assert lines[2:-1] == [
        "  SpanWindow                     cached",
        "  SequenceTrainer                61.2 s",
        "  Pusher                          1.0 s",
        "  pushed: gs://bucket/served/3",
    ]


@pytest.mark.parametrize(
    ("look", "code", "says"),
    [
        (("SUCCEEDED", pusher(REFUSED)), 3, "  not pushed: not blessed"),
        (("CANCELLED",), 1, "tokenline: the job was cancelled"),
        (
            (
                "FAILED",
                step("SequenceTrainer", "FAILED", 2, error={"code": 9, "message": "no\nGPU"}),
            ),
            1,
            "tokenline: SequenceTrainer failed: no GPU",
        ),
        (("SUCCEEDED",), 0, "  done; whether a model was pushed is not told by the service"),
    ],
)
def test_exit_codes_are_those_of_run(vertex, config_file, spec_file, capsys, look, code, says):
    vertex.course = course(look)
    assert main(["submit", spec_file, *GIVEN, "--wait"]) == code
    assert says in capsys.readouterr().out.splitlines()


def test_json_is_a_line_an_event(vertex, config_file, spec_file, capsys):
    vertex.course = course(("SUCCEEDED", step("SpanWindow", "SUCCEEDED", 2), pusher(REFUSED)))
    assert main(["submit", spec_file, *GIVEN, "--wait", "--json"]) == 3
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in events] == ["submitted", "step", "step", "ended"]
    assert events[1] == {"event": "step", "step": "SpanWindow", "state": "done", "seconds": 2.0}
    assert events[3]["not_pushed"] == "not blessed"
    assert events[3]["exit_code"] == 3


def test_ctrl_c_leaves_the_job_running(vertex, config, spec_file, capsys):
    def interrupt(seconds):
        raise KeyboardInterrupt

    vertex.course = course(("RUNNING",))
    how = command.How(wait=True, sleep=interrupt)
    what = command.What(spec_file, "vertex", (GIVEN[1],))
    assert command.submit(config, what, how) == 130
    (job,) = vertex.jobs
    short = job.rpartition("/")[2]
    error = capsys.readouterr().err
    assert f"job {short} goes on" in error
    assert f"tokenline submit --follow {short}" in error
    assert f"tokenline submit --cancel {short}" in error
    assert vertex.made("POST", ":cancel") == []

    assert main(["submit", "--cancel", short]) == 0
    assert len(vertex.made("POST", ":cancel")) == 1
    vertex.course = course(
        ("CANCELLED", step("Importer", "SUCCEEDED", 1), step("Pusher", "CANCELLED", 2))
    )
    assert main(["submit", "--follow", short, "--json"]) == 1
    (told, ended) = map(json.loads, capsys.readouterr().out.splitlines()[-2:])
    assert (told["step"], told["state"]) == ("Pusher", "cancelled")
    assert (ended["event"], ended["state"]) == ("ended", "cancelled")


def _without_its_producer(job):
    tasks = job["pipelineSpec"]["root"]["dag"]["tasks"]
    tasks["Importer"]["dependentTasks"] = ["ExampleGan"]


def _image_of_tfx(job):
    for executor in job["pipelineSpec"]["deploymentSpec"]["executors"].values():
        if "container" in executor:
            executor["container"]["image"] = "gcr.io/tfx-oss-public/tfx:1.21.0"


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (_without_its_producer, "root.Importer: waits for 'ExampleGan'"),
        (_image_of_tfx, "got image 'gcr.io/tfx-oss-public/tfx:1.21.0', expected one that holds"),
    ],
)
@pytest.mark.parametrize("command", [["submit"], ["schedule", "0 3 * * *"]])
def test_what_cannot_run_is_not_sent(vertex, config_file, tmp_path, capsys, command, broken, says):
    job = compiled()
    broken(job)
    (tmp_path / "p.json").write_text(json.dumps(job))
    assert main([*command, "p.json", *GIVEN]) == 1
    error = capsys.readouterr().err
    assert says in error
    assert all(line.startswith("tokenline: ") for line in error.splitlines())
    assert not vertex.jobs


@pytest.mark.parametrize("option", ["--follow", "--cancel"])
def test_a_job_of_another_region_is_one_line(vertex, config_file, capsys, option):
    job = "projects/p/locations/us-east1/pipelineJobs/j"
    assert main(["submit", option, job]) == 2
    error = capsys.readouterr().err
    assert error.startswith("tokenline: ")
    assert job in error
    assert error.count("\n") == 1


def test_a_service_that_does_not_answer_for_a_while_is_waited_for(
    vertex, config_file, spec_file, capsys
):
    vertex.course = course(("RUNNING",), ("SUCCEEDED", pusher(PUSHED)))
    make = vertex.answer

    def answer(call):
        if len(vertex.calls) == 2:  # after the submission and the first look
            vertex.faults.extend([(503, False)] * 3)
        return make(call)

    vertex.answer = answer
    assert main(["submit", spec_file, *GIVEN, "--wait", "--json"]) == 0
    out = capsys.readouterr().out
    assert out.count('"delayed"') == 3
    assert "503" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["none.json"], "none.json: No such file or directory, expected a compiled"),
        (["FILE"], "parameter data_path: missing, expected text: it has no default"),
        (["FILE", "--parameter", "x"], "--parameter: got 'x', expected NAME=VALUE"),
        (["FILE", *GIVEN, *GIVEN], "--parameter data_path: given twice"),
        (["FILE", "--parameter", "span=1"], "--parameter span: the pipeline has no such parameter"),
        (
            ["FILE", *GIVEN, "--parameter", "train_steps=1.5"],
            "--parameter train_steps: got '1.5', expected an integer",
        ),
        (
            ["FILE", *GIVEN, "--parameter", "rate=inf"],
            "--parameter rate: got 'inf', expected a fin",
        ),
        (["--cancel", ""], "--cancel: got '', expected a job"),
        (["--follow", ""], "--follow: got '', expected a job"),
        (["FILE", "--schedule", ""], "--schedule: got '', expected CRON"),
        (["FILE", "--follow", "j"], "FILE: has no effect with --follow"),
        (["FILE", "--dry-run", "--wait"], "--wait: has no effect with --dry-run"),
        (["FILE", "--name", "n"], "--name: has no effect with a single run"),
        (
            ["FILE", "--target", "kubeflow"],
            "pipeline_config.yaml:1: kubeflow: missing, expected a section",
        ),
    ],
)
def test_bad_arguments_are_one_line_and_exit_2(config_file, spec_file, capsys, arguments, says):
    given = [spec_file if each == "FILE" else each for each in arguments]
    if "kubeflow" in given:
        given += GIVEN
    assert main(["submit", *given]) == 2
    error = capsys.readouterr().err
    assert error.startswith("tokenline: ")
    assert says in error
    assert error.count("\n") == 1


def test_what_is_null_is_what_is_left_out(config_file, tmp_path, capsys):
    """The client's own reading of a file would end in a traceback."""
    job = compiled()
    asked = []
    for change in ({}, {"runtimeConfig": None, "labels": None, "displayName": None}):
        job |= change
        if change:
            job["pipelineSpec"]["components"]["Pusher"]["inputDefinitions"] = None
        (tmp_path / "p.json").write_text(json.dumps(job))
        assert main(["submit", "p.json", *GIVEN, "--dry-run"]) == 0
        asked.append(json.loads(capsys.readouterr().out)["pipelineJob"])
    before, after = asked
    assert after["labels"] == {"team": "nlp"}
    assert after | {"labels": before["labels"]} == before


def test_settings_of_a_platform_are_not_lost_unsaid(config_file, tmp_path, capsys):
    documents = json.dumps(compiled()["pipelineSpec"]), json.dumps({"platforms": {}})
    (tmp_path / "p.yaml").write_text("\n---\n".join(documents))
    assert main(["submit", "p.yaml", *GIVEN, "--dry-run"]) == 2
    assert capsys.readouterr().err == (
        "tokenline: p.yaml: got further YAML documents, expected the pipelineSpec alone\n"
    )


def test_a_yaml_file_takes_root_and_accounts_from_the_config(config_file, tmp_path, capsys):
    (tmp_path / "p.yaml").write_text(json.dumps(compiled()["pipelineSpec"]))
    assert main(["submit", "p.yaml", *GIVEN, "--dry-run"]) == 0
    job = json.loads(capsys.readouterr().out)["pipelineJob"]
    assert job["runtimeConfig"]["gcsOutputDirectory"] == "gs://bucket/pipelines"
    assert job["labels"] == {"team": "nlp"}
    assert "serviceAccount" not in job


def test_a_file_is_told_only_what_is_new():
    """Whoever waits for hours with the output in a file does not find the same line a thousand times."""
    stream = io.StringIO()
    terminal = Terminal(stream)
    shown = following.Lines(terminal)
    running = [Step("SequenceTrainer", "running")]
    for _ in range(3):
        terminal._last = float("-inf")  # as if long enough had passed since the last line
        shown.now(running)
    shown.step(Step("SequenceTrainer", "done", 61.0))
    terminal._last = float("-inf")
    shown.now([Step("Pusher", "running")])
    assert stream.getvalue().splitlines() == [
        "  SequenceTrainer …",
        "  SequenceTrainer                61.0 s",
        "  Pusher …",
    ]


def looks(*found):
    """What looks return, or raise."""
    left = list(found)

    def look():
        one = left.pop(0)
        if isinstance(one, Exception):
            raise one
        return one

    return look


def test_only_failures_in_a_row_end_the_waiting():
    away, running = [Passing("away")] * 19, Look("running")
    shown = following.Lines(Terminal(io.StringIO()))
    paused = []
    course = (*away, running, *away, Look("done"))
    assert following.follow(looks(*course), shown, paused.append).state == "done"
    with pytest.raises(Passing, match="away"):
        following.follow(looks(*away, *away), shown, paused.append)
    with pytest.raises(InputError, match="403"):
        following.follow(looks(InputError("403")), shown, paused.append)


class FakeCompiler:
    """Instead of `pipeline.kubeflow_runner`."""

    class BadSpecification(Exception):
        pass

    def __init__(self, found=None):
        self.found, self.targets = found, []

    def compile_pipeline(self, config, target, output):
        self.targets.append(target)
        if self.found:
            raise self.BadSpecification(self.found)
        with open(output, "w") as file:
            json.dump(compiled(), file)


def test_without_a_file_the_line_is_compiled(config_file, monkeypatch, capsys):
    compiler = FakeCompiler()
    monkeypatch.setitem(sys.modules, "pipeline.kubeflow_runner", compiler)
    assert main(["submit", *GIVEN, "--dry-run"]) == 0
    assert json.loads(capsys.readouterr().out)["pipelineJob"]["displayName"] == "numbers"
    assert compiler.targets == ["vertex"]


def test_a_line_that_cannot_run_is_no_bad_input(config_file, monkeypatch, capsys):
    compiler = FakeCompiler("root.Trainer: no such output\nroot.Pusher: no such task")
    monkeypatch.setitem(sys.modules, "pipeline.kubeflow_runner", compiler)
    assert main(["submit", *GIVEN, "--dry-run"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = [line for line in captured.err.splitlines() if "compiling" not in line]
    assert lines == [
        "tokenline: root.Trainer: no such output",
        "tokenline: root.Pusher: no such task",
    ]
