"""The lines of metrics.jsonl on disk: whole, finite, and cut back where a run goes on."""

import json

import pytest
import tensorflow as tf

from components.trainer.history import BatchSums
from components.trainer.metrics_lines import update
from components.trainer.metrics_log import MetricsLog


def line(step: int, loss: float = 1.0) -> dict:
    numbers = dict.fromkeys(("objective", "z_loss", "gradient_norm", "learning_rate"), 0.5)
    return {"kind": "train", "step": step, "loss": loss, "useful_tokens": 3} | numbers


def steps(path) -> list[int]:
    return [json.loads(text)["step"] for text in path.read_text().splitlines()]


def losses(folder) -> list[tuple[int, float]]:
    (path,) = folder.iterdir()
    return [
        (event.step, value.simple_value)
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
        if value.tag == "loss"
    ]


def test_a_run_that_goes_on_has_each_line_once(tmp_path) -> None:
    first = MetricsLog(str(tmp_path), tensorboard=True)
    first.start()
    for step in (1, 2, 3):
        first.add(line(step))
    place = first.flush(forced=True)
    first.add(line(4))
    first.close()
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"kind": "tra')  # killed here
    again = MetricsLog(str(tmp_path), tensorboard=True)
    assert again.start(place) == ""
    for step in (4, 5):
        again.add(line(step, loss=0.25))
    again.close()
    again.publish(str(tmp_path / "artifact"))
    assert steps(tmp_path / "artifact/metrics.jsonl") == [1, 2, 3, 4, 5]
    found = losses(tmp_path / "artifact/tensorboard/train")
    assert found == [(1, 1.0), (2, 1.0), (3, 1.0), (4, 0.25), (5, 0.25)]
    again.clear()
    assert not tmp_path.exists()


def test_a_run_that_starts_anew_leaves_nothing_of_the_one_before(tmp_path) -> None:
    for loss in (1.0, 2.0):
        if loss == 2.0:  # a file has the second of its first line in its name
            (path,) = (tmp_path / "tensorboard/train").iterdir()
            path.rename(path.with_name("events.out.tfevents.0000000007.tokenline"))
        log = MetricsLog(str(tmp_path), tensorboard=True)
        log.start()
        log.add(line(1, loss))
        log.close()
    assert steps(tmp_path / "metrics.jsonl") == [1]
    assert losses(tmp_path / "tensorboard/train") == [(1, 2.0)]


def test_lines_that_were_lost_are_told(tmp_path) -> None:
    log = MetricsLog(str(tmp_path))
    path = tmp_path / "metrics.jsonl"
    assert log.start(70) == f"{path}: got 0 bytes, expected at least 70: lines are missing"
    log.add(line(9))
    assert log.flush() == path.stat().st_size
    assert steps(path) == [9]


def test_numbers_that_are_not_finite_are_null_and_in_no_curve(tmp_path) -> None:
    log = MetricsLog(str(tmp_path), tensorboard=True)
    log.start()
    log.add(line(1, float("nan")))
    log.add(line(2, float("inf")))
    log.close()
    text = (tmp_path / "metrics.jsonl").read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    assert [json.loads(each)["loss"] for each in text.splitlines()] == [None, None]
    assert losses(tmp_path / "tensorboard/train") == []


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    log = MetricsLog("", tensorboard=True)
    log.start()
    log.add(line(1))
    assert log.flush(forced=True) == 0
    log.close()
    assert list(tmp_path.iterdir()) == []


def test_without_tensorboard_there_are_no_event_files(tmp_path) -> None:
    log = MetricsLog(str(tmp_path))
    log.start()
    log.add(line(1))
    log.close()
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]


@pytest.mark.parametrize(
    ("sums", "batches", "loss", "objective"),
    [
        (BatchSums(6.0, 4.0, 9.0, 2.0, 4.0, 5, 8), 3, 1.5, 9.0 / 4.0),
        (BatchSums(6.0, 4.0, 9.0, 2.0, 0.0, 5, 8), 3, 1.5, 3.0),  # a reduction without a divisor
        (BatchSums(0.0, 0.0, 0.0, 0.0, 0.0, 0, 8), 1, None, 0.0),
    ],
)
def test_an_updates_line_divides_its_sums_once(sums, batches, loss, objective) -> None:
    found = update(sums, batches)
    assert (found["loss"], found["objective"]) == (loss, objective)
    assert (found["numerator"], found["denominator"]) == (sums.numerator, sums.denominator)
