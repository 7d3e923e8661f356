"""The process: what it refuses, what it says, how it ends. (A real model in it: tests/e2e.)"""

import importlib
import sys

import numpy as np
import pytest

from components.serving_check import clean_process, process
from components.serving_check.process import Call, Request, Server

REQUEST = Request("model", (), (b"a\xff\x00",), (Call("score", (0,)),), Call("score", (0,)), (1,))


def test_a_refused_package_is_not_there(monkeypatch):
    monkeypatch.setattr(sys, "meta_path", [clean_process.Refuser(["pipeline"]), *sys.meta_path])
    for name in [name for name in sys.modules if name.split(".")[0] == "pipeline"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ModuleNotFoundError, match="No module named 'pipeline"):
        importlib.import_module("pipeline.config")
    importlib.import_module("components.errors")


def test_modules_of_the_project_are_seen_however_they_came_in():
    found = clean_process.modules_below(process.project_folders())
    assert "components.serving_check.process" in found
    assert not [name for name in found if name.startswith(("numpy", "pytest"))]


def test_percentiles_are_of_the_calls_after_the_first(monkeypatch):
    ticks = iter([0.0] + [second for call in range(21) for second in (0.0, call / 100, 0.0)])
    monkeypatch.setattr(clean_process.time, "perf_counter", lambda: next(ticks))
    sizes = []

    class Signature:
        structured_input_signature = ((), {"examples": None})

        def __call__(self, examples):
            sizes.append(len(examples))
            return {}

    found = clean_process.latency(Signature(), [b"a", b"b"], 3, {"calls": 20, "seconds": 9.0})
    assert sizes == [3] * 21
    assert found == {"median": pytest.approx(105.0), "p95": pytest.approx(190.0)}


def test_answers_survive_the_way_back_to_the_bit():
    said = {
        "text": np.array([[b"\x00\xff", b""]], object),
        "loss": np.array([np.float32(0.1), np.nan, np.inf], np.float32),
        "ids": np.array([[2**62, -1]], np.int64),
        "truncated": np.array([True]),
    }
    import json

    back = process._answer(json.loads(json.dumps(clean_process._as_json(said))))
    for name, value in said.items():
        assert back[name].dtype == value.dtype
        np.testing.assert_array_equal(back[name], value)


@pytest.mark.parametrize(
    ("code", "timeout", "expected"),
    [
        ("import time; time.sleep(60)", 0.2, "it was not done after 0.2 s"),
        (
            "import sys; print('no TensorFlow'); sys.exit(7)",
            30,
            "it ended with exit code 7: no TensorFlow",
        ),
        ("import os; os.kill(os.getpid(), 9)", 30, "it ended with exit code -9"),
    ],
)
def test_a_process_that_does_not_reply_is_a_reason(tmp_path, monkeypatch, code, timeout, expected):
    stand_in = tmp_path / "stand_in.py"
    stand_in.write_text(code)
    monkeypatch.setattr(clean_process, "__file__", str(stand_in))
    with Server(REQUEST) as server:
        assert server.reply(timeout).failed == expected
    assert server._process.returncode is not None


def test_it_runs_isolated_and_waits_before_it_measures(tmp_path, monkeypatch):
    stand_in = tmp_path / "stand_in.py"
    stand_in.write_text(
        "import json, sys\n"
        "request = json.load(open(sys.argv[1]))\n"
        "said = sys.stdin.readline()\n"
        "text = f'{sys.flags.isolated} {said!r} {request[\"rows\"]}'\n"
        "reply = {'failed': text, 'importable': ['tfx'], 'foreign': []}\n"
        "json.dump(reply, open(sys.argv[2], 'w'))\n"
    )
    monkeypatch.setattr(clean_process, "__file__", str(stand_in))
    with Server(REQUEST) as server:
        reply = server.reply(30)
    assert reply.failed == r"1 '\n' ['aÿ\x00']"
    assert reply.foreign == ("tfx",)
