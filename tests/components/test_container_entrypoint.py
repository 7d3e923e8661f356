"""The containers' entry point: TFX's as it is; on Kubeflow the driver first, on Vertex a word of failures."""

import json
import pathlib
import runpy
import subprocess
import sys

import pytest

from components import conditional, container_entrypoint, failures
from components.errors import InputError, Passing

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
SPAN_WINDOW = "components.span_window.executor.Executor"
JOB = "numbers-0123456789abcdef-1"


@pytest.fixture
def started(monkeypatch):
    """What would be started, instead of TFX's entry point and of the driver."""
    from components.span_window import driver

    found = []
    monkeypatch.setattr(sys, "argv", ["unused"])
    monkeypatch.setattr(driver, "main", lambda arguments: found.append(("driver", arguments)) or 0)
    monkeypatch.setattr(
        runpy,
        "run_module",
        lambda name, **more: found.append((name.rpartition(".")[2], sys.argv[1:])),
    )
    return found


@pytest.mark.parametrize(
    ("given", "drives"),
    [
        (["--executor_class_path", SPAN_WINDOW, "--x", "1"], True),
        ([f"--executor_class_path={SPAN_WINDOW}"], True),
        (["--executor_class_path", "components.example_gen.executor.Executor"], False),
        (["--x", SPAN_WINDOW], False),
    ],
)
def test_the_driver_runs_before_its_component_alone(started, given, drives):
    assert container_entrypoint.main(given) == 0
    expected = [("driver", given)] * drives + [("kubeflow_v2_run_executor", given)]
    assert started == expected


def test_a_driver_that_fails_stops_the_component(started, monkeypatch):
    from components.span_window import driver

    monkeypatch.setattr(driver, "main", lambda arguments: 2)
    assert container_entrypoint.main(["--executor_class_path", SPAN_WINDOW]) == 2
    assert started == []


def test_bad_input_is_one_line(monkeypatch, capsys):
    def refuse(name, **more):
        raise InputError("rows.jsonl:3: got no text")

    monkeypatch.setattr(sys, "argv", ["unused"])
    monkeypatch.setattr(runpy, "run_module", refuse)
    assert container_entrypoint.main(["--executor_class_path", "x.Executor"]) == 2
    assert capsys.readouterr().err == "tokenline: rows.jsonl:3: got no text\n"


def of_vertex(folder, job=JOB):
    return ["--outcome_to", str(folder), "--job", job, "--task", "ExampleGen"]


def fails(monkeypatch, error):
    def fail(name, **more):
        raise error

    monkeypatch.setattr(sys, "argv", ["unused"])
    monkeypatch.setattr(runpy, "run_module", fail)


def test_on_vertex_tfx_gets_its_own_arguments_alone_and_the_driver_has_run(started, tmp_path):
    own = [
        "--executor_class_path",
        SPAN_WINDOW,
        "--json_x",
        '{"a": 1}',
        "--job_name=b",
        "--out=o",
        "--runner=R",
    ]
    assert container_entrypoint.main([*own[:3], *of_vertex(tmp_path), *own[3:]]) == 0
    assert started == [("kubeflow_v2_run_executor", own)]
    assert list(tmp_path.iterdir()) == []


def test_on_vertex_bad_input_is_told_as_it_is(monkeypatch, tmp_path, capsys):
    fails(monkeypatch, InputError("rows.jsonl:3: got no text\nrows.jsonl:4: got no text"))
    assert container_entrypoint.main(of_vertex(tmp_path)) == 2
    assert "tokenline: rows.jsonl:3: got no text" in capsys.readouterr().err
    assert failures.read(str(tmp_path), JOB) == failures.Failure(
        job=JOB,
        step="ExampleGen",
        reason="rows.jsonl:3: got no text\nrows.jsonl:4: got no text",
        permanent=True,
    )


@pytest.mark.parametrize("error", [Passing("no answer"), RuntimeError("no memory")])
def test_what_may_end_otherwise_is_not_told_as_for_good(monkeypatch, tmp_path, error):
    fails(monkeypatch, error)
    if isinstance(error, Passing):
        assert container_entrypoint.main(of_vertex(tmp_path)) == 2
    else:
        with pytest.raises(RuntimeError, match="no memory"):
            container_entrypoint.main(of_vertex(tmp_path))
    told = failures.read(str(tmp_path), JOB)
    assert str(error) in told.reason
    assert not told.permanent


