"""Batches: every example once, sorted and trimmed, in an order that the seed fixes."""

import numpy as np
import pytest

from components.trainer import batching
from transform.features import Lengths

LENGTHS = Lengths(8, 8)


@pytest.fixture(scope="module")
def file(tmp_path_factory, write_rows, copy_rows) -> str:
    return write_rows(tmp_path_factory.mktemp("rows") / "rows.gz", copy_rows(300))


def epoch(file: str, *, seed: int = 1, size: int = 7, multiple: int = 2):
    return batching.training_batches(
        [file], LENGTHS, size=size, shuffle_buffer=300, multiple=multiple, seed=seed
    )


def contents(batches) -> list[tuple]:
    """Every example's real positions, in the order of the batches."""
    rows = []
    for batch in batches.as_numpy_iterator():
        for targets, length in zip(batch["targets"], batch["target_lengths"], strict=True):
            rows.append(tuple(targets[:length]))
    return rows


def test_an_epoch_holds_every_example_once(file) -> None:
    assert sorted(contents(epoch(file))) == sorted(
        contents(batching.evaluation_batches([file], LENGTHS, size=11, multiple=1))
    )
    assert batching.count([file]) == 300


@pytest.mark.parametrize(("examples", "size", "steps"), [(300, 7, 43), (300, 300, 1), (8, 4, 2)])
def test_steps_per_epoch(examples: int, size: int, steps: int) -> None:
    assert batching.steps_per_epoch(examples, size) == steps


def test_number_of_batches_is_steps_per_epoch(file) -> None:
    assert sum(1 for _ in epoch(file)) == 43


def test_order_is_fixed_by_the_seed_and_differs_between_epochs(file) -> None:
    one, same, other = epoch(file), epoch(file), epoch(file, seed=2)
    first = contents(one)
    assert first == contents(same)
    assert first != contents(one)  # the second epoch
    assert first != contents(other)


def test_batches_are_trimmed_to_a_multiple_and_lose_no_position(file) -> None:
    shapes = set()
    for batch in epoch(file).as_numpy_iterator():
        length = batch["targets"].shape[1]
        longest = batch["target_lengths"].max()
        assert length % 2 == 0
        assert longest <= length < longest + 2
        assert batch["loss_weights"].shape == batch["targets"].shape
        shapes.add(length)
    assert len(shapes) > 1


def test_sorting_wastes_less_padding_than_file_order(file) -> None:
    def padding(batches) -> float:
        real = total = 0
        for batch in batches.as_numpy_iterator():
            real += batch["target_lengths"].sum()
            total += batch["targets"].size
        return 1 - real / total

    unsorted = batching.evaluation_batches([file], LENGTHS, size=7, multiple=1)
    assert padding(epoch(file, multiple=1)) < 0.5 * padding(unsorted)


def test_trim_keeps_at_least_one_position() -> None:
    batch = {
        "targets": np.zeros([2, 8], np.int64),
        "target_lengths": np.zeros([2], np.int64),
        "loss_weights": np.zeros([2, 8], np.float32),
    }
    assert batching.trim(batch, 4)["targets"].shape == (2, 1)
