"""docs/reductions.md: its code runs and prints what it says; every number of its tables is computed."""

import contextlib
import io
import pathlib
import re

import keras
import numpy as np
import pytest

from components.sequence_loss import REDUCTIONS, compat, sequence_loss

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "reductions.md"
TEXT = PAGE.read_text()
LOSSES = np.array([[1, 2, 3, 2], [4, 6, 1, 1], [1, 1, 1, 1]], float)
# Two classes with the logits 0 and ln(e^l - 1): the loss of class 0 is ln(1 + e^l - 1) = l.
LOGITS = np.stack([np.zeros([3, 4]), np.log(np.expm1(LOSSES))], axis=-1)
TARGETS = np.zeros([3, 4], int)
WEIGHTS = np.array([[0.5, 2, 1, 1], [0, 1, 0, 0], [0, 0, 0, 0]])
LENGTHS = [4, 2, 0]
NOT_OFFERED = "*(not offered)* B · T"


def blocks(language):
    """Bodies of the fenced blocks of one language, in order."""
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.S)


def rows(first_cell):
    """Cells of the table whose header starts with `first_cell`: {first cell: the others}."""
    lines = iter(TEXT.splitlines())
    next(line for line in lines if line.startswith(f"| {first_cell} |"))
    next(lines)
    table = {}
    for line in lines:
        if not line.startswith("|"):
            return table
        name, *cells = (cell.strip() for cell in line.strip("|").split(" |"))
        table[name] = cells
    return table


def numbers(text):
    """All numbers of a cell."""
    return [float(found) for found in re.findall(r"\d+(?:\.\d+)?", text)]


def test_the_code_prints_what_the_page_says():
    names: dict[str, object] = {}
    python, printed = blocks("python"), blocks("text")
    assert len(python) == len(printed) >= 4
    for code, wanted in zip(python, printed, strict=True):
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            exec(code, names)
        assert output.getvalue() == wanted


def test_every_reduction_has_its_row():
    table = rows("reduction")
    assert {name.strip("`") for name in table} == {*REDUCTIONS, NOT_OFFERED}


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_the_number_of_a_reduction(reduction):
    """As printed, as computed, and by the arithmetic in the next cell."""
    printed, arithmetic, _ = rows("reduction")[f"`{reduction}`"]
    lengths = LENGTHS if reduction == "length_mean" else None
    got = sequence_loss(LOGITS, TARGETS, WEIGHTS, reduction=reduction, target_lengths=lengths)
    np.testing.assert_allclose(numbers(printed), np.ravel(got), atol=5e-5)
    fraction = re.match(r"[\d./ ()+]+(?=:)", arithmetic)
    if np.ndim(got) == 0 and reduction != "token_sum":
        assert fraction is not None
        np.testing.assert_allclose(got, eval(fraction.group()), rtol=1e-12)


def test_the_keras_default():
    printed, arithmetic, _ = rows("reduction")[NOT_OFFERED]
    assert arithmetic.startswith("15.5 / 12:")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    got = loss(TARGETS, LOGITS, sample_weight=WEIGHTS)
    np.testing.assert_allclose([float(got), 15.5 / 12], float(printed), atol=5e-5)


def test_the_batch():
    """Row sums, and the totals under them."""
    table = rows("batch")
    for index, name in enumerate(("row 0", "row 1", "row 2")):
        losses, weights, total, weight, length = table[name]
        live = len(numbers(losses))
        assert live == LENGTHS[index] == int(length)
        np.testing.assert_array_equal(numbers(losses), LOSSES[index, :live])
        np.testing.assert_array_equal(numbers(weights), WEIGHTS[index])
        assert numbers(total)[-1] == WEIGHTS[index] @ LOSSES[index]
        assert sum(numbers(total)[:-1] or numbers(total)) == numbers(total)[-1]
        assert float(weight) == WEIGHTS[index].sum()
    sums = [(WEIGHTS * LOSSES).sum(), WEIGHTS.sum(), sum(LENGTHS)]
    assert [float(cell) for cell in table["sum"][2:]] == sums


def test_the_originals_give_the_numbers_of_their_rows():
    """contrib, Addons, legacy and Keras, as the last column claims."""
    batch = LOGITS, TARGETS, WEIGHTS
    both = {"average_across_timesteps": False, "average_across_batch": False}
    steps = [list(np.moveaxis(array, 1, 0)) for array in batch]
    keras_mean = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, reduction="mean_with_sample_weight"
    )
    sums = {"sum_over_timesteps": True, "sum_over_batch": True}
    for got, wanted in (
        (compat.contrib_sequence_loss(*batch), 15.5 / 5.5),
        (compat.addons_sequence_loss(*batch), 15.5 / 5.5),
        (keras_mean(TARGETS, LOGITS, sample_weight=WEIGHTS), 15.5 / 5.5),
        (compat.addons_sequence_loss(*batch, **both, **sums), 15.5 / 5),
        (compat.legacy_sequence_loss(*steps), (9.5 / 4.5 + 6) / 3),
        (compat.legacy_sequence_loss(*steps, average_across_timesteps=False), 15.5 / 3),
        (compat.legacy_sequence_loss_by_example(*steps), [9.5 / 4.5, 6, 0]),
        (compat.contrib_sequence_loss(*batch, **both), WEIGHTS * LOSSES),
    ):
        np.testing.assert_allclose(got, wanted, rtol=1e-6)


def test_it_can_be_read_in_two_minutes():
    """Prose and tables, without the code: 250 words a minute, twice, and a table to look things up."""
    prose = re.sub(r"```.*?```|^\|.*$", "", TEXT, flags=re.S | re.M)
    assert len(prose.split()) <= 500
