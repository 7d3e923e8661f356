"""A grown model starts as the old one: old rows to the bit, old logits, mean for what is new."""

import dataclasses
import json
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.errors import InputError
from components.trainer import starting_point, training
from components.trainer.models import ModelSpec, SequenceModel, build_model
from components.trainer.optimizers import make_optimizer
from components.trainer.request import (
    BatchOptions,
    LossOptions,
    ModelOptions,
    TrainOptions,
    TrainRequest,
)
from components.trainer.row_map import match, vocabulary_axis
from components.trainer.started import described
from components.trainer.warm_start import WarmStart
from transform.settings import Settings, Side, SpecialIds
from transform.vocabulary import Vocabularies, Vocabulary

WORDS, MORE = (b"a", b"b", b"c"), (b"a", b"b", b"c", b"d", b"e")
MOVED = (b"d", b"c", b"a", b"e", b"b")
OTHERWISE = (b"c", b"f", b"b", b"a")
SPECIAL = SpecialIds()
Words = tuple[bytes, ...]
CASES = [
    *((task, family, False) for task in ("lm", "seq2seq") for family in ("lstm", "transformer")),
    ("lm", "gru", True),
    ("seq2seq", "gru", True),
    ("lm", "transformer", True),
    ("tagging", "gru", False),
    ("tagging", "transformer", False),
]


def vocabularies(
    task: str, target: Words, source: Words = (), characters: Words = ()
) -> Vocabularies:
    """The sides of a task; those that are not given are like the target's."""
    sides = {"target": Vocabulary(target)}
    if task != "lm":
        sides["source"] = Vocabulary(source or target)
    if task == "tagging":
        sides["characters"] = Vocabulary(characters or target)
    return Vocabularies(sides, "words")


def built(
    task: str, family: str, found: Vocabularies, tied: bool = False, **sizes
) -> SequenceModel:
    sides = found.sides
    spec = ModelSpec(
        task=task,
        family=family,
        vocabulary_size=sides["target"].size,
        input_vocabulary_size=sides["source"].size if "source" in sides else 0,
        character_vocabulary_size=sides["characters"].size if "characters" in sides else 0,
        tie_embeddings=tied,
        **(
            {"units": 8, "heads": 2, "feed_forward": 8, "max_length": 6, "max_input_length": 6}
            | sizes
        ),
    )
    return build_model(spec)


def trained(model: SequenceModel, optimizer: keras.optimizers.Optimizer) -> None:
    """Every weight and slot another number, as if after training."""
    random = np.random.default_rng(7)
    optimizer.build(model.trainable_variables)
    for variable in (*model.trainable_variables, *optimizer.variables[1:]):
        variable.assign(random.normal(size=variable.shape).astype(np.float32))


def point_of(
    folder: pathlib.Path, model: SequenceModel, optimizer, found
) -> starting_point.StartingPoint:
    starting_point.write(str(folder), model, optimizer, found)
    return starting_point.read(str(folder))


def adam(name: str = "adam") -> keras.optimizers.Optimizer:
    return make_optimizer(TrainOptions(optimizer=name, momentum=0.9 * (name == "sgd")), 10, 8)


def features_of(task: str, places: dict[str, list[int]]) -> dict[str, tf.Tensor]:
    """One batch of old tokens, uneven; `places`: by side, the id that each old id has now."""

    def ids(side: str, rows: list[list[int]]) -> tf.Tensor:
        return tf.constant([[places[side][old] for old in row] for row in rows], tf.int64)

    found = {
        "decoder_inputs": ids("target", [[2, 4, 6, 1], [2, 5, 0, 0]]),
        "target_lengths": tf.constant([4, 2], tf.int64),
    }
    if task != "lm":
        found["inputs"] = ids("source", [[6, 4, 5, 3], [4, 3, 0, 0]])
        found["input_lengths"] = tf.constant([4, 2], tf.int64)
    if task == "tagging":
        first, second = [[5, 6, 4, 1], [4, 3, 0, 0]], [[4, 4, 6, 5], [6, 5, 0, 0]]
        chars = [ids("characters", rows) for rows in (first, second)]
        found["input_chars"] = tf.stack(chars, axis=2)
    return found


