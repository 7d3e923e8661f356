"""Rows that are packed: every example in one of them, hardly any padding, the same for the same arguments."""

import dataclasses
import functools

import numpy as np
import pytest
import tensorflow as tf

from components.trainer import batching, packed_batches, packing
from components.trainer.buckets import Histogram, merged
from components.trainer.request import BatchOptions
from transform.features import Lengths

LENGTHS = Lengths(12, 9)
ROWS = 300
OPTIONS = {
    "examples": BatchOptions(packing="best_fit", size=20),
    "tokens": BatchOptions(packing="best_fit", type="tokens", size=150),
    "blocks": BatchOptions(packing="best_fit", size=20, shuffle_buffer=90),
}


def histogram_of(*lengths: int | tuple[int, int], limits=(99,)) -> Histogram:
    rows = np.array(lengths, np.int64).reshape(len(lengths), -1)
    return Histogram(*merged(rows, np.ones(len(rows), np.int64)), limits)


def random_histogram(sides: int, count: int = 3000) -> Histogram:
    """Log-normal lengths; those of the second side are about those of the first."""
    random = np.random.default_rng(3)
    first = np.exp(random.normal(2.2, 0.6, count))
    both = np.stack([first, first * np.exp(random.normal(0, 0.2, count))], axis=1)
    lengths = np.clip(both[:, :sides].astype(np.int64), 0, 60)
    return Histogram(*merged(lengths, np.ones(count, np.int64)), (60,) * sides)


@pytest.mark.parametrize(
    ("lengths", "row", "expected"),
    [
        ([5, 5], 10, [((5,), (5,))]),
        ([6, 5, 4], 10, [((6,), (4,)), ((5,),)]),
        # 7 goes with 3, though 2 fits too; 6 with 2 and 2 leaves nothing.
        ([7, 6, 3, 2, 2], 10, [((7,), (3,)), ((6,), (2,), (2,))]),
        ([3, 3, 3, 3], 10, [((3,), (3,), (3,)), ((3,),)]),
        ([0, 0, 4], 4, [((4,),), ((0,), (0,))]),
        ([(4, 1), (1, 4), (3, 3), (2, 2)], 5, [((4, 1), (1, 4)), ((3, 3), (2, 2))]),
        # An empty target comes last.
        ([(0, 3), (2, 0), (2, 2)], 5, [((2, 2), (2, 0), (0, 3))]),
    ],
)
def test_the_fullest_row_that_has_room(lengths, row: int, expected) -> None:
    histogram = histogram_of(*lengths)
    block = packing.best_fit(histogram, (row,) * histogram.lengths.shape[1])
    assert sorted(block.patterns) == sorted(expected)
    assert set(block.counts) == {1}


@pytest.mark.parametrize("sides", [1, 2])
def test_every_example_has_a_place_and_no_row_is_too_full(sides: int) -> None:
    histogram = random_histogram(sides)
    plan = packing.plan([histogram], size=64)
    (block,) = plan.blocks
    placed = [
        size
        for pattern, n in zip(block.patterns, block.counts, strict=True)
        for size in pattern * n
    ]
    found = histogram_of(*placed)
    np.testing.assert_array_equal(found.lengths, histogram.lengths)
    np.testing.assert_array_equal(found.counts, histogram.counts)
    for pattern in block.patterns:
        assert (np.sum(pattern, axis=0) <= plan.shape).all()
    assert plan.padding_share <= 0.02
    assert plan.positions == block.rows * sum(plan.shape)


def test_a_row_is_no_longer_than_the_examples_need() -> None:
    """Room in proportion to what the sides hold, and no more of it than fills rows well."""
    assert packing.plan([random_histogram(1)], size=64).shape == (60,)
    short = histogram_of(*[(4, 6)] * 99, (2, 3), limits=(500, 500))
    assert packing.plan([short], size=64).shape == (4, 6)
    # Rows of 4, 5, 6 and 8 are filled badly; 4 + 4 + 4 and 3 + 3 + 3 + 3 fill one of 12.
    assert packing.plan([histogram_of(*[3, 4] * 60)], size=8).shape == (12,)


