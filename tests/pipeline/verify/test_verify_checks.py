"""Each invariant on tiny exported models of all tasks and families: what holds is said to hold."""

import dataclasses

import pytest

from pipeline.verify import fused, masking, one_number, parity, poison, skew, splitting
from pipeline.verify.certificate import FAIL, NOT_EXERCISED, PASS

CHECKS = {
    1: masking.checks,
    2: poison.checks,
    3: splitting.checks,
    4: one_number.checks,
    5: parity.checks,
    9: skew.checks,
}


def of(checks, status):
    return [check.compared for check in checks if check.status == status]


@pytest.mark.usefixtures("no_beam")
@pytest.mark.parametrize("task", ["lm", "seq2seq", "tagging"])
@pytest.mark.parametrize("invariant", CHECKS)
def test_a_right_model_passes_and_everything_is_exercised(case, task: str, invariant: int) -> None:
    checks = list(CHECKS[invariant](case(task)))
    assert [(c.compared, c.note) for c in checks if c.status != PASS] == []
    assert {check.invariant for check in checks} == {invariant}
    tokens = case(task).size.tokens
    assert any(0 < check.tokens <= tokens for check in checks)


def test_the_fused_loss_passes(case) -> None:
    checks = [*fused.poison(case("lm")), *fused.one_number(case("lm"))]
    assert [(c.compared, c.note) for c in checks if c.status != PASS] == []
    assert [check.invariant for check in checks] == [2, 4, 4]


def test_evaluator_in_beam_bundles_passes(case) -> None:
    (check,) = splitting.beam_bundles(case("lm"))
    assert check.status == PASS
    assert check.tokens == case("lm").size.tokens


def test_a_sample_without_padding_says_so_and_is_padded_all_the_same(project) -> None:
    alone = project("lm").case(count=1)
    checks = list(masking.checks(alone))
    assert of(checks, NOT_EXERCISED) == ["loss: the data's masked positions"]
    assert checks[0].note == "no padding in the sample"
    assert of(checks, PASS)[0] == "loss: with 3 more of weight 0"
    assert of(checks, FAIL) == []


def test_a_transformer_without_room_for_padding_says_so(case) -> None:
    """One row that fills all positions of the model: there is nothing to change at padding."""
    full = case("tagging").transformed
    row = {name: value[full["target_lengths"] == 9][:1] for name, value in full.items()}
    filled = dataclasses.replace(case("tagging"), passes=row)
    reason = "no padding, and the model has no position for more"
    idle = [check for check in masking.checks(filled) if check.status == NOT_EXERCISED]
    assert [(check.compared, check.note) for check in idle] == [
        ("model: ids at padding changed", reason)
    ]


def test_one_row_is_nothing_to_split(project) -> None:
    alone = project("lm").case(count=1)
    checks = [*splitting.checks(alone), *splitting.beam_bundles(alone), *skew.checks(alone)]
    assert of(checks, FAIL) == []
    ways = ["batches of 7", "rows in another order", "4 micro-batches, added"]
    ways.append("2 unequal replicas")
    assert of(checks, NOT_EXERCISED) == [
        "every reduction: batches of 1",
        *(f"every reduction: {way}" for way in ways),
        *(f"model: {way}" for way in ways),
        "Evaluator in Beam: 3 files, batches of 7",
        "one row a request = in a batch",
    ]