@pytest.mark.parametrize(("task", "family", "tied"), CASES)
@pytest.mark.parametrize(
    "now", [(MORE, OTHERWISE, MOVED), (MOVED, MORE, OTHERWISE)], ids=["grown", "moved"]
)
def test_old_rows_are_bit_equal_and_old_logits_equal(tmp_path, task, family, tied, now) -> None:
    before, after = vocabularies(task, WORDS), vocabularies(task, *now)
    old, optimizer = built(task, family, before, tied), adam()
    trained(old, optimizer)
    new, fresh = built(task, family, after, tied, seed=5), adam()
    fresh.build(new.trainable_variables)

    start = WarmStart("base", point_of(tmp_path, old, optimizer, before), after)
    start.give_weights(new)
    start.give_slots(fresh, new)

    # By side, the place of each old id: reserved ones stay, words are looked up.
    places = {
        side: [0, 1, 2, 3, *(4 + words.index(word) for word in WORDS)]
        for side, words in zip(("target", "source", "characters"), now, strict=True)
    }
    values = [(new.trainable_variables, old.trainable_variables, False)]
    slots, old_slots = (starting_point.slots_of(*pair) for pair in ((fresh, new), (optimizer, old)))
    for name in ("momentum", "velocity"):
        paths = [variable.path for variable in new.trainable_variables]
        mine, theirs = ([each[name][path] for path in paths] for each in (slots, old_slots))
        values.append((mine, theirs, True))
    rows = 0
    for mine, theirs, zero in values:
        for variable, one, other in zip(new.trainable_variables, mine, theirs, strict=True):
            one, other = one.numpy(), other.numpy()
            found = vocabulary_axis(variable.path)
            if found is None:
                np.testing.assert_array_equal(one, other)
                continue
            rows += 1
            one, other = (np.moveaxis(value, found[1], 0) for value in (one, other))
            kept = places[found[0]]
            np.testing.assert_array_equal(one[kept], other)
            mean = np.zeros(other.shape[1:]) if zero else other.mean(axis=0, dtype=np.float64)
            added = np.delete(one, kept, axis=0)
            assert len(added) > 0
            expected = np.broadcast_to(mean, added.shape)
            np.testing.assert_allclose(added, expected, rtol=1e-6, atol=1e-7)
    sides = {"lm": 1, "seq2seq": 2, "tagging": 2}[task]
    assert rows == 3 * (sides + 1 + (not tied))  # embeddings, bias, kernel, of weights and slots

    assert fresh.iterations.numpy() == 0
    before_growing = {side: list(range(7)) for side in places}
    expected = old(features_of(task, before_growing)).numpy()
    got = new(features_of(task, places)).numpy()[..., places["target"]]
    real = np.array([[1, 1, 1, 1], [1, 1, 0, 0]], bool)
    np.testing.assert_allclose(
        got[real], expected[real], rtol=1e-6, atol=1e-6 * np.abs(expected).max()
    )


@pytest.mark.parametrize(("task", "family", "tied"), CASES)
def test_every_variable_that_depends_on_the_vocabulary_is_known(task, family, tied) -> None:
    small, large = (built(task, family, vocabularies(task, each), tied) for each in (WORDS, MORE))
    for one, other in zip(small.trainable_variables, large.trainable_variables, strict=True):
        differs = [axis for axis in range(one.shape.rank) if one.shape[axis] != other.shape[axis]]
        found = vocabulary_axis(one.path)
        assert differs == ([] if found is None else [found[1]]), one.path


def test_rows_are_counted_and_matched_by_token() -> None:
    rows = match("target", Vocabulary(WORDS), Vocabulary(MOVED))
    assert rows.sources.tolist() == [0, 1, 2, 3, -1, 6, 4, -1, 5]
    assert rows.counts() == {"kept": 4, "moved": 3, "new": 2, "left_out": 0}


