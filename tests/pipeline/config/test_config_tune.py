"""train.tune: what is read, and what is refused at once, with line and key."""

import dataclasses
from typing import Any, get_args, get_type_hints

import pytest

from components.errors import InputError
from components.trainer.tunable import TUNABLE
from pipeline.config import Config, load_config
from pipeline.config import tune as config_tune
from pipeline.config.tune import space_of

START = "pipeline: {name: p}\ntask: %s\ndata: {path: rows, max_target_length: 30}\n"


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows").mkdir()

    def load_space(space: str, rest: str = "", tune: str = "", train: str = "", task: str = "lm"):
        text = f"{START % task}{rest}train:\n  {train or 'seed: 1'}\n  tune:\n    {tune or 'seed: 1'}\n"
        (tmp_path / "c.yaml").write_text(f"{text}    space: {{{space}}}\n")
        return load_config("c.yaml")

    return load_space


def test_off_by_default(tmp_path) -> None:
    assert Config.__dataclass_fields__["train"].default.tune is None


def test_a_space_is_lists_and_ranges(load) -> None:
    tune = load(
        "learning_rate: {min: 0.001, max: 0.1, log: true}, units: [32, 64], optimizer: [adam, sgd],"
        " layers: {min: 1, max: 5, step: 2}, batch_size: [16]",
        tune="max_trials: 3\n    epochs: 2\n    seed: 7",
    ).train.tune
    assert (tune.max_trials, tune.epochs, tune.seed) == (3, 2, 7)
    assert space_of(tune) == {
        "units": [32, 64],
        "layers": {"min": 1, "max": 5, "step": 2, "log": False},
        "batch_size": [16],
        "learning_rate": {"min": 0.001, "max": 0.1, "log": True},
        "optimizer": ["adam", "sgd"],
    }
    bare = load("units: [32]").train.tune
    assert (bare.max_trials, bare.epochs, bare.seed) == (10, None, 1)


def test_every_tunable_key_has_the_type_of_its_own_key() -> None:
    space = get_type_hints(config_tune.SpaceConfig)
    sections = get_type_hints(Config)
    assert space.keys() == TUNABLE.keys()
    for name, (section, key) in TUNABLE.items():
        own = get_type_hints(sections[section])[key]
        items = next(get_args(each)[0] for each in get_args(space[name]) if get_args(each))
        assert items is (own if own in (int, float) else str), name