@pytest.mark.parametrize(("size", "row", "rows"), [(4, 4, 1), (11, 11, 1), (25, 12, 2)])
def test_a_row_is_no_longer_than_a_batch_of_tokens(size: int, row: int, rows: int) -> None:
    plan = packing.plan([histogram_of(*[3, 4] * 60)], size=size, kind="tokens")
    assert (plan.shape, plan.rows) == ((row,), rows)


@pytest.mark.parametrize(("effective", "window"), [(0, 1), (500, 1), (501, 2)])
def test_effective_size_is_reached_by_batches(effective: int, window: int) -> None:
    plan = packing.plan([histogram_of(*[10] * 100)], size=50, effective_size=effective)
    assert (plan.shape, plan.rows, plan.batches_per_epoch) == ((10,), 50, 2)
    assert plan.micro_batches == window


def uneven_rows(count: int) -> list[dict[str, list]]:
    """Rows that are told apart by their weights; some sources and targets are empty."""
    random = np.random.default_rng(5)
    rows = []
    for number in range(count):
        target, source = int(random.integers(0, 13)), min(9, int(random.geometric(0.3)) - 1)
        targets, inputs, weights = np.zeros(12, int), np.zeros(9, int), np.zeros(12)
        targets[:target] = random.integers(4, 9, target)
        inputs[:source] = random.integers(4, 9, source)
        weights[:target] = 1 + 1e-3 * number
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


@functools.cache
def plan_of(files: tuple[str, ...], options: BatchOptions) -> packing.PackedPlan:
    return packed_batches.plan(files, LENGTHS, options)


def epochs_of(files, options: BatchOptions, epochs: range, *, seed: int = 1, start: int = 0):
    """Pairs of (epoch, batch)."""
    batches = packed_batches.training_batches(
        files, LENGTHS, plan_of(files, options), seed=seed, epochs=epochs, start=start
    )
    return [(int(epoch), batch) for epoch, batch in batches.as_numpy_iterator()]


@functools.cache
def three_epochs(files: tuple[str, ...], options: BatchOptions):
    return epochs_of(files, options, range(2, 5))


def contents(batch) -> list[tuple]:
    """Every example's real positions."""
    found = []
    for row, count in enumerate(batch["packed_examples"]):
        for number in range(1, count + 1):
            target = batch["target_segments"][row] == number
            source = batch["input_segments"][row] == number
            positions = batch["target_positions"][row, target].tolist()
            assert positions == list(range(len(positions)))
            positions = batch["input_positions"][row, source].tolist()
            assert positions == list(range(len(positions)))
            found.append(
                (
                    tuple(batch["targets"][row, target].tolist()),
                    tuple(batch["loss_weights"][row, target].tolist()),
                    tuple(batch["inputs"][row, source].tolist()),
                )
            )
    return found


def in_file_order(files) -> list[tuple]:
    (whole,) = batching.evaluation_batches(files, LENGTHS, size=ROWS, multiple=1)
    found = []
    for row in range(ROWS):
        target, source = whole["target_lengths"][row], whole["input_lengths"][row]
        real = (
            whole["targets"][row, :target],
            whole["loss_weights"][row, :target],
            whole["inputs"][row, :source],
        )
        found.append(tuple(tuple(values.numpy().tolist()) for values in real))
    return found


def same(left, right) -> bool:
    return len(left) == len(right) and all(
        one[0] == other[0] and all(np.array_equal(one[1][key], other[1][key]) for key in one[1])
        for one, other in zip(left, right, strict=True)
    )


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_an_epoch_holds_every_example_once_in_the_planned_rows(files, options) -> None:
    plan = plan_of(files, options)
    epochs = three_epochs(files, options)
    assert [epoch for epoch, _ in epochs] == [
        epoch for epoch in (2, 3, 4) for _ in range(plan.batches_per_epoch)
    ]
    batches = [batch for epoch, batch in epochs if epoch == 3]
    found = [row for batch in batches for row in contents(batch)]
    assert sorted(found) == sorted(in_file_order(files))
    for batch in batches:
        shape = (batch["targets"].shape[1], batch["inputs"].shape[1])
        assert shape == plan.shape
        assert len(batch["targets"]) <= plan.rows
        real = (batch["target_segments"] > 0).sum(axis=1)
        np.testing.assert_array_equal(batch["target_lengths"], real)
        real = (batch["input_segments"] > 0).sum(axis=1)
        np.testing.assert_array_equal(batch["input_lengths"], real)
    assert sum(batch["targets"].size + batch["inputs"].size for batch in batches) == plan.positions
    real = sum(batch["target_lengths"].sum() + batch["input_lengths"].sum() for batch in batches)
    assert real == plan.real_positions


