"""Batches of an epoch: every example once, in planned shapes, the same for the same arguments."""

import dataclasses
import functools
import itertools
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf

from components.trainer import batching
from components.trainer.models import ModelSpec, build_model
from components.trainer.objective import Objective
from components.trainer.request import BatchOptions, LossOptions, ModelOptions
from transform.features import Lengths
from transform.settings import Settings, Side

LENGTHS = Lengths(12, 9)
ROWS = 300
OPTIONS = {
    "examples": BatchOptions(size=7, shapes=5),
    "one shape": BatchOptions(size=11, shapes=1),
    "a shape each": BatchOptions(size=16, shapes=500),
    "tokens": BatchOptions(type="tokens", size=40, shapes=6),
    "blocks": BatchOptions(size=7, shapes=5, shuffle_buffer=90),
    "blocks of tokens": BatchOptions(type="tokens", size=100, shapes=8, shuffle_buffer=299),
    "blocks of one": BatchOptions(size=4, shapes=3, shuffle_buffer=1),
    "one batch": BatchOptions(size=ROWS, shapes=1),
    "multiples": BatchOptions(size=7, shapes=5, bucket_multiple=4),
}


def uneven_rows(count: int) -> list[dict[str, list]]:
    """Rows that are told apart by their inputs; some sources and targets are empty."""
    random = np.random.default_rng(5)
    rows = []
    for number in range(count):
        target, source = int(random.integers(0, 13)), min(9, int(random.geometric(0.3)) - 1)
        targets, inputs, weights = np.zeros(12, int), np.zeros(9, int), np.zeros(12)
        targets[:target] = random.integers(4, 9, target)
        inputs[:source] = random.integers(4, 9, source)
        weights[:target] = random.choice([0.0, 0.5, 1.0, 2.0], target) + 1e-3 * number
        rows.append(
            {
                "targets": targets,
                "target_lengths": [target],
                "loss_weights": weights,
                "inputs": inputs,
                "input_lengths": [source],
            }
        )
    return rows


@pytest.fixture(scope="module")
def files(tmp_path_factory, write_rows) -> tuple[str, ...]:
    folder = tmp_path_factory.mktemp("rows")
    rows = uneven_rows(ROWS)
    parts = {"c": rows[:37], "a": rows[37:250], "b": rows[250:]}
    return tuple(write_rows(folder / f"{name}.gz", part) for name, part in parts.items())


def plan_of(files, options: BatchOptions):
    return batching.plan(files, LENGTHS, options)


@functools.cache
def default_epoch(files: tuple[str, ...], options: BatchOptions):
    """What several tests look at, read once."""
    return epoch_of(files, options)


def epoch_of(files, options: BatchOptions, *, seed: int = 1, epoch: int = 0, start: int = 0):
    numbered = epochs_of(files, options, range(epoch, epoch + 1), seed=seed, start=start)
    assert {number for number, _ in numbered} <= {epoch}
    return [batch for _, batch in numbered]


def epochs_of(files, options: BatchOptions, epochs: range, *, seed: int = 1, start: int = 0):
    """Pairs of (epoch, batch)."""
    batches = batching.training_batches(
        files,
        LENGTHS,
        plan_of(files, options),
        seed=seed,
        epochs=epochs,
        shuffle_buffer=options.shuffle_buffer,
        start=start,
    )
    return list(batches.as_numpy_iterator())


def contents(batches) -> list[tuple]:
    """Every example's real positions, in the order of the batches."""
    rows = []
    for batch in batches:
        for row in range(len(batch["targets"])):
            target, source = batch["target_lengths"][row], batch["input_lengths"][row]
            real = (
                batch["targets"][row, :target],
                batch["loss_weights"][row, :target],
                batch["inputs"][row, :source],
            )
            rows.append(tuple(tuple(values.tolist()) for values in real))
    return rows


def in_file_order(files) -> list[tuple]:
    whole = batching.evaluation_batches(files, LENGTHS, size=11, multiple=1)
    return contents(whole.as_numpy_iterator())


def same(left, right) -> bool:
    return len(left) == len(right) and all(
        one.keys() == other.keys() and all(np.array_equal(one[key], other[key]) for key in one)
        for one, other in zip(left, right, strict=True)
    )


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_an_epoch_holds_every_example_once_in_the_planned_shapes(files, options) -> None:
    plan = plan_of(files, options)
    batches = default_epoch(files, options)
    assert sorted(contents(batches)) == sorted(in_file_order(files))
    assert len(batches) == plan.batches_per_epoch
    assert len(plan.buckets) <= options.shapes
    rows = {bucket.shape: bucket.rows for bucket in plan.buckets}
    for batch in batches:
        shape = (batch["targets"].shape[1], batch["inputs"].shape[1])
        assert len(batch["targets"]) <= rows[shape]
        assert batch["loss_weights"].shape == batch["targets"].shape
    assert sum(batch["targets"].size + batch["inputs"].size for batch in batches) == plan.positions
    real = sum(batch["target_lengths"].sum() + batch["input_lengths"].sum() for batch in batches)
    assert real == plan.real_positions