@pytest.mark.parametrize("problem", [InputError("403: no access\nhere"), ImportError("no client")])
@pytest.mark.parametrize("error", [InputError("rows.jsonl:3: no text"), RuntimeError("no memory")])
def test_a_failure_that_cannot_be_told_is_the_same_failure(monkeypatch, capsys, problem, error):
    def refuse(*arguments, **more):
        raise problem

    fails(monkeypatch, error)
    monkeypatch.setattr(conditional, "read", refuse)
    if isinstance(error, InputError):
        assert container_entrypoint.main(of_vertex("gs://bucket/runs")) == 2
    else:
        with pytest.raises(RuntimeError) as raised:
            container_entrypoint.main(of_vertex("gs://bucket/runs"))
        assert raised.value is error
    said = capsys.readouterr().err
    assert ("rows.jsonl:3: no text" in said) == isinstance(error, InputError)
    told = " ".join(str(problem).split())
    assert f"why this step failed could not be told: {told}\n" in said


def test_what_asks_a_step_to_end_is_no_failure_of_its_own(monkeypatch, tmp_path):
    fails(monkeypatch, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        container_entrypoint.main(of_vertex(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_span_window_tells_in_a_process_of_its_own_what_is_wrong(tmp_path):
    """The real thing on Vertex, with TFX around it, and no driver in the way."""
    done = span_window(tmp_path, spans="[1, 1]", more=of_vertex(tmp_path / "runs"))
    assert done.returncode == 2
    said = "spans: got '[1, 1]', expected a JSON list of numbers, each once"
    assert f"\ntokenline: {said}" in done.stderr
    told = failures.read(str(tmp_path / "runs"), JOB)
    assert told.reason.startswith(said)
    assert told.permanent


def test_span_window_finds_the_newest_span_without_vertex(tmp_path):
    """The real thing, in a process of its own, in an empty folder."""
    for span in (1, 2):
        (tmp_path / f"span-{span}").mkdir()
        (tmp_path / f"span-{span}" / "rows.jsonl").write_text(f'{{"text": "{span}"}}\n')
    done = span_window(tmp_path, spans="latest:1")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "window" / "spans.json").read_text())
    assert found["spans"] == [2]
    assert found["fingerprint"]
    output = tmp_path / "task" / "executor_output.json"
    said = json.loads(output.read_text())["artifacts"]["span_window"]["artifacts"][0]["metadata"]
    assert said["input_fingerprint"] == found["fingerprint"]
    assert list((tmp_path / "empty").iterdir()) == []


def span_window(tmp_path, *, spans, more=()):
    """SpanWindow's container, as it ended."""
    output = tmp_path / "task" / "executor_output.json"
    kind = {"instanceSchema": "title: components.SpanList\ntype: object\n"}
    window = {"name": "w", "uri": str(tmp_path / "window"), "type": kind}
    parameters = {
        "input_base": str(tmp_path / "span-{SPAN}"),
        "spans": spans,
        "new_spans": "[]",
        "fingerprint": "",
        "format": "jsonl",
        "split": '{"train": 9, "eval": 1}',
        "code_hash": "",
    }
    invocation = {
        "inputs": {"parameterValues": parameters},
        "outputs": {
            "outputFile": str(output),
            "artifacts": {"span_window": {"artifacts": [window]}},
        },
    }
    types = {"parameters": {name: {"parameterType": "STRING"} for name in parameters}}
    command = [
        *(sys.executable, "-m", "components.container_entrypoint"),
        *("--executor_class_path", SPAN_WINDOW),
        *("--json_serialized_invocation_args", json.dumps(invocation)),
        *("--json_serialized_inputs_spec_args", json.dumps(types)),
        *more,
    ]
    empty = tmp_path / "empty"
    empty.mkdir()
    return subprocess.run(
        command,
        cwd=empty,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": "", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
