"""What float32 may lose: honest losses of confident models pass, slightly wrong ones do not."""

import numpy as np
import pytest
import tensorflow as tf

from pipeline.verify import compare, measure, oracle, parity
from pipeline.verify.case import Probe
from pipeline.verify.certificate import FAIL, PASS, Check

ROWS, LENGTH, CLASSES = 3, 5, 40


def confident(seed: int, size: float) -> Probe:
    """Logits of about `size`, the target's the largest by 10: losses of some 1e-3 nats."""
    dice = np.random.default_rng(seed)
    targets = dice.integers(0, CLASSES, (ROWS, LENGTH))
    logits = dice.normal(size=(ROWS, LENGTH, CLASSES)) - size
    np.put_along_axis(logits, targets[..., None], 10.0 - size + dice.normal(), axis=-1)
    weights = dice.choice([0.0, 0.5, 1.0, 3.0], (ROWS, LENGTH)).astype(np.float32)
    weights[0, 0] = 1.0
    hidden = np.zeros((ROWS, LENGTH, 1), np.float32)
    lengths = np.full(ROWS, LENGTH)
    return Probe(hidden, logits.astype(np.float32), targets, weights, lengths)


def checked(probe: Probe, off: float = 0.0) -> list[Check]:
    """Addons under each set of flags, as `parity.checks` compares it; `off` nats too large."""
    known = oracle.token_losses(probe.logits, probe.targets, probe.live)
    wrong = oracle.TokenLosses(known.losses - off, known.gradient)
    return [
        compare.close(
            5,
            original.name,
            parity._compared(original, probe, wrong, tf.float32),
            relative=compare.VALUE,
            size=probe.size,
        )
        for original in (parity._addons()[0], parity._addons()[-1])
    ]


@pytest.mark.parametrize("size", [1.0, 20.0, 80.0])
def test_an_honest_loss_passes_whatever_the_size_of_the_logits(size: float) -> None:
    failed = [
        (seed, check.compared, check.relative, check.allowed)
        for seed in range(50)
        for check in checked(confident(seed, size))
        if check.status == FAIL
    ]
    assert failed == []


@pytest.mark.parametrize(("size", "off"), [(1.0, 1e-5), (20.0, 1e-5), (80.0, 1e-4)])
def test_a_loss_that_is_off_by_more_than_rounding_fails(size: float, off: float) -> None:
    assert all(
        check.status == FAIL for seed in range(5) for check in checked(confident(seed, size), off)
    )


def test_the_allowance_by_hand() -> None:
    """W = [3, 4] at |logit| 2 and 1, 5 steps a token: a sum, and by position."""
    factors, magnitudes = np.array([[3.0, 4.0]]), np.array([[2.0, 1.0]])
    whole = compare.rounded(factors, magnitudes, 5.0, np.sum)
    assert whole == pytest.approx(5 * 7 + np.sqrt(6**2 + 4**2))
    assert compare.rounded(factors, magnitudes, 5.0, np.asarray) == pytest.approx(5 * 4 + 4)
    assert compare.rounded(factors, magnitudes * 2, 5.0, np.asarray) == pytest.approx(5 * 4 + 8)


def test_logits_of_dead_positions_do_not_widen_the_allowance() -> None:
    probe = confident(0, 20.0)
    grown = Probe(
        probe.hidden,
        np.where(probe.live[..., None], probe.logits, 1e30),
        probe.targets,
        probe.weights,
        probe.lengths,
    )
    for reduction in oracle.REDUCTIONS:
        assert measure.nats(grown, reduction) == measure.nats(probe, reduction)
    assert checked(grown)[0].status == PASS