def test_reserved_ids_are_matched_by_what_they_are_for() -> None:
    other = Vocabulary(WORDS, SpecialIds(pad=3, unk=2, bos=1, eos=0), oov_buckets=2)
    rows = match("target", Vocabulary(WORDS, oov_buckets=3), other)
    # pad, unk, bos and eos change places; one of two further buckets is left; tokens move up by one.
    assert rows.sources.tolist() == [3, 2, 1, 0, 4, 6, 7, 8]
    assert rows.counts() == {"kept": 1, "moved": 7, "new": 0, "left_out": 1}


def test_a_side_of_ids_keeps_its_ids() -> None:
    rows = match("target", Vocabulary.of_ids(5, SPECIAL), Vocabulary.of_ids(7, SPECIAL))
    assert rows.sources.tolist() == [0, 1, 2, 3, 4, -1, -1]


def refused(tmp_path, task: str, now: Vocabularies, **changes) -> str:
    before = vocabularies("lm", WORDS)
    old, optimizer = built("lm", "gru", before), adam()
    optimizer.build(old.trainable_variables)
    point = point_of(tmp_path, old, optimizer, before)
    with pytest.raises(InputError) as caught:
        WarmStart("runs/7", point, now).give_weights(
            built(task, **({"family": "gru", "found": now} | changes))
        )
    message = str(caught.value)
    start, end = "cannot start from runs/7: ", "; train.warm_start: never starts from scratch, "
    assert message.startswith(start)
    assert end in message
    assert "\n" not in message
    return message.removeprefix(start).split(end)[0]


@pytest.mark.parametrize(
    ("task", "now", "changes", "reason"),
    [
        ("lm", (b"a", b"x", b"c"), {}, "vocabulary of the target side: got one that shares 2 of the "
         "base model's 3 tokens, expected all of them"),
        ("tagging", MORE, {}, "task: got lm in the base model, expected tagging"),
        ("lm", MORE, {"family": "lstm"}, "model.family: got gru in the base model, expected lstm"),
        ("lm", MORE, {"tied": True}, "model.tie_embeddings: got False in the base model, "
         "expected True"),
        ("lm", MORE, {"units": 10}, "model.units: got 8 in the base model, expected 10"),
        ("lm", MORE, {"layers": 2}, "model.layers: got 1 in the base model, expected 2"),
    ],
)  # fmt: skip
def test_another_kind_of_base_is_refused(tmp_path, task, now, changes, reason) -> None:
    assert refused(tmp_path, task, vocabularies(task, now), **changes) == reason


def test_ids_and_words_are_unrelated() -> None:
    with pytest.raises(InputError, match="shares 0 of"):
        match("target", Vocabulary.of_ids(5, SPECIAL), Vocabulary(WORDS))


def test_slots_of_another_rule_start_at_0(tmp_path) -> None:
    found = vocabularies("lm", WORDS)
    old, optimizer = built("lm", "gru", found), adam()
    trained(old, optimizer)
    point = point_of(tmp_path, old, optimizer, found)
    had = {}
    for name in ("adamw", "sgd"):
        fresh, start = adam(name), WarmStart("runs/7", point, found)
        fresh.build(old.trainable_variables)
        start.give_slots(fresh, old)
        had[name] = start.facts()["slots"]
        moved = sum(float(np.abs(slot.numpy()).sum()) for slot in fresh.variables[1:])
        assert (moved > 0) == (name == "adamw")
    assert had == {"adamw": {"momentum": True, "velocity": True}, "sgd": {"momentum": False}}
    assert described(start.facts()) == (
        "started from runs/7: target 7 rows kept, 0 moved, 0 new; the optimizer's momentum from 0"
    )


@pytest.mark.parametrize("name", ["arrays.npz", "vocabulary/target.jsonl", "facts.json"])
def test_a_starting_point_that_was_changed_or_removed_is_refused(tmp_path, name) -> None:
    found = vocabularies("lm", WORDS)
    model, optimizer = built("lm", "gru", found), adam()
    optimizer.build(model.trainable_variables)
    starting_point.write(str(tmp_path), model, optimizer, found)
    file = tmp_path / name
    content = file.read_bytes()
    file.unlink()
    with pytest.raises(InputError):
        starting_point.read(str(tmp_path))
    file.write_bytes(content.replace(b"a", b"b", 1))
    if name != "facts.json":
        with pytest.raises(InputError):
            starting_point.read(str(tmp_path))


