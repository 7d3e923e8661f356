"""The parts of the loop that need no model: the clock, the sums, the selection, the faults."""

import json
import math
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import config

from components import process
from components.errors import InputError
from components.trainer import faults, numerics, optimizers
from components.trainer.goodput import Goodput
from components.trainer.history import BatchSums, History, Point
from components.trainer.request import EarlyStopping, TrainOptions, options
from components.trainer.selection import Selection


def test_every_second_belongs_to_one_phase() -> None:
    now = iter([0.0, 1.0, 3.0, 6.0, 10.0, 15.0, 21.0])
    goodput = Goodput(lambda: next(now))  # "other" from 0
    # "step" from 1 and from 6 to 10, "checkpoint" from 3 to 6, "other" before and after.
    with goodput.phase("step"), goodput.phase("checkpoint"):
        pass
    found = goodput.seconds()
    assert {name: value for name, value in found.items() if value} == {
        "other": 1.0 + 5.0,
        "step": 2.0 + 4.0,
        "checkpoint": 3.0,
    }
    assert sum(found.values()) == 15.0
    goodput.add({"setup": 100.0, "step": 7.0})
    assert goodput.training_seconds() == 21.0 + 7.0


def test_the_phases_add_up_to_the_time_since_the_process_started() -> None:
    age = [50.0]  # of the process
    goodput = Goodput(lambda: age[0], before={"import": 40.0, "components": 10.0})
    for phase in ("setup", "tracing", "data_wait", "step", "export"):
        age[0] += 1.0  # which no phase claims
        with goodput.phase(phase):
            age[0] += 2.0
            with goodput.phase("evaluation"):
                age[0] += 4.0
    assert sum(goodput.own().values()) == age[0] == 85.0
    assert goodput.training_seconds() == 85.0 - 50.0 - 2.0 - 2.0  # nor setup, nor export
    goodput.add({"import": 30.0, "components": 5.0, "setup": 2.0, "step": 9.0, "export": 1.0})
    assert sum(goodput.seconds().values()) == age[0] + 47.0
    assert sum(goodput.own().values()) == age[0]
    assert (goodput.here(), goodput.training_seconds()) == (31.0, 31.0 + 9.0)


def test_what_was_before_training_is_import_and_other_components() -> None:
    before, age = process.before_now(), process.age()
    assert 0 < sum(before.values()) <= age
    code = "from components import process; process.loaded(); b = process.before_now(); "
    code += "print(sorted(b), b['import'] > 0, process.age() >= sum(b.values()))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "['components', 'import'] True True\n"


def test_a_phase_that_raises_is_left() -> None:
    now = iter([0.0, 1.0, 3.0, 6.0])
    goodput = Goodput(lambda: next(now))
    with pytest.raises(ValueError, match="x"), goodput.phase("step"):
        raise ValueError("x")
    assert goodput.seconds()["other"] == 1.0 + 3.0


def test_logged_numbers_are_sums_that_are_divided_once() -> None:
    long, short = BatchSums(6.0, 3.0, 8.0, 1.0, 4.0, 3, 4), BatchSums(1.0, 1.0, 1.0, 0.0, 1.0, 1, 2)
    both = long + short
    assert both.loss == 7.0 / 4.0
    assert both.divided(both.objective, 2) == 9.0 / 5.0
    assert (both.useful, both.positions) == (4, 6)
    assert BatchSums(objective=6.0).divided(6.0, 3) == 2.0  # token_sum: a batch's sum, on average
    assert BatchSums().loss == 0.0


def test_a_history_comes_back_from_json() -> None:
    history = History(points=[Point(3, 0.1 + 0.2, None, 5.0, 1.0, 0.0)], steps=3)
    again = History.from_dict(json.loads(json.dumps(history.to_dict())))
    assert again == history


def test_the_summary_shows_waiting_and_skipping_where_there_was_any() -> None:
    history = History(
        points=[Point(3, 0.5, 0.25, 5.0, 1.0, 0.0)],
        steps=3,
        seconds=10.0,
        useful_tokens=80,
        positions=100,
        validation={"masked_token_loss": 0.25},
        goodput={"data_wait": 0.2},
    )
    shown = "3 steps  loss 0.5000  validation 0.2500  8 useful tokens/s  20% padding"
    assert history.summary() == shown
    history.goodput, history.bad_batches = {"data_wait": 2.0}, 4
    assert history.summary() == f"{shown}  20% waiting for data  4 bad batches skipped"
    history.skipped = [{"step": 1, "batch": 1, "first": ["a.jsonl:7", "a.jsonl:9"]}]
    assert history.summary().endswith("4 bad batches skipped, the first with a.jsonl:7")


def weights(value: float) -> list[np.ndarray]:
    return [np.full([2], value, np.float32)]