@pytest.mark.parametrize("name", ["examples", "tokens"])
def test_batches_differ_by_one_row_at_most(files, name: str) -> None:
    sizes = [len(batch["targets"]) for _, batch in three_epochs(files, OPTIONS[name])]
    assert max(sizes) - min(sizes) <= 1


def test_a_batch_has_the_asked_size(files) -> None:
    batches = [batch for _, batch in three_epochs(files, OPTIONS["examples"])]
    assert 16 <= np.mean([batch["packed_examples"].sum() for batch in batches]) <= 21
    for _, batch in three_epochs(files, OPTIONS["tokens"]):
        assert max(batch["targets"].size, batch["inputs"].size) <= 150


@pytest.mark.parametrize("name", ["examples", "blocks"])
def test_an_epoch_depends_on_its_arguments_only(files, name: str) -> None:
    options = OPTIONS[name]
    first = [batch for epoch, batch in three_epochs(files, options) if epoch == 3]
    again = epochs_of(tuple(reversed(files)), options, range(3, 4))
    assert same([(3, batch) for batch in first], again)
    others = [batch for epoch, batch in three_epochs(files, options) if epoch == 4]
    reseeded = [batch for _, batch in epochs_of(files, options, range(3, 4), seed=5)]
    for other in (others, reseeded):
        # Other examples share a row, not only a batch.
        rows = {frozenset(contents(batch)) for batch in other}
        assert rows.isdisjoint(frozenset(contents(batch)) for batch in first)


@pytest.mark.parametrize("start", [5, "all but one"])
@pytest.mark.parametrize("name", ["examples", "blocks"])
def test_a_later_start_gives_the_batches_that_were_to_come(files, name: str, start) -> None:
    options, per_epoch = OPTIONS[name], plan_of(files, OPTIONS[name]).batches_per_epoch
    begin = {"all but one": per_epoch - 1, "all": per_epoch}.get(start, start)
    found = epochs_of(files, options, range(2, 5), start=begin)
    assert same(found, three_epochs(files, options)[begin:])


@pytest.mark.parametrize("change", ["other lengths", "one fewer", "one more"])
@pytest.mark.parametrize("name", ["examples", "blocks"])
def test_files_that_were_not_planned_for_are_refused(
    files, tmp_path, write_rows, name: str, change: str
) -> None:
    rows = uneven_rows(ROWS + 1)
    changed = {"one fewer": rows[1:ROWS], "one more": rows, "other lengths": rows[1:]}[change]
    other = (write_rows(tmp_path / "other.gz", changed),)
    batches = packed_batches.training_batches(
        other, LENGTHS, plan_of(files, OPTIONS[name]), seed=1, epochs=range(1)
    )
    with pytest.raises((tf.errors.InvalidArgumentError, tf.errors.FailedPreconditionError)):
        list(batches)


def test_targets_alone_share_rows(tmp_path, write_rows) -> None:
    rows = [
        {
            "targets": [5] * length + [0] * (6 - length),
            "target_lengths": [length],
            "loss_weights": [1.0] * length + [0.0] * (6 - length),
        }
        for length in (1, 3, 6, 5, 3)
    ]
    file = write_rows(tmp_path / "rows.gz", rows)
    options = dataclasses.replace(OPTIONS["tokens"], size=12)
    plan = packed_batches.plan([file], Lengths(6), options)
    assert (plan.shape, plan.rows, plan.batches_per_epoch) == ((6,), 2, 2)
    assert plan.padding_share == 0
    batches = packed_batches.training_batches([file], Lengths(6), plan, seed=0, epochs=range(1))
    packed = [row for _, batch in batches for row in batch["target_segments"].numpy().tolist()]
    assert sorted(packed) == [
        [1, 1, 1, 1, 1, 1],
        [1, 1, 1, 1, 1, 2],
        [1, 1, 1, 2, 2, 2],
    ]
