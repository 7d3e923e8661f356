"""Hyperparameters go before the options that they are named after, and before nothing else."""

import dataclasses
import json

import pytest

from components.errors import InputError
from components.trainer import tunable, tuned
from components.trainer.request import (
    BatchOptions,
    LossOptions,
    ModelOptions,
    TrainOptions,
    TrainRequest,
)
from transform.settings import Settings, Side

REQUEST = TrainRequest(
    train_files=("a",),
    eval_files=("b",),
    transform_graph="",
    vocabulary="",
    serving_folder="",
    settings=Settings(task="lm", target=Side("target", "whitespace", 8)),
    model=ModelOptions(units=16),
    loss=LossOptions(),
    batch=BatchOptions(),
    train=TrainOptions(),
)


@pytest.mark.parametrize("name", tunable.TUNABLE)
def test_each_changes_its_own_option_alone(name) -> None:
    section, key = tunable.TUNABLE[name]
    assert (section, key) == ("batch", "size") if name == "batch_size" else key == name
    changed = tuned.applied(REQUEST, {name: "other"})
    options = dataclasses.asdict(getattr(REQUEST, section)) | {key: "other"}
    assert dataclasses.asdict(getattr(changed, section)) == options
    assert dataclasses.replace(changed, **{section: getattr(REQUEST, section)}) == REQUEST


def test_a_hyperparameter_that_we_do_not_have_is_named(tmp_path) -> None:
    (tmp_path / tuned.BEST).write_text(json.dumps({"values": {"wings": 2}}))
    with pytest.raises(InputError, match="got hyperparameter 'wings', expected some of units, "):
        tuned.read(str(tmp_path))


def test_trials_come_with_the_values(tmp_path) -> None:
    (tmp_path / tuned.BEST).write_text(json.dumps({"values": {"units": 8}}))
    (tmp_path / tuned.TRIALS).write_text(json.dumps([{"number": 1}]))
    assert tuned.read(str(tmp_path)) == {"values": {"units": 8}, "trials": [{"number": 1}]}


def test_in_words() -> None:
    good = {"number": 1, "values": {"learning_rate": 0.0031234, "units": 64}, "loss": 2.5}
    good |= {"reason": ""}
    bad = good | {"number": 2, "loss": None, "reason": "too large"}
    assert tunable.trial_line(good, 3) == (
        "trial 1 of 3: validation 2.5000 with learning_rate 0.003123, units 64"
    )
    assert tunable.trial_line(bad, 3) == (
        "trial 2 of 3 failed with learning_rate 0.003123, units 64: too large"
    )
    values = good["values"]
    line = "tuned: learning_rate 0.003123, units 64"
    assert tunable.described({}) == ""
    assert tunable.described({"values": values, "trials": []}) == line
    assert tunable.described({"values": values, "trials": [good]}) == f"{line} (best of 1 trial)"
    both = {"values": values, "trials": [good, bad]}
    assert tunable.described(both) == f"{line} (best of 2 trials, 1 failed)"


def test_sizes_can_be_tuned_only_from_scratch() -> None:
    tunable.refuse_sizes({"units": [8], "dropout": [0.1]}, "")
    tunable.refuse_sizes({"dropout": [0.1]}, "models/3")
    for name in ("units", "layers", "heads", "feed_forward"):
        with pytest.raises(InputError, match=f"^train.tune.space.{name}: .*models/3"):
            tunable.refuse_sizes({name: [8]}, "models/3")