def test_a_batch_of_tokens_holds_no_more_of_them(files) -> None:
    for batch in default_epoch(files, OPTIONS["tokens"]):
        assert max(batch["targets"].size, batch["inputs"].size) <= 40


@pytest.mark.parametrize(("name", "chosen"), [("examples", slice(1, 2)), ("blocks", slice(3))])
def test_an_epoch_depends_on_its_arguments_only(files, name: str, chosen: slice) -> None:
    """Of one file too, which has no order among others."""
    options, files = OPTIONS[name], files[chosen]
    tf.random.set_seed(3)
    first = epoch_of(files, options)
    tf.random.set_seed(4)
    assert same(first, epoch_of(tuple(reversed(files)), options))
    # Seed 5 begins with another file, so that not even a rare length's first batch is the same.
    for other in (epoch_of(files, options, epoch=1), epoch_of(files, options, seed=5)):
        assert contents(other) != contents(first)
        # Another order of the batches alone would not do.
        assert {frozenset(contents([batch])) for batch in other}.isdisjoint(
            frozenset(contents([batch])) for batch in first
        )


@pytest.mark.parametrize("start", [1, "all but one", "all"])
@pytest.mark.parametrize("name", ["examples", "blocks"])
def test_a_later_start_gives_the_batches_that_were_to_come(files, name: str, start) -> None:
    options = OPTIONS[name]
    whole = epoch_of(files, options, epoch=3)
    begin = {"all but one": len(whole) - 1, "all": len(whole)}.get(start, start)
    assert same(epoch_of(files, options, epoch=3, start=begin), whole[begin:])


@pytest.mark.parametrize("start", [0, 5, "all but one"])
@pytest.mark.parametrize("name", ["examples", "blocks", "blocks of tokens", "one batch"])
def test_epochs_in_a_row_are_those_epochs(files, name: str, start) -> None:
    """Whichever of them the run starts in, and wherever in it."""
    options = OPTIONS[name]
    each = {epoch: epoch_of(files, options, epoch=epoch) for epoch in (2, 3, 4)}
    begin = min({"all but one": len(each[2]) - 1}.get(start, start), len(each[2]))
    found = epochs_of(files, options, range(2, 5), start=begin)
    expected = [(epoch, batch) for epoch, batches in each.items() for batch in batches][begin:]
    assert [int(epoch) for epoch, _ in found] == [epoch for epoch, _ in expected]
    assert same([batch for _, batch in found], [batch for _, batch in expected])


@pytest.mark.parametrize(("name", "once"), [("examples", True), ("blocks", False)])
def test_what_fits_into_the_buffer_is_read_once(files, tmp_path, name: str, once: bool) -> None:
    """What does not is read in each epoch, and no more of it is held."""
    copies = [shutil.copy(file, tmp_path) for file in files]
    options = OPTIONS[name]
    batches = iter(
        batching.training_batches(
            copies,
            LENGTHS,
            plan_of(copies, options),
            seed=1,
            epochs=range(3),
            shuffle_buffer=options.shuffle_buffer,
        )
    )
    next(batches)
    for copy in copies:
        pathlib.Path(copy).unlink()
    if once:
        assert {int(epoch) for epoch, _ in batches} == {0, 1, 2}
    else:
        with pytest.raises(tf.errors.NotFoundError):
            list(batches)


def test_batches_are_mixed_long_and_short(files) -> None:
    lengths = [batch["targets"].shape[1] for batch in default_epoch(files, OPTIONS["examples"])]
    falls = sum(one > other for one, other in itertools.pairwise(lengths))
    assert falls > len(lengths) / 4


def test_planned_shapes_waste_less_padding_than_file_order(files) -> None:
    def padding(batches) -> float:
        real = sum(int(batch["target_lengths"].sum()) for batch in batches)
        return 1 - real / sum(batch["targets"].size for batch in batches)

    unsorted = batching.evaluation_batches(files, LENGTHS, size=7, multiple=1)
    assert padding(default_epoch(files, OPTIONS["examples"])) < 0.7 * padding(
        list(unsorted.as_numpy_iterator())
    )


@pytest.mark.parametrize("change", ["fewer", "more", "one block fewer"])
@pytest.mark.parametrize("name", ["examples", "blocks"])
def test_files_that_were_not_planned_for_are_refused(files, name: str, change: str) -> None:
    options = OPTIONS[name]
    plan = plan_of(files, options)
    examples = {"fewer": ROWS + 1, "more": ROWS - 1, "one block fewer": ROWS + 45}[change]
    batches = batching.training_batches(
        files,
        LENGTHS,
        dataclasses.replace(plan, examples=examples),
        seed=1,
        epochs=range(1),
        shuffle_buffer=options.shuffle_buffer,
    )
    with pytest.raises((tf.errors.InvalidArgumentError, tf.errors.FailedPreconditionError)):
        list(batches)


