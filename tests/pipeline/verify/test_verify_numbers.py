"""The certificate's own arithmetic: the oracle by hand, deviations, the sample, splits, the table."""

import json
import math

import numpy as np
import pytest

from components.sequence_loss import REDUCTIONS
from pipeline.verify import compare, oracle, sample, splitting
from pipeline.verify.certificate import FAIL, INVARIANTS, NOT_EXERCISED, PASS, Certificate, Check
from pipeline.verify.compare import Pair, Size

SIZE = Size(2, 3)
# Odds 1 : 3, so the targets' probabilities are 1/4 and 3/4; the fourth position is dead.
LOGITS = np.log([[[1.0, 3.0], [1.0, 3.0]], [[3.0, 1.0], [np.nan, 1.0]]])
TARGETS = [[0, 1], [1, -7]]
WEIGHTS = np.array([[0.5, 2.0], [1.0, 0.0]])
LENGTHS = [2, 1]
A, B = math.log(4), math.log(4 / 3)  # losses: A, B; A, -


def test_oracle_of_two_rows_by_hand() -> None:
    found = oracle.token_losses(LOGITS, TARGETS, WEIGHTS != 0)
    np.testing.assert_allclose(found.losses, [[A, B], [A, 0]], rtol=1e-15)
    wanted = [[[-0.75, 0.75], [0.25, -0.25]], [[0.75, -0.75], [0, 0]]]
    np.testing.assert_allclose(found.gradient, wanted, rtol=1e-15)


@pytest.mark.parametrize(
    ("reduction", "wanted"),
    [
        ("none", [[0.5 * A, 2 * B], [A, 0]]),
        ("per_example", [(0.5 * A + 2 * B) / 2.5, A]),
        ("per_example_sum", [0.5 * A + 2 * B, A]),
        ("token_sum", 1.5 * A + 2 * B),
        ("token_mean", (1.5 * A + 2 * B) / 3.5),
        ("example_mean", ((0.5 * A + 2 * B) / 2.5 + A) / 2),
        ("batch_mean", (1.5 * A + 2 * B) / 2),
        ("length_mean", (1.5 * A + 2 * B) / 3),
        ("nonzero_mean", (1.5 * A + 2 * B) / 3),
    ],
)
def test_reductions_by_hand(reduction: str, wanted) -> None:
    losses = oracle.token_losses(LOGITS, TARGETS, WEIGHTS != 0).losses
    found = oracle.value(reduction, losses, WEIGHTS, LENGTHS)
    np.testing.assert_allclose(found, wanted, rtol=1e-15)
    nothing = oracle.value(reduction, losses, np.zeros_like(WEIGHTS), [0, 0])
    assert not np.any(nothing)


def test_every_reduction_of_the_loss_is_certified() -> None:
    assert set(oracle.REDUCTIONS) == set(REDUCTIONS)


def test_an_empty_row_does_not_count_in_the_example_mean() -> None:
    weights = np.array([[1.0, 1.0], [0.0, 0.0]])
    found = oracle.value("example_mean", np.array([[1.0, 3.0], [9.0, 9.0]]), weights, [2, 0])
    assert found == 2.0


@pytest.mark.parametrize(
    ("got", "wanted", "nats", "status", "absolute"),
    [
        ([100.0, 1.0], [100.0, 1.00009], 0.0, PASS, 9e-5),  # 1e-6 of the largest, 100
        ([100.0, 1.0], [100.0, 1.0002], 0.0, FAIL, 2e-4),
        (1e-3, 1e-3 + 1e-7, 0.0, FAIL, 1e-7),
        (1e-3, 1e-3 + 1e-7, 1.0, PASS, 1e-7),  # below float32's step at 1
        (1e-3, 1e-3 + 2e-7, 1.0, FAIL, 2e-7),
        (0.0, 0.0, 0.0, PASS, 0.0),
        (1e-30, 0.0, 0.0, FAIL, 1e-30),
        (np.nan, np.nan, 1.0, FAIL, np.inf),
        (1.0, np.inf, 1.0, FAIL, np.inf),
        ([1.0, 1.0], [1.0], 1.0, FAIL, np.inf),
    ],
)
def test_close(got, wanted, nats: float, status: str, absolute: float) -> None:
    right = Pair("right", 1.0, 1.0)
    pairs = [right, Pair("x", got, wanted, nats), right]
    check = compare.close(1, "a = b", pairs, relative=1e-6, size=SIZE)
    assert check.status == status
    assert check.absolute == pytest.approx(absolute)
    if absolute:
        assert check.note == "worst of 3: x"


def test_identical_sees_one_bit_and_refuses_nan() -> None:
    one = np.float32(1)
    next_one = np.nextafter(one, np.float32(2))
    nan, double = np.float32("nan"), np.float64(1)
    cases = [(one, one, PASS), (next_one, one, FAIL), (nan, nan, FAIL), (double, one, FAIL)]
    for got, wanted, status in cases:
        check = compare.identical(2, "a = b", [Pair("x", got, wanted)], size=SIZE)
        assert check.status == status


