"""The containers' entry point on Kubeflow: the driver first, then TFX's entry point as it is."""

import json
import pathlib
import runpy
import subprocess
import sys

import pytest

from components import container_entrypoint
from components.errors import InputError

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
SPAN_WINDOW = "components.span_window.executor.Executor"


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


def test_span_window_finds_the_newest_span_without_vertex(tmp_path):
    """The real thing, in a process of its own, in an empty folder."""
    for span in (1, 2):
        (tmp_path / f"span-{span}").mkdir()
        (tmp_path / f"span-{span}" / "rows.jsonl").write_text(f'{{"text": "{span}"}}\n')
    output = tmp_path / "task" / "executor_output.json"
    kind = {"instanceSchema": "title: components.SpanList\ntype: object\n"}
    window = {"name": "w", "uri": str(tmp_path / "window"), "type": kind}
    parameters = {
        "input_base": str(tmp_path / "span-{SPAN}"),
        "spans": "latest:1",
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
    ]
    empty = tmp_path / "empty"
    empty.mkdir()
    done = subprocess.run(
        command,
        cwd=empty,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": "", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "window" / "spans.json").read_text())
    assert found["spans"] == [2]
    assert found["fingerprint"]
    said = json.loads(output.read_text())["artifacts"]["span_window"]["artifacts"][0]["metadata"]
    assert said["input_fingerprint"] == found["fingerprint"]
    assert list(empty.iterdir()) == []
