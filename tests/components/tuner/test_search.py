"""The search: what is tried, what counts as failed, what is found again, and that it is our loss."""

import dataclasses
import json
import math
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from components import storage
from components.errors import InputError
from components.trainer import training, tuned
from components.trainer.history import History
from components.trainer.request import (
    BatchOptions,
    LossOptions,
    ModelOptions,
    TrainOptions,
    TrainRequest,
)
from components.tuner import search
from transform.settings import Settings, Side
from transform.vocabulary import Vocabularies, Vocabulary

VOCABULARIES = Vocabularies({"target": Vocabulary((b"a", b"b", b"c", b"d", b"e"))}, "")
LONGEST = 6
SPACE = {
    "learning_rate": {"min": 0.001, "max": 0.1, "log": True},
    "units": [8, 16],
    "layers": {"min": 1, "max": 3, "step": 2, "log": False},
}


def _rows(path: pathlib.Path, count: int, seed: int) -> str:
    """Rows that count upwards, of uneven lengths and weights."""
    random = np.random.default_rng(seed)
    with tf.io.TFRecordWriter(str(path), "GZIP") as file:
        for _ in range(count):
            length = int(random.integers(2, LONGEST + 1))
            ids, weights = np.zeros(LONGEST, int), np.zeros(LONGEST)
            ids[:length] = [*(4 + (np.arange(length - 1) + random.integers(5)) % 5), 3]
            weights[:length] = random.choice([0.5, 1.0, 2.0], length)
            example = tf.train.Example()
            found = example.features.feature
            found["targets"].int64_list.value.extend(ids)
            found["target_lengths"].int64_list.value.append(length)
            found["loss_weights"].float_list.value.extend(weights)
            file.write(example.SerializeToString())
    return str(path)


@pytest.fixture(scope="module")
def request_(tmp_path_factory) -> TrainRequest:
    folder = tmp_path_factory.mktemp("tuned")
    return TrainRequest(
        train_files=(_rows(folder / "train.gz", 60, 1),),
        eval_files=(_rows(folder / "eval.gz", 20, 2),),
        transform_graph="",
        vocabulary="",
        serving_folder="served",
        settings=Settings(task="lm", target=Side("target", "whitespace", LONGEST)),
        model=ModelOptions(units=8),
        loss=LossOptions(),
        batch=BatchOptions(size=20),
        train=TrainOptions(epochs=3, learning_rate=0.02, decode_length=LONGEST),
        state_folder="state",
        start_folder="start",
        history_folder="history",
    )


class Trainings:
    """Stands in for `training.train`: the loss is far from 0.01 and 16 units, in its own measure."""

    def __init__(self) -> None:
        self.requests: list[TrainRequest] = []
        self.fails: dict[int, Exception] = {}  # units: what is raised
        self.killed_after = 99

    def train(self, request, vocabularies, report):
        if len(self.requests) == self.killed_after:
            raise KeyboardInterrupt
        self.requests.append(request)
        report("training")
        if request.model.units in self.fails:
            raise self.fails[request.model.units]
        rate = request.train.learning_rate
        loss = abs(math.log(rate / 0.01)) + abs(request.model.units - 16)
        return None, History(steps=7, parameters=9, validation={"masked_token_loss": loss})


@pytest.fixture
def trainings(monkeypatch) -> Trainings:
    made = Trainings()
    monkeypatch.setattr(training, "train", made.train)
    monkeypatch.setattr(keras.utils, "clear_session", lambda: None)  # it takes its time
    return made


def _search(request, space=SPACE, trials=6, state="", said=None, **changes):
    said = [] if said is None else said
    options = search.TuneOptions(max_trials=trials, space=space, **changes)
    return search.search(
        request,
        VOCABULARIES,
        options,
        state_folder=str(state),
        update=lambda _: None,
        result=said.append,
    )


def _best(tuner):
    return tuner.get_best_hyperparameters()[0].values


def test_the_least_loss_is_best_and_all_values_are_of_the_space(request_, trainings) -> None:
    tuner = _search(request_)
    assert len(tuner.trials) == len(trainings.requests) == 6
    for trial, request in zip(tuner.trials, trainings.requests, strict=True):
        assert 0.001 <= trial.values["learning_rate"] <= 0.1
        assert trial.values["units"] in (8, 16)
        assert trial.values["layers"] in (1, 3)
        assert (request.train.learning_rate, request.model.units, request.model.layers) == (
            trial.values["learning_rate"],
            trial.values["units"],
            trial.values["layers"],
        )
    least = min(tuner.trials, key=lambda trial: trial.loss)
    most = max(tuner.trials, key=lambda trial: trial.loss)
    assert least.loss < most.loss
    assert _best(tuner) == least.values


@pytest.mark.parametrize("seed", [0, 7])
def test_the_seed_decides_what_is_tried(request_, trainings, seed) -> None:
    first, again = _search(request_, seed=seed), _search(request_, seed=seed)
    other = _search(request_, seed=seed + 1)
    assert [trial.values for trial in first.trials] == [trial.values for trial in again.trials]
    assert [trial.values for trial in first.trials] != [trial.values for trial in other.trials]


def test_a_trial_writes_nothing_and_has_its_own_length(request_, trainings) -> None:
    by_steps = dataclasses.replace(request_.train, epochs=None, steps=50)
    _search(dataclasses.replace(request_, train=by_steps), trials=1, epochs=2)
    _search(dataclasses.replace(request_, train=by_steps), trials=1)
    short, whole = trainings.requests
    assert (short.train.epochs, short.train.steps) == (2, None)
    assert (whole.train.epochs, whole.train.steps) == (None, 50)
    for request in (short, whole):
        folders = (request.serving_folder, request.state_folder, request.start_folder)
        assert folders == ("", "", "")
        assert request.history_folder == ""
        assert request.train.checkpoint_steps == 0
        assert not request.train.tensorboard