UNITS = "train.tune.space.units"
RATE = "train.tune.space.learning_rate"


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        ("wings: [2]", "train.tune.space.wings: unknown key, expected one of units, layers, heads,"),
        ("unit: [2]", "train.tune.space.unit: unknown key, did you mean units?"),
        ("", "train.tune.space: got nothing to tune, expected at least one of units, layers,"),
        ("units: 8", f"{UNITS}: got 8, expected a section with the keys min, max, step, log or a list"),
        ("units: [8, many]", f"{UNITS}[1]: got 'many', expected an integer"),
        ("units: [8.5]", f"{UNITS}[0]: got 8.5, expected an integer"),
        ("units: []", f"{UNITS}: got an empty list, expected at least one value"),
        ("units: [8, 8]", f"{UNITS}[1]: got 8 twice"),
        ("units: [8, 0]", f"{UNITS}[1]: got 0, expected an integer >= 1"),
        ("units: {min: 8}", f"{UNITS}.max: missing, expected an integer"),
        ("units: {min: 8, max: 8}", f"{UNITS}.max: got 8, expected more than min = 8"),
        ("units: {min: 0, max: 8}", f"{UNITS}.min: got 0, expected an integer >= 1"),
        ("units: {min: 8, max: 9, step: 2}", f"{UNITS}.step: got 2, expected at most max - min = 1"),
        ("units: {min: 8, max: 9, step: 1, log: true}", f"{UNITS}.step: has no effect with log;"),
        ("learning_rate: [0.1, 0]", f"{RATE}[1]: got 0.0, expected a number > 0"),
        ("learning_rate: {min: x, max: 1}", f"{RATE}.min: got 'x', expected a number"),
        ("learning_rate: {min: 1, max: 2, step: 1}", f"{RATE}.step: unknown key,"),
        ("dropout: {min: 0, max: 1}", "train.tune.space.dropout.max: got 1.0, expected a number >= 0"),
        ("dropout: {min: 0, max: 0.5, log: true}", "train.tune.space.dropout.min: got 0.0, expected more"),
        ("optimizer: [adam, adagrad]", "train.tune.space.optimizer[1]: got 'adagrad', expected one of"),
        ("heads: [2]", "train.tune.space.heads: has no effect with model.family gru;"),
        ("feed_forward: [2]", "train.tune.space.feed_forward: has no effect with model.family gru;"),
        ("momentum: [0.9]", "train.tune.space.momentum: has no effect with optimizer adam, expected sgd"),
        (
            "weight_decay: [0.1], optimizer: [adam, sgd]",
            "train.tune.space.weight_decay: has no effect with optimizer adam or sgd, expected adamw",
        ),
        ("schedule: [noam]", "train.tune.space.schedule: got 0 warmup_steps, expected at least 1"),
        (
            "schedule: [noam, cosine], warmup_steps: {min: 0, max: 9}",
            "train.tune.space.warmup_steps: got 0 warmup_steps, expected at least 1",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(load, space, expected) -> None:
    with pytest.raises(InputError) as caught:
        load(space)
    lines = str(caught.value).splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith(f"c.yaml:8: {expected}"), lines


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"tune": "max_trials: 0"}, "train.tune.max_trials: got 0, expected an integer >= 1"),
        ({"tune": "epochs: 0"}, "train.tune.epochs: got 0, expected an integer >= 1"),
        ({"tune": "trials: 2"}, "train.tune.trials: unknown key, did you mean max_trials?"),
        (
            {"train": "distribution: multi_worker"},
            "train.tune: got train.distribution multi_worker, expected none or mirrored",
        ),
        (
            {"rest": "batch: {type: tokens}\n", "space": "batch_size: [10, 90]"},
            "train.tune.space.batch_size: got 10 tokens, expected at least the longest example, 30",
        ),
        (
            {"space": "units: [8, 9]", "task": "seq2seq"},
            f"{UNITS}[1]: got 9, expected an even number (each reading direction has half)",
        ),
        (
            {"space": "units: {min: 8, max: 16}", "task": "tagging"},
            f"{UNITS}: got odd numbers too, expected an even min and step, or a list",
        ),
        (
            {"space": "units: [8, 9]", "rest": "model: {family: transformer}\n"},
            f"{UNITS}[1]: got 9, expected a multiple of one of the heads, 4",
        ),
    ],
)
def test_what_is_refused_beside_other_keys(load, given: dict[str, Any], expected: str) -> None:
    with pytest.raises(InputError) as caught:
        load(**({"space": "learning_rate: [0.1]"} | given))
    lines = str(caught.value).splitlines()
    assert len(lines) == 1, lines
    assert lines[0].partition(": ")[2].startswith(expected), lines


@pytest.mark.parametrize(
    ("space", "given"),
    [
        ("units: {min: 8, max: 16, step: 2}", {"task": "seq2seq"}),
        ("units: [8, 9]", {"task": "lm"}),
        ("units: [8, 9], heads: [2, 3]", {"rest": "model: {family: transformer}\n"}),
        ("momentum: [0.9], optimizer: [adam, sgd]", {}),
        ("weight_decay: [0.1]", {"train": "optimizer: adamw"}),
        ("schedule: [noam]", {"train": "warmup_steps: 3"}),
        ("schedule: [noam, cosine], warmup_steps: [2, 5]", {}),
        ("units: {min: 8, max: 64, log: true}", {}),
        ("dropout: {min: 0, max: 0.5}", {"train": "distribution: mirrored"}),
    ],
)
def test_what_is_taken(load, space, given) -> None:
    assert dataclasses.is_dataclass(load(space, **given).train.tune)
