"""Killed and rerun, a training run ends with the same bits as one that nobody disturbed."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

WORKER = pathlib.Path(__file__).with_name("resume_worker.py")
COMMON = {
    "epochs": 3,
    "learning_rate": 0.02,
    "log_steps": 5,
    "checkpoint_steps": 4,
    "ema": 0.9,
    "early_stopping": {"patience": 9},
}
# 200 rows in batches of 16 are 13 to 16 batches an epoch. Windows of 3 close at 3, 6, ..., so that the
# checkpoints after 4, 8 and 16 batches hold an open one.
CASES = {
    "plain": ({}, [2, 11, 30]),
    "accumulated": ({"accumulation_steps": 3}, [6, 23]),
    "packed": ({"accumulation_steps": 2}, [7, 29]),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory, write_rows, copy_rows) -> dict[str, pathlib.Path]:
    """Folders of an undisturbed run and of a killed one of each case."""
    folder = tmp_path_factory.mktemp("runs")
    files = {
        name: write_rows(folder / f"{name}.gz", copy_rows(rows, seed=rows))
        for name, rows in (("train", 200), ("eval", 40))
    }
    asked, folders = [], {}
    for case, (options, kills) in CASES.items():
        for name, points in ((case, []), (f"{case} killed", kills)):
            folders[name] = folder / name.replace(" ", "_")
            folders[name].mkdir()
            run = {"folder": str(folders[name]), "options": COMMON | options, "kills": points}
            asked.append(files | run | {"packed": case == "packed"})
    request = folder / "request.json"
    request.write_text(json.dumps(asked))
    done = subprocess.run(
        [sys.executable, str(WORKER), str(request)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folders


@pytest.mark.parametrize("case", CASES)
def test_killed_and_rerun_the_weights_are_the_same_to_the_bit(finished, case: str) -> None:
    whole = np.load(finished[case] / "weights.npz")
    broken = np.load(finished[f"{case} killed"] / "weights.npz")
    assert whole.files == broken.files
    for name in whole.files:
        np.testing.assert_array_equal(whole[name], broken[name])


@pytest.mark.parametrize("case", CASES)
def test_the_curve_goes_on_where_it_was(finished, case: str) -> None:
    whole, broken = (
        json.loads((finished[name] / "history.json").read_text())
        for name in (case, f"{case} killed")
    )

    def curve(history: dict) -> list:
        names = ("step", "train_loss", "validation_loss", "objective", "learning_rate")
        return [[point[name] for name in names] for point in history["points"]]

    assert curve(whole) == curve(broken)
    assert len(curve(whole)) > 3
    for name in ("steps", "batches", "useful_tokens", "positions", "validation"):
        assert whole[name] == broken[name]
    # Before its first checkpoint a run starts again; that is no resuming.
    kills = [kill for kill in CASES[case][1] if kill >= COMMON["checkpoint_steps"]]
    assert (whole["resumes"], broken["resumes"]) == (0, len(kills))
    assert any(line.startswith("going on after batch") for line in broken["lines"])


@pytest.mark.parametrize("case", CASES)
def test_each_update_is_in_the_metrics_once(finished, case: str) -> None:
    def lines(name: str) -> list[dict]:
        text = (finished[name] / "history/metrics.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]

    def without_times(name: str) -> list[dict]:
        return [
            {key: value for key, value in line.items() if key not in ("seconds", "time")}
            for line in lines(name)
        ]

    assert without_times(case) == without_times(f"{case} killed")
    broken = lines(f"{case} killed")
    train = [line for line in broken if line["kind"] == "train"]
    history = json.loads((finished[case] / "history.json").read_text())
    assert [line["step"] for line in train] == list(range(1, history["steps"] + 1))
    assert [line["epoch"] for line in broken if line["kind"] == "validation"] == [1, 2, 3]
    assert sum(line["useful_tokens"] for line in train) == history["useful_tokens"]
    seconds = [line["seconds"] for line in broken]
    assert seconds == sorted(seconds)


@pytest.mark.parametrize("case", CASES)
def test_the_event_files_hold_the_same_numbers(finished, case: str) -> None:
    import tensorflow as tf

    folder = finished[f"{case} killed"] / "history"
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    for kind in ("train", "validation"):
        (path,) = (folder / "tensorboard" / kind).iterdir()
        events = list(tf.compat.v1.train.summary_iterator(str(path)))
        assert events[0].file_version == "brain.Event:2"
        expected = [(line["step"], line["loss"]) for line in lines if line["kind"] == kind]
        found = [
            (event.step, value.simple_value)
            for event in events
            for value in event.summary.value
            if value.tag == "loss"
        ]
        assert found == [(step, pytest.approx(loss, rel=1e-6)) for step, loss in expected]
        assert len({event.wall_time for event in events[1:]}) > 1