def test_nothing_to_compare_is_not_a_pass() -> None:
    assert compare.close(1, "a", [], relative=1, size=SIZE).status == NOT_EXERCISED
    assert compare.identical(1, "a", [], size=SIZE).status == NOT_EXERCISED


def test_a_check_that_raises_has_failed_and_keeps_what_was_done() -> None:
    def checks():
        yield row(1, PASS)
        raise ValueError("broken\nin two")

    first, second = compare.guarded(1, "masking", checks)
    assert (first.status, second.status) == (PASS, FAIL)
    assert second.note == "raised ValueError: broken in two"


def row(invariant: int, status: str, **changes) -> Check:
    values = {"absolute": 1e-9, "relative": 2e-9, "allowed": "1e-06", "note": ""} | changes
    return Check(invariant, f"a = b {invariant}", 2, 3, status=status, **values)


def certificate(*checks: Check) -> Certificate:
    return Certificate({"seed": 0, "model": "a|b"}, checks, {"seconds": 1.0})


def test_a_certificate_passes_only_if_every_invariant_was_exercised() -> None:
    checks = [row(number, PASS) for number in INVARIANTS]
    assert certificate(*checks).passed
    assert certificate(*checks, row(1, NOT_EXERCISED)).passed
    assert not certificate(*checks, row(1, FAIL)).passed
    assert not certificate(*checks[1:], row(1, NOT_EXERCISED)).passed
    assert "nothing exercised invariant 1" in certificate(*checks[1:]).verdict


def test_json_is_valid_whatever_was_measured() -> None:
    text = certificate(row(1, FAIL, absolute=math.inf, relative=math.nan)).to_json()
    content = json.loads(text, parse_constant=lambda name: pytest.fail(name))
    assert content["checks"][0]["absolute"] == "inf"
    assert content["passed"] is False
    assert content["verdict"].startswith("FAIL: 0 checks passed, 1 failed")


def test_table_aligns_and_explains_only_what_did_not_pass() -> None:
    table = certificate(row(1, PASS, note="quiet"), row(9, FAIL, note="loud | clear")).table()
    assert "quiet" not in table
    assert "       loud | clear" in table
    lines = [line for line in table.splitlines() if "a = b" in line]
    assert lines[0].index("PASS") == lines[1].index("FAIL")
    page = certificate(row(9, FAIL, note="loud | clear")).to_markdown()
    assert "| a = b 9 | 2 | 3 | 1.0e-09 | 2.0e-09 | 1e-06 | FAIL | loud \\| clear |" in page


def test_the_sample_depends_on_the_seed_and_not_on_files_or_order(tmp_path) -> None:
    rows = [f"row {number}".encode() for number in range(30)] + [b"row 3"]
    one = [sample.write(rows, str(tmp_path / "one.gz"))]
    two = [
        sample.write(rows[20:], str(tmp_path / "b.gz")),
        sample.write(rows[:20][::-1], str(tmp_path / "a.gz")),
    ]
    chosen = sample.choose(one, 9, seed=1)
    assert sample.choose(two, 9, seed=1) == chosen
    assert chosen.available == 31
    assert len(chosen.rows) == 9
    other = sample.choose(one, 9, seed=2)
    assert other.rows != chosen.rows
    assert other.digest != chosen.digest
    assert sorted(sample.choose(one, 99, seed=1).rows) == sorted(rows)


def test_a_split_that_leaves_the_rows_as_they_are_is_idle() -> None:
    found = {n: splitting.splits(n, np.random.default_rng(0)) for n in (1, 2, 8)}
    idle = {n: [split.name for split in each if split.idle] for n, each in found.items()}
    assert len(idle[1]) == 5
    assert idle[2] == ["batches of 7"]
    assert idle[8] == []
    for seed in range(20):  # of two rows, half of all orders are the first one
        (shuffled,) = splitting.splits(2, np.random.default_rng(seed))[2].parts
        assert list(shuffled) == [1, 0]


def test_the_limit_that_is_printed_is_the_one_that_holds() -> None:
    """1e-6 of 0.01, and 3 steps of 2^-23 at one nat: 3.68e-07, or 3.68e-05 of it."""
    for excess, status in ((0.99, PASS), (1.01, FAIL)):
        pair = Pair("x", 0.01 + excess * (1e-8 + 3 * 2.0**-23), 0.01, 3.0)
        check = compare.close(1, "a = b", [pair], relative=1e-6, size=SIZE)
        assert (check.allowed, check.status) == ("3.7e-05*", status)
    plain = compare.close(1, "a = b", [Pair("x", 1.0, 1.0)], relative=1e-6, size=SIZE)
    assert plain.allowed == "1.0e-06"


@pytest.mark.parametrize("count", [1, 2, 8, 40])
def test_every_split_holds_every_row_once(count: int) -> None:
    found = splitting.splits(count, np.random.default_rng(0))
    for split in found:
        assert sorted(split.order) == list(range(count)), split.name
        assert all(len(part) for part in split.parts)
    parts = {split.name: len(split.parts) for split in found}
    assert parts["batches of 1"] == count
    assert parts["batches of 7"] == math.ceil(count / 7)