# The whole of training.


@pytest.fixture(scope="module")
def request_for(tmp_path_factory, write_rows, copy_rows):
    folder = tmp_path_factory.mktemp("data")
    train = write_rows(folder / "train.gz", copy_rows(60, vocabulary=7, seed=1))
    evaluate = write_rows(folder / "eval.gz", copy_rows(30, vocabulary=7, seed=2))
    side = Side("words", "whitespace", 8)

    def make(**changes) -> TrainRequest:
        request = TrainRequest(
            train_files=(train,),
            eval_files=(evaluate,),
            transform_graph="",
            vocabulary="",
            serving_folder="",
            settings=Settings("seq2seq", source=side, target=side),
            model=ModelOptions(units=8),
            loss=LossOptions(),
            batch=BatchOptions(size=16),
            train=TrainOptions(epochs=2, learning_rate=0.02, decode_length=8),
        )
        return dataclasses.replace(request, **changes)

    return make


@pytest.fixture(scope="module")
def base(tmp_path_factory, request_for) -> str:
    folder = tmp_path_factory.mktemp("base")
    train = TrainOptions(epochs=4, learning_rate=0.02, decode_length=8, ema=0.5)
    request = request_for(start_folder=str(folder / starting_point.FOLDER), train=train)
    _, history = training.train(request, vocabularies("seq2seq", WORDS), lambda text: None)
    expected = "started from scratch: no earlier blessed model of other data"
    assert described(history.start) == expected
    return str(folder)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"ema": 0.9, "accumulation_steps": 2, "precision": "mixed_bfloat16", "optimizer": "adamw"},
    ],
    ids=["plain", "ema-accumulation-bfloat16"],
)
def test_a_run_starts_at_the_weights_that_its_base_exported(request_for, base, options) -> None:
    """At a learning rate of nearly 0 what comes out is what was put in."""
    train = TrainOptions(epochs=1, learning_rate=1e-12, decode_length=8, **options)
    request = request_for(base_model=base, train=train)
    model, history = training.train(request, vocabularies("seq2seq", MORE), lambda text: None)
    point = starting_point.read(f"{base}/{starting_point.FOLDER}")
    for variable in model.trainable_variables:
        found, value = vocabulary_axis(variable.path), variable.numpy()
        if found is not None:
            value = np.take(value, range(7), axis=found[1])
        np.testing.assert_allclose(value, point.weights[variable.path], rtol=0, atol=1e-6)
    assert history.start["model"] == base
    assert history.start["rows"]["source"] == {"kept": 7, "moved": 0, "new": 2, "left_out": 0}
    assert history.start["slots"] == {"momentum": True, "velocity": True}
    assert json.loads(json.dumps(history.to_dict()))["start"] == history.start


def test_the_first_update_has_the_moments_of_the_base(request_for, base) -> None:
    """One update takes 0.001 of Adam's velocity away and adds what is not negative."""
    folder = pathlib.Path(base) / "again"
    request = request_for(
        base_model=base,
        start_folder=str(folder),
        batch=BatchOptions(size=64),
        train=TrainOptions(steps=1, learning_rate=1e-12, decode_length=8),
    )
    found = vocabularies("seq2seq", WORDS)
    _, history = training.train(request, found, lambda text: None)
    before = starting_point.read(f"{base}/{starting_point.FOLDER}").slots["velocity"]
    after = starting_point.read(str(folder)).slots["velocity"]
    assert history.steps == 1
    for path, value in before.items():
        assert np.all(after[path] >= 0.999 * value * (1 - 1e-6)), path


def test_without_a_base_a_run_says_why_it_starts_from_scratch(request_for) -> None:
    train = TrainOptions(steps=1, decode_length=8, warm_start="never")
    found = vocabularies("seq2seq", WORDS)
    _, history = training.train(request_for(train=train), found, lambda text: None)
    assert described(history.start) == "started from scratch: train.warm_start is never"