def test_early_stopping_keeps_the_best_and_counts_only_real_gains() -> None:
    selection = Selection(TrainOptions(early_stopping=EarlyStopping(patience=2, min_delta=0.1)))
    told = [selection.validated(loss, weights(loss)) for loss in (3.0, 2.0, 1.95, 1.5)]
    assert told == [False] * 4
    copy = Selection(TrainOptions(early_stopping=EarlyStopping(patience=2, min_delta=0.1)))
    copy.restore(json.loads(json.dumps(selection.facts())), selection.arrays())
    for each in (selection, copy):
        assert [each.validated(loss, weights(loss)) for loss in (1.45, 1.6)] == [False, True]
        np.testing.assert_array_equal(each.result(), weights(1.5))


def test_early_stopping_needs_a_validation_loss() -> None:
    with pytest.raises(
        InputError, match=r"^train.early_stopping: got an eval split without weight"
    ):
        Selection(TrainOptions(early_stopping=EarlyStopping())).validated(None, weights(1.0))


def test_the_last_weights_are_averaged_also_after_a_restart() -> None:
    selection = Selection(TrainOptions(average_checkpoints=3))
    for value in (100.0, 1.0, 2.0):
        selection.validated(None, weights(value))
    copy = Selection(TrainOptions(average_checkpoints=3))
    copy.restore(json.loads(json.dumps(selection.facts())), selection.arrays())
    copy.validated(None, weights(6.0))
    np.testing.assert_array_equal(copy.result(), weights(3.0))
    assert Selection(TrainOptions()).result() is None


def test_bad_batches_stop_training_and_leave_their_rows(tmp_path) -> None:
    batch = {"targets": tf.constant([[4, 3], [5, 0]]), "loss_weights": tf.ones([2, 2])}
    abort = faults.BadBatches(TrainOptions(), str(tmp_path / "bad"))
    with pytest.raises(
        FloatingPointError,
        match=r"^step 3: why; the batch has 2 rows: targets 4 3, targets 5 0; lower train.learning_rate",
    ) as told:
        abort.found(batch, 7, 3, "why")
    (saved,) = (tmp_path / "bad").iterdir()
    assert str(saved) in str(told.value)
    with pytest.raises(
        FloatingPointError, match=r"; that example is targets 5 0; lower .*; all 2 rows"
    ):
        abort.found(batch, 7, 3, "example 1 position 0 got nan")
    rows = [json.loads(line) for line in saved.read_text().splitlines()]
    assert rows[1] == {"targets": [5, 0], "loss_weights": [1.0, 1.0]}


def test_skipped_batches_are_counted_up_to_the_limit() -> None:
    skip = faults.BadBatches(TrainOptions(on_bad_batch="skip", max_bad_batches=2), "")
    batch = {"targets": tf.constant([[4, 3], [5, 0]])}
    skip.found(batch, 1, 1, "why")
    skip.found(batch, 2, 2, "why")
    assert [told["batch"] for told in skip.skipped] == [1, 2]
    with pytest.raises(FloatingPointError, match=r"3 bad batches, train.max_bad_batches is 2"):
        skip.found(batch, 3, 3, "why")


def test_empty_batches_are_a_share_of_the_run() -> None:
    empty = faults.EmptyBatches(0.02, 100)
    empty.found()
    empty.found()
    with pytest.raises(InputError, match=r"^train.max_empty_batches: got 3 of 100 batches"):
        empty.found()


def test_a_spike_is_far_above_the_usual_losses() -> None:
    spikes = faults.Spikes(3.0)
    for _ in range(8):
        assert spikes.limit() == math.inf
        spikes.add(1.0)
        spikes.add(3.0)
    assert spikes.limit() == 2.0 + 3.0 * 1.0
    for _ in range(200):
        spikes.add(1.0)
    assert (spikes.limit(), len(spikes.losses)) == (1.0, 128)
    assert faults.Spikes(0.0).limit() == math.inf


def test_noam_is_the_papers_formula() -> None:
    schedule = optimizers.learning_rate(
        TrainOptions(schedule="noam", learning_rate=2.0, warmup_steps=10), 100, 64
    )
    for step in (1, 5, 10, 11, 90):
        expected = 2.0 * 64**-0.5 * min(step**-0.5, step * 10**-1.5)
        assert float(schedule(tf.constant(step - 1))) == pytest.approx(expected, rel=1e-6)


def test_global_settings_are_put_back() -> None:
    before = config.is_op_determinism_enabled()
    seen = []
    with pytest.raises(ZeroDivisionError), numerics.deterministic(True):
        seen.append(1 / (1 - config.is_op_determinism_enabled()))
    assert seen == []
    assert config.is_op_determinism_enabled() == before
    with numerics.precision("mixed_bfloat16"):
        layer = keras.layers.Dense(2)
    assert (layer.compute_dtype, layer.variable_dtype) == ("bfloat16", "float32")
    assert keras.layers.Dense(2).compute_dtype == "float32"


def test_early_stopping_comes_from_json() -> None:
    found = options(TrainOptions, '{"early_stopping": {"patience": 2, "min_delta": 0.5}}')
    assert found.early_stopping == EarlyStopping(2, 0.5)
    assert options(TrainOptions, '{"early_stopping": null}').early_stopping is None
