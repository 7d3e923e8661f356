"""`tokenline emulate`: what the user types and sees."""

import fcntl
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
from compiled import Compiled

from pipeline.__main__ import main

_OUT = {"pushed_model": "tfx.PushedModel"}
_PUSHES = 'tell({"pushed_model": {"pushed": 1, "pushed_destination": "gs://b/served/1"}})'
_REFUSES = 'tell({"pushed_model": {"pushed": 0, "reason": "not blessed"}})'


@pytest.fixture
def folder(tmp_path: pathlib.Path, monkeypatch, request) -> pathlib.Path:
    """The current folder; steps run in this interpreter, no wheel is built."""
    from pipeline.emulator import image

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(image, "python", lambda kept: sys.executable)
    return tmp_path


def _write(folder: pathlib.Path, code: str) -> None:
    compiled = Compiled()
    compiled.declared = {"n": {"parameterType": "NUMBER_INTEGER", "defaultValue": 1}}
    compiled.step("Pusher", code, outputs=_OUT)
    compiled.step("After", dependentTasks=["Pusher"])
    (folder / "p.json").write_text(json.dumps(compiled.document))


@pytest.mark.parametrize(
    ("code", "expected", "says"),
    [
        (_PUSHES, 0, "  model   runs/emulated/b/served/1\n"),
        (_REFUSES, 3, "  model   not pushed: not blessed\n"),
        ("sys.exit(4)", 1, "tokenline: Pusher failed: ended with exit code 4\n"),
    ],
)
def test_exit_codes(folder, capsys, code: str, expected: int, says: str) -> None:
    _write(folder, code)
    assert main(["emulate", "p.json"]) == expected
    out = capsys.readouterr().out
    assert out.startswith("tokenline emulate: small, p.json (subprocess, runs/emulated)\n")
    assert says in out
    assert "logs" in out


def test_bad_input_of_a_step_is_exit_2_and_its_line(folder, capsys) -> None:
    _write(folder, 'print("tokenline: a.csv:3: got 1, expected 2"); sys.exit(2)')
    assert main(["emulate", "p.json"]) == 2
    said = capsys.readouterr()
    assert said.err == "tokenline: a.csv:3: got 1, expected 2\n"
    assert "logs: runs/emulated/.emulator/jobs/small-" in said.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["absent.json"], "absent.json: No such file or directory"),
        (["p.json", "--parameter", "n=x"], "parameter n: got 'x', expected an integer"),
        (["p.json", "--parameter", "m=1"], "--parameter m: the pipeline has no such parameter"),
        (["p.json", "--data", "gs://b/x=absent"], "--data: absent: no such file or folder"),
        (["p.json", "--root", "p.json"], "p.json"),
        (
            ["p.json", "--data", "gs://b/x=.", "--data", "gs://b/x/=.."],
            "--data gs://b/x: given twice, expected one folder",
        ),
    ],
)
def test_bad_arguments_are_one_line_and_exit_2(folder, capsys, arguments, says: str) -> None:
    _write(folder, "")
    assert main(["emulate", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("tokenline: ")
    assert says in error
    assert error.count("\n") == 1


def test_json_is_a_line_an_event_and_ends_with_the_job(folder, capsys) -> None:
    _write(folder, _REFUSES)
    assert main(["emulate", "p.json", "--json"]) == 3
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    told = [(each["task"], each["state"]) for each in events if each["event"] == "task"]
    assert told == [
        ("Pusher", "RUNNING"),
        ("Pusher", "SUCCEEDED"),
        ("After", "RUNNING"),
        ("After", "SUCCEEDED"),
    ]
    assert events[-1]["event"] == "ended"
    assert events[-1]["code"] == 3
    assert events[-1]["job"]["state"] == "SUCCEEDED"


def test_a_second_job_is_cached_unless_that_is_turned_off(folder, capsys) -> None:
    _write(folder, _PUSHES)
    for arguments, cached in (([], 0), ([], 2), (["--no-cache"], 0)):
        assert main(["emulate", "p.json", *arguments]) == 0
        assert capsys.readouterr().out.count("cached\n") == cached


def test_a_resolver_is_refused_for_kubeflow(folder, capsys) -> None:
    compiled = Compiled()
    compiled.resolver("Last", {"model": 'schema_title="tfx.Model"'})
    (folder / "p.json").write_text(json.dumps(compiled.document))
    assert main(["emulate", "p.json", "--service", "kubeflow"]) == 2
    assert "p.json: Last is a resolver, which OSS Kubeflow does not run" in capsys.readouterr().err


def test_two_jobs_at_once_are_refused(folder, capsys) -> None:
    _write(folder, "")
    (folder / "runs/emulated/.emulator").mkdir(parents=True)
    with open(folder / "runs/emulated/.emulator/lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert main(["emulate", "p.json"]) == 2
    assert "another emulated job is in progress" in capsys.readouterr().err


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_interrupting_ends_the_step_too(folder, how) -> None:
    waits = (
        f"open({str(folder / 'who')!r}, 'w').write(str(os.getpid())); import time; time.sleep(120)"
    )
    _write(folder, waits)
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "emulate", "p.json", "--isolation", "fork"],
        env=os.environ | {"PYTHONPATH": str(pathlib.Path(__file__).resolve().parents[3])},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # What was begun in the background was told to ignore it, and so would be what it begins.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while not (folder / "who").exists() or not (folder / "who").read_text():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(how)
    out, error = process.communicate()
    assert process.returncode == 130
    assert error == "tokenline: interrupted; what was finished is kept\n"
    assert "Pusher" not in out
    with pytest.raises(ProcessLookupError):
        os.kill(int((folder / "who").read_text()), 0)
