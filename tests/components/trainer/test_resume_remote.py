"""Training whose state is at a remote address: ended half-way and run again, it ends with the same bits."""

import json
import os
import pathlib
import tempfile

import numpy as np
import pytest
import tensorflow as tf

from components.trainer import faults, loop, training
from components.trainer.checkpoint import run_key
from components.trainer.kept_lines import KeptLines
from components.trainer.metrics_log import MetricsLog
from components.trainer.request import (
    BatchOptions,
    LossOptions,
    ModelOptions,
    TrainOptions,
    TrainRequest,
)
from transform.settings import Settings, Side
from transform.vocabulary import Vocabularies, Vocabulary

VOCABULARIES = Vocabularies({"target": Vocabulary((b"a", b"b", b"c", b"d", b"e"))}, "digest")
gfile = tf.io.gfile


class Killed(BaseException):
    """Nothing of ours catches it."""


@pytest.fixture
def scratch(tmp_path, monkeypatch) -> pathlib.Path:
    """Where temporary files go."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def left_in(folder: pathlib.Path) -> list[str]:
    """The files there but for those of TensorFlow, which go with the process."""
    passing = ("__autograph_", "__pycache__")
    return [name for name in os.listdir(folder) if not name.startswith(passing)]


@pytest.fixture
def request_at(tmp_path, write_rows, copy_rows):
    """A request whose files, state and history are below a root."""
    here = {
        name: write_rows(tmp_path / f"{name}.gz", copy_rows(rows, seed=rows))
        for name, rows in (("train", 120), ("eval", 20))
    }

    def make(root: str) -> TrainRequest:
        gfile.makedirs(f"{root}/rows")
        for name, path in here.items():
            gfile.copy(path, f"{root}/rows/{name}.gz")
        return TrainRequest(
            train_files=(f"{root}/rows/train.gz",),
            eval_files=(f"{root}/rows/eval.gz",),
            transform_graph="",
            vocabulary="",
            serving_folder="",
            settings=Settings(task="lm", target=Side("text", "whitespace", 8)),
            model=ModelOptions(family="gru", units=8, dropout=0.3),
            loss=LossOptions(),
            batch=BatchOptions(size=16, shapes=2, shuffle_buffer=60),
            train=TrainOptions(epochs=2, learning_rate=0.02, log_steps=3, checkpoint_steps=3),
            state_folder=f"{root}/state",
            history_folder=f"{root}/history",
        )

    return make


def trained(request: TrainRequest, kill: int | None = None) -> list[np.ndarray]:
    """The weights of a run; it does not come to its end if it is killed before this batch."""
    take = loop.Loop._take

    def watched(self, batch) -> None:
        if kill is not None and self._batch == kill:
            raise Killed
        take(self, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop.Loop, "_take", watched)
        model, history = training.train(request, VOCABULARIES, lambda text: None)
    assert history.resumes == int("ram://" in request.state_folder)
    return [variable.numpy() for variable in model.variables]


def updates(folder: str) -> list[dict]:
    with gfile.GFile(f"{folder}/metrics.jsonl") as file:
        lines = map(json.loads, file.read().splitlines())
    return [{k: v for k, v in line.items() if k not in ("time", "seconds")} for line in lines]


def test_killed_and_run_again_it_ends_as_one_that_nobody_disturbed(
    tmp_path, scratch, request_at
) -> None:
    here, ram = request_at(str(tmp_path / "here")), request_at(f"ram://{tmp_path.name}-resume")
    key = run_key(here, VOCABULARIES.digest)
    assert run_key(ram, VOCABULARIES.digest) == key
    whole = trained(here)
    with pytest.raises(Killed):
        trained(ram, 11)
    found = sorted(gfile.listdir(f"{ram.state_folder}/checkpoints"))
    assert found == [f"{key}-{number}.npz" for number in ("000000006", "000000009")]
    assert left_in(scratch) == []  # nothing of it outlives a container
    for one, other in zip(whole, trained(ram), strict=True):
        np.testing.assert_array_equal(one, other)
    assert updates(ram.history_folder) == updates(here.history_folder)
    curves = gfile.listdir(f"{ram.history_folder}/tensorboard/train")
    assert len(curves) == 1
    training.clear_checkpoints(ram)
    assert gfile.listdir(f"{ram.state_folder}/checkpoints") == []
    assert not gfile.exists(f"{ram.state_folder}/metrics")
    assert left_in(scratch) == []


def test_rows_of_a_bad_batch_are_at_the_address_that_is_told(tmp_path) -> None:
    folder = f"ram://{tmp_path.name}-bad"
    batch = {"targets": tf.constant([[7, 0], [5, 0]]), "target_lengths": tf.constant([1, 1])}
    with pytest.raises(
        FloatingPointError, match=f"all 2 rows of the batch: {folder}/batch-00000"
    ) as e:
        faults.BadBatches(TrainOptions(), folder).found(batch, 3, 3, "a reason")
    with gfile.GFile(str(e.value).rpartition(": ")[2]) as file:
        rows = [json.loads(line) for line in file.read().splitlines()]
    assert [row["targets"] for row in rows] == [[7, 0], [5, 0]]


def test_what_a_run_that_failed_has_written_is_kept(tmp_path) -> None:
    kept = f"ram://{tmp_path.name}-failed"
    log = log_at(tmp_path / "a", kept)
    log.start()
    log.add({"kind": "bad_batch", "step": 7})
    log.close()
    (name,) = gfile.listdir(kept)
    with gfile.GFile(f"{kept}/{name}") as file:
        assert json.loads(file.read())["step"] == 7


def log_at(folder: pathlib.Path, kept: str) -> MetricsLog:
    return MetricsLog(str(folder), kept=KeptLines(kept))


def steps(folder: pathlib.Path) -> list[int]:
    return [
        json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines()
    ]


def test_lines_go_on_after_any_of_the_checkpoints_that_are_kept(tmp_path) -> None:
    """What was kept of lines after that one is forgotten, also by those that go on later."""
    kept = f"ram://{tmp_path.name}-lines"
    first = log_at(tmp_path / "a", kept)
    first.start()
    places = []
    for step in range(1, 6):
        first.add({"kind": "train", "step": step, "word": "long" * step})
        places.append(first.flush(forced=step % 2 == 0))
    second = log_at(tmp_path / "b", kept)
    assert second.start(places[1]) == ""
    assert steps(tmp_path / "b") == [1, 2]
    for step in (3, 4):
        second.add({"kind": "train", "step": step})
    place = second.flush(forced=True)
    third = log_at(tmp_path / "c", kept)
    assert third.start(place) == ""
    assert steps(tmp_path / "c") == [1, 2, 3, 4]
    assert log_at(tmp_path / "d", kept).start() == ""
    assert steps(tmp_path / "d") == []
    assert gfile.listdir(kept) == []


def test_lines_that_the_address_has_lost_are_told(tmp_path) -> None:
    kept = f"ram://{tmp_path.name}-lost"
    first = log_at(tmp_path / "a", kept)
    first.start()
    for step in (1, 2):
        first.add({"kind": "train", "step": step})
        place = first.flush(forced=True)
    lost = min(gfile.listdir(kept))
    gfile.remove(f"{kept}/{lost}")
    told = log_at(tmp_path / "b", kept).start(place)
    assert told.endswith(f"got 0 bytes, expected at least {place}: lines are missing")