@pytest.mark.parametrize(
    "error", [InputError("units: got 8"), FloatingPointError("not finite\nat row 3")]
)
def test_a_trial_that_is_refused_or_diverges_is_a_failed_one(request_, trainings, error) -> None:
    trainings.fails = {8: error}
    said: list[str] = []
    tuner = _search(request_, said=said)
    failed = [trial for trial in tuner.trials if trial.reason]
    assert {trial.values["units"] for trial in failed} == {8}
    assert {trial.reason for trial in failed} == {str(error).split("\n")[0]}
    assert all(trial.loss is None for trial in failed)
    assert _best(tuner)["units"] == 16
    assert len(said) == 6
    number = failed[0].number
    assert said[number - 1].startswith(f"trial {number} of 6 failed with learning_rate ")
    assert said[number - 1].endswith(f"layers {failed[0].values['layers']}: {failed[0].reason}")


@pytest.mark.parametrize("loss", [None, math.nan, math.inf])
def test_a_trial_without_a_loss_is_a_failed_one(request_, monkeypatch, loss) -> None:
    def train(request, *_):
        found = 2.0 if request.model.units == 16 else loss
        return None, History(validation={"masked_token_loss": found})

    monkeypatch.setattr(training, "train", train)
    tuner = _search(request_, {"units": [8, 16]}, trials=2)
    assert sorted(trial.loss or 0.0 for trial in tuner.trials) == [0.0, 2.0]
    assert _best(tuner) == {"units": 16}


def test_more_failures_in_a_row_than_keras_tuner_bears_are_no_crash(request_, trainings) -> None:
    space = {"units": list(range(1, 9))}
    trainings.fails = {units: InputError(f"units: got {units}") for units in range(1, 9)}
    with pytest.raises(InputError, match=r"^train.tune: got 8 failed trials, .*: units: got \d$"):
        _search(request_, space, trials=8)


def test_what_is_not_the_trials_fault_stops_the_search(request_, trainings) -> None:
    trainings.fails = {8: OSError("no space left"), 16: OSError("no space left")}
    with pytest.raises(OSError, match=r"^no space left$"):
        _search(request_)
    assert len(trainings.requests) == 1


def test_a_space_that_is_used_up_ends_the_search(request_, trainings) -> None:
    said: list[str] = []
    tuner = _search(request_, {"units": [8, 16]}, trials=9, said=said)
    assert sorted(trial.values["units"] for trial in tuner.trials) == [8, 16]
    assert said[-1] == "2 of 9 trials: the space has no other values"


@pytest.mark.parametrize("root", ["", "ram:/"])
def test_a_search_that_was_killed_goes_on_where_it_stood(
    request_, trainings, tmp_path, root
) -> None:
    state = f"{root}{tmp_path}/state"
    whole = _search(request_)
    trainings.requests.clear()
    trainings.killed_after = 3
    with pytest.raises(KeyboardInterrupt):
        _search(request_, state=state)
    trainings.killed_after = 99
    trainings.requests.clear()
    again = _search(request_, state=state)
    assert len(trainings.requests) == 3
    assert again.trials == whole.trials
    # Other data or options are other trials.
    _search(dataclasses.replace(request_, code_hash="other"), state=state)
    assert len(trainings.requests) == 9
    search.clear(state)
    assert storage.names(state) == []
    assert list(tmp_path.iterdir()) == ([] if root else [tmp_path / "state"])


def test_all_trials_start_from_the_same_base_and_leave_its_sizes(request_, trainings) -> None:
    based = dataclasses.replace(request_, base_model="models/3")
    _search(based, {"learning_rate": [0.01, 0.02]}, trials=2)
    assert [request.base_model for request in trainings.requests] == ["models/3", "models/3"]
    expected = r"^train.tune.space.units and train.tune.space.layers: .* models/3, .*sizes"
    with pytest.raises(InputError, match=expected):
        _search(based)


def test_a_trial_is_the_training_that_the_run_would_make(request_) -> None:
    """Without stand-ins: the same loss to the bit, and a rate that diverges."""
    tuner = _search(request_, {"learning_rate": [0.03, 3e38]}, trials=2, epochs=1)
    by_rate = {trial.values["learning_rate"]: trial for trial in tuner.trials}
    assert "non-finite loss" in by_rate[3e38].reason
    train = dataclasses.replace(request_.train, epochs=1, learning_rate=0.03)
    nowhere = {"state_folder": "", "start_folder": "", "history_folder": ""}
    request = dataclasses.replace(request_, train=train, **nowhere)
    _, history = training.train(request, VOCABULARIES, lambda _: None)
    assert by_rate[0.03].loss == history.validation["masked_token_loss"]
    assert by_rate[0.03].steps == history.steps > 2
    assert by_rate[0.03].parameters == history.parameters
    assert _best(tuner) == {"learning_rate": 0.03}


def test_what_tfx_writes_is_read_back(request_, trainings, tmp_path) -> None:
    tuner = _search(request_)
    config = tuner.get_best_hyperparameters()[0].get_config()
    (tmp_path / tuned.BEST).write_text(json.dumps(config))
    assert tuned.read(str(tmp_path)) == {"values": _best(tuner), "trials": []}
