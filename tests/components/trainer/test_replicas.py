"""Replicas: the curve and the weights of one process, for every reduction, in one or two processes.

The processes have to be new ones: the CPU is cut, and workers find each other, before TensorFlow
runs anything.
"""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys

import numpy as np
import pytest

from components.sequence_loss.reductions import SUMS

WORKER = pathlib.Path(__file__).with_name("replicas_worker.py")
SECONDS = 400  # far more than it takes; a worker that waits for ever is a failure
MIRRORED = {"distribution": "mirrored", "replicas": 2}
# 40 rows in batches of 13, of two lengths; windows of two batches; each epoch has a batch that is
# bad, as one of its rows has an infinite weight, and therefore bad on all replicas.
OPTIONS = {
    "epochs": 3,
    "learning_rate": 0.05,
    "log_steps": 1,
    "accumulation_steps": 2,
    "ema": 0.9,
    "on_bad_batch": "skip",
}
STOP = 7
# Relative, of weights and losses: sums of float32 in another order, after nine updates.
TOLERANCE = 2e-5


@pytest.fixture(scope="module")
def folder(tmp_path_factory, write_rows, copy_rows) -> pathlib.Path:
    """The folder of the results; all processes run at once."""
    folder = tmp_path_factory.mktemp("replicas")
    rows = copy_rows(40, seed=1)
    rows[17]["loss_weights"][0] = np.inf
    files = {
        "train": write_rows(folder / "train.gz", rows),
        "eval": write_rows(folder / "eval.gz", copy_rows(20, seed=2)),
    }
    # Not Adam: it makes a whole step of a gradient that is rounding only, as of attention's key
    # biases, on which nothing depends.
    sgd = OPTIONS | {"optimizer": "sgd", "momentum": 0.9}
    transformer = {
        "model": {"family": "transformer"},
        "loss": {"reduction": "example_mean", "label_smoothing": 0.1, "z_loss": 1e-3},
    }
    here = {
        "mirrored": {"options": OPTIONS | MIRRORED},
        "one": {"options": OPTIONS},
        "transformer mirrored": transformer | {"options": sgd | MIRRORED},
        "transformer one": transformer | {"options": sgd},
    }
    several = {"options": OPTIONS | {"distribution": "multi_worker", "checkpoint_steps": 3}}
    with contextlib.ExitStack() as stack:
        started = [_start(stack, folder / "here", files, here)]
        ports = _free_ports(2)
        for index in range(2):
            state, other = (str(folder / f"state{number}") for number in (0, index))
            runs = {
                "whole": several,
                "stopped": several | {"state": state, "stop": STOP},
                "apart": several | {"state": other},
                "resumed": several | {"state": state},
            }
            cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
            task = {"cluster": cluster, "task": {"type": "worker", "index": index}}
            environment = {"TF_CONFIG": json.dumps(task)}
            started.append(_start(stack, folder / f"w{index}", files, runs, environment))
        for process in started:
            assert process.wait(SECONDS) == 0, _logs(folder)
    return folder


def _start(stack, folder, files, runs, environment=None) -> subprocess.Popen:
    folder.mkdir()
    request = folder / "request.json"
    asked = {"folder": str(folder), "runs": runs, "units": environment is None}
    request.write_text(json.dumps(files | asked))
    process = subprocess.Popen(
        [sys.executable, str(WORKER), str(request)],
        stdout=stack.enter_context((folder / "log").open("w")),
        stderr=subprocess.STDOUT,
        env=os.environ | (environment or {}),
    )
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _logs(folder: pathlib.Path) -> str:
    return "\n".join(f"{path}: {path.read_text()[-1500:]}" for path in folder.glob("*/log"))


def _history(path: pathlib.Path) -> dict:
    return json.loads(path.with_name(path.name + ".json").read_text())


def _weights(path: pathlib.Path) -> np.ndarray:
    with np.load(path.with_name(path.name + ".npz")) as found:
        return np.concatenate([found[name].ravel() for name in found.files])


def _curve(path: pathlib.Path) -> np.ndarray:
    names = ("step", "train_loss", "objective", "z_loss", "learning_rate", "validation_loss")
    points = _history(path)["points"]
    return np.array([[point[name] or 0.0 for name in names] for point in points])


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ("here/mirrored", "here/one"),
        ("here/transformer mirrored", "here/transformer one"),
        ("w0/whole", "here/one"),
        ("w1/whole", "here/one"),
    ],
)
def test_two_replicas_train_as_one_process(folder, found: str, expected: str) -> None:
    one, two = _history(folder / expected), _history(folder / found)
    assert (one["error"], two["error"]) == ("", "")
    assert (one["replicas"], two["replicas"]) == (1, 2)
    assert one["bad_batches"] == two["bad_batches"] == OPTIONS["epochs"]
    for name in ("steps", "batches", "useful_tokens", "positions", "traces"):
        assert one[name] == two[name]
    assert len(one["points"]) > 4
    np.testing.assert_allclose(_curve(folder / found), _curve(folder / expected), rtol=TOLERANCE)
    weights, others = _weights(folder / expected), _weights(folder / found)
    assert np.linalg.norm(weights - others) < TOLERANCE * np.linalg.norm(weights)
    assert one["points"][-1]["train_loss"] < one["points"][0]["train_loss"] - 0.1


def test_only_the_chief_reports_and_writes(folder) -> None:
    assert [_history(folder / f"w{index}/whole")["chief"] for index in range(2)] == [True, False]
    assert _history(folder / "w0/whole")["lines"]
    assert not _history(folder / "w1/whole")["lines"]
    assert list((folder / "state0" / "checkpoints").iterdir())
    assert not (folder / "state1").exists()


def test_workers_resume_to_the_bit(folder) -> None:
    for index in range(2):
        assert _history(folder / f"w{index}/stopped")["error"] == "Stopped: "
        resumed = _history(folder / f"w{index}/resumed")
        assert (resumed["error"], resumed["resumes"]) == ("", 1)
        whole = _weights(folder / f"w{index}/whole")
        np.testing.assert_array_equal(_weights(folder / f"w{index}/resumed"), whole)


def test_workers_that_see_different_checkpoints_do_not_wait_for_each_other(folder) -> None:
    for index, batches in ((0, 6), (1, 0)):
        error = _history(folder / f"w{index}/apart")["error"]
        assert f"got {batches} here and another number in another worker" in error


@pytest.mark.parametrize("family", ["gru", "transformer"])
@pytest.mark.parametrize("reduction", SUMS)
def test_an_update_of_two_replicas_is_that_of_one(folder, family: str, reduction: str) -> None:
    """Of 7 rows, and of 1: then one replica has none."""
    units = json.loads((folder / "here/units.json").read_text())
    for rows in (7, 1):
        assert units[f"{family} {reduction} {rows}"] < 1e-5


def test_replicas_draw_different_dropout_and_leave_the_seeds_of_one_process(folder) -> None:
    units = json.loads((folder / "here/units.json").read_text())
    one, both = units["dropout"]  # the losses of a row, and of the same row on both replicas
    assert abs(both - 2 * one) > 1e-3
    assert units["seeds"][0] == units["seeds"][1] != []