def test_a_row_longer_than_all_shapes_is_refused(files) -> None:
    plan = plan_of(files, OPTIONS["one shape"])
    short = (dataclasses.replace(plan.buckets[0], shape=(11, 9)),)
    batches = batching.training_batches(
        files,
        LENGTHS,
        dataclasses.replace(plan, buckets=short),
        seed=1,
        epochs=range(1),
        shuffle_buffer=1000,
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match="longer than all shapes"):
        list(batches)


def test_no_examples_no_batches(tmp_path, write_rows) -> None:
    empty = [write_rows(tmp_path / "empty.gz", [])]
    assert plan_of(empty, OPTIONS["tokens"]).examples == 0
    assert epoch_of(empty, OPTIONS["tokens"]) == []


def test_one_side_and_characters(tmp_path, write_rows) -> None:
    """Tagging: both sides and the characters of each token are cut alike."""
    rows = [
        {
            "targets": [5] * length + [0] * (6 - length),
            "target_lengths": [length],
            "loss_weights": [1.0] * length + [0.0] * (6 - length),
            "inputs": [4] * length + [0] * (6 - length),
            "input_lengths": [length],
            "input_chars": [[7, 8]] * length + [[0, 0]] * (6 - length),
        }
        for length in (2, 2, 4, 4)
    ]
    file, lengths = write_rows(tmp_path / "rows.gz", rows), Lengths(6, 6, 2)
    plan = batching.plan([file], lengths, BatchOptions(size=2, shapes=2))
    batches = batching.training_batches(
        [file], lengths, plan, seed=0, epochs=range(1), shuffle_buffer=9
    )
    found = sorted(batch["input_chars"].tolist() for _, batch in batches.as_numpy_iterator())
    assert found == [[[[7, 8]] * 2] * 2, [[[7, 8]] * 4] * 2]
    assert plan.padding_share == 0


def test_targets_alone_are_planned_by_their_length(tmp_path, write_rows) -> None:
    rows = [
        {
            "targets": [5] * length + [0] * (6 - length),
            "target_lengths": [length],
            "loss_weights": [1.0] * length + [0.0] * (6 - length),
        }
        for length in (1, 3, 1, 3, 3)
    ]
    file = write_rows(tmp_path / "rows.gz", rows)
    plan = batching.plan([file], Lengths(6), BatchOptions(size=2, shapes=2))
    batches = batching.training_batches(
        [file], Lengths(6), plan, seed=0, epochs=range(1), shuffle_buffer=9
    )
    assert sorted(tuple(batch["targets"].shape) for _, batch in batches) == [(1, 3), (2, 1), (2, 3)]


SETTINGS = Settings(
    task="seq2seq",
    target=Side("target", "whitespace", 12),
    source=Side("source", "whitespace", 9),
)


@pytest.mark.parametrize("family", ["gru", "transformer"])
def test_the_gradient_of_an_epoch_does_not_depend_on_the_plan(files, family: str) -> None:
    spec = ModelSpec(
        task="seq2seq",
        vocabulary_size=9,
        input_vocabulary_size=9,
        character_vocabulary_size=0,
        max_length=12,
        max_input_length=9,
        seed=3,
        **dataclasses.asdict(ModelOptions(family=family, units=8, heads=2, feed_forward=8)),
    )
    model = build_model(spec)
    objective = Objective(model, SETTINGS, LossOptions())

    open_shapes = batching.evaluation_batches(files, LENGTHS, size=3, multiple=1).element_spec

    @tf.function(input_signature=[open_shapes])
    def sums(batch):
        with tf.GradientTape() as tape:
            found = objective.minimised(batch).total
        return found, tape.gradient(found.numerator, model.trainable_variables)

    def of_epoch(options: BatchOptions) -> np.ndarray:
        gradient, weight = 0.0, 0.0
        for batch in default_epoch(files, options):
            found, parts = sums(batch)
            flat = [tf.reshape(tf.convert_to_tensor(part), [-1]) for part in parts]
            gradient = gradient + tf.concat(flat, axis=0).numpy().astype(np.float64)
            weight += float(found.denominator)
        return gradient / weight

    whole = of_epoch(OPTIONS["one batch"])
    for name in ("examples", "blocks of tokens"):
        difference = np.abs(of_epoch(OPTIONS[name]) - whole).max()
        assert difference <= 1e-5 * np.abs(whole).max(), name


def test_trim_keeps_at_least_one_position() -> None:
    batch = {
        "targets": np.zeros([2, 8], np.int64),
        "target_lengths": np.zeros([2], np.int64),
        "loss_weights": np.zeros([2, 8], np.float32),
    }
    assert batching.trim(batch, 4)["targets"].shape == (2, 1)
