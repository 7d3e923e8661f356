"""The benchmark of evaluation: its verdicts, and that its metric adds up as TFMA asks."""

import numpy as np
import pytest
import tfx.components  # noqa: F401  (before TFMA)

from benchmarks import eval as bench
from benchmarks import eval_metric


def record(ours: float, both: float, stock: float, loss: float = 2.0, peak: int = 2**30) -> dict:
    """Two turns, the second on a machine at half the speed."""
    cpu = {
        bench.FLOOR: 2.0,
        bench.OURS: ours,
        bench.BOTH: both,
        bench.STOCK: stock,
        bench.LEAN: 3.0,
    }
    runs = {
        name: [{"cpu": factor * value, "wall": 1.0, "loss": 2.0} for factor in (1, 2)]
        for name, value in cpu.items()
    }
    runs[bench.OURS][0]["loss"] = loss
    return {"runs": runs, "peaks": dict.fromkeys(cpu, peak)}


def test_verdicts_compare_within_each_turn() -> None:
    good = bench.verdicts(record(ours=4.0, both=6.0, stock=12.0))
    assert [row[2] for row in good] == ["1.50 s", "3.00x", "1.50x", "0.0e+00", "1.00 GiB"]
    assert all(row[3] for row in good)
    bad = bench.verdicts(record(ours=4.1, both=7.5, stock=10.0, loss=2.00001, peak=2**31 + 1))
    assert not any(row[3] for row in bad)


def test_the_stock_metric_merges_unequal_accumulators() -> None:
    (computation,) = eval_metric.SequenceMetrics().computations(model_names=[""])
    combiner = computation.combiner
    parts = [np.array([10.0, 1.0, 1.0, 1.0, 1.0]), np.array([1.0, 1.0, 0.0, 0.0, 1.0])]
    found = {
        key.name: value
        for key, value in combiner.extract_output(combiner.merge_accumulators(parts)).items()
    }
    assert found["masked_token_loss"] == 5.5
    assert found["perplexity"] == pytest.approx(np.exp(5.5))
    assert (found["token_accuracy"], found["sequence_accuracy"]) == (0.5, 0.5)
