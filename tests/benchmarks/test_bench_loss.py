"""The benchmark compares losses that are the same: every candidate against float64, on a small case."""

import copy

import numpy as np
import pytest

from benchmarks import loss, loss_candidates, memory_log
from benchmarks.cases import Case

SMALL = Case(batch=6, time=10, features=16, classes=50, padding=0.45)


@pytest.mark.parametrize("padding", [0.0, 0.44, 0.45, 0.8])
def test_the_case_has_the_padding_that_it_says(padding: float) -> None:
    case = Case(padding=padding)
    weights = case.arrays()["weights"]
    assert weights.sum() == case.real
    assert 1 - weights.mean() == pytest.approx(padding, abs=0.01)
    lengths = case.lengths()
    assert lengths.min() >= 1
    assert len(set(lengths)) > 10 or padding == 0


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [
        ("keras", 1e-5),
        ("keras xla", 1e-5),
        ("addons", 1e-5),
        ("fused float32", 1e-5),
        ("fused float32 xla", 1e-5),
        ("fused bfloat16", 0.02),
    ],
)
def test_every_candidate_computes_the_same_loss_and_gradients(name: str, tolerance: float) -> None:
    expected = loss_candidates.make("float64 reference", SMALL)()
    found = loss_candidates.make(name, SMALL)()
    assert float(found[0]) == pytest.approx(float(expected[0]), rel=tolerance)
    for got, want in zip(found[1:], expected[1:], strict=True):
        assert np.linalg.norm(np.asarray(got) - want) <= tolerance * np.linalg.norm(want)


def test_a_worker_answers_times_and_memory() -> None:
    with loss.workers([loss.FUSED], "") as made:
        worker = made[loss.FUSED]
        worker.prepare(SMALL)
        assert len(loss.take_turns([worker], 2)[loss.FUSED]) == 2
        assert worker.ask("peak") >= 0
        assert worker.ask("allocated") >= 0  # TensorFlow counts large allocations only


def record(fused: float, half: float, beyond: int) -> dict:
    """What a run would have written, with Keras at 1 s and the matrix products at 0.25 s."""
    times = dict.fromkeys(loss.PEERS, 1.0) | {"fused float32 xla": 0.5, loss.GATHERED: 0.4}
    times |= {loss.FUSED: fused, loss.HALF: half, "matmul float32": 0.25, "matmul bfloat16": 0.1}
    sizes = dict(zip(loss.FLAT, (100, 110, beyond), strict=True))
    return {
        "headline": {
            "seconds": {name: [seconds] for name, seconds in times.items()},
            "peak_bytes": {loss.KERAS: 1000, loss.FUSED: 200},
            "errors": {loss.HALF: {"loss": 1e-5, "gradient": 0.002}},
        },
        "grid": [
            {
                "case": {"classes": 1000, "features": 128, "padding": 0.0},
                "seconds": {loss.KERAS: [2.0], loss.FUSED: [1.0]},
            }
        ],
        "flatness": [
            {"candidate": loss.FUSED, "classes": classes, "beyond": size}
            for classes, size in sizes.items()
        ],
    }


def test_verdicts_are_computed_from_the_times() -> None:
    good = loss.verdicts(record(fused=0.3, half=0.15, beyond=115))
    assert [row[0] for row in good if not row[3]] == []
    slow = loss.verdicts(record(fused=0.45, half=0.25, beyond=200))
    assert [row[0] for row in slow if not row[3]] == [
        "float32, against Keras on logits",
        "bfloat16 products, against Keras float32",
        "tensors alive from V=8k to 128k, float32: spread",
        "share of matmul speed, fused float32",
        "share of matmul speed, fused bfloat16",
        "float32, against PyTorch on gathered rows",
    ]
    without_torch = copy.deepcopy(record(fused=0.3, half=0.15, beyond=115))
    del without_torch["headline"]["seconds"][loss.GATHERED]
    assert len(loss.verdicts(without_torch)) == len(good) - 1


def test_alive_tensors_are_counted_once_and_until_they_are_freed() -> None:
    def made(number: int, size: int) -> str:
        return (
            '__LOG_MEMORY__ MemoryLogTensorAllocation { step_id: 1 kernel_name: "m" tensor {'
            f" allocation_description {{ requested_bytes: {size} allocated_bytes: {2 * size}"
            f" allocation_id: {number} }} }} }}\n"
        )

    def freed(number: int) -> str:
        return f"__LOG_MEMORY__ MemoryLogTensorDeallocation {{ allocation_id: {number} }}\n"

    tensors = memory_log.Tensors()
    tensors.read([made(1, 100), "something else\n", made(2, 30), made(1, 100), freed(2)])
    assert (tensors.now, tensors.peak) == (100, 130)
    tensors.forget_peak()
    tensors.read([made(3, 20), freed(1), freed(7), made(4, 50)])
    assert (tensors.now, tensors.peak) == (70, 120)


def test_what_the_loss_holds_is_read_from_the_log_of_its_process() -> None:
    most = loss._most_alive(loss.FUSED, SMALL, chunk_tokens=4)
    assert SMALL.gradient_bytes <= most <= 20 * SMALL.gradient_bytes
