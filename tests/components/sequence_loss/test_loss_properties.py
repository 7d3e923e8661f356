"""Invariants 1, 2, 3 and 5 in every mode, dtype and reduction; mutants that each property kills."""

import dataclasses
import functools

import loss_mutants
import loss_properties as properties
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from components.sequence_loss import REDUCTIONS

DTYPES = ("float32", "float64", "bfloat16", "float16")
MODES = ("eager", "graph", "xla")
REGULARISED = {"label_smoothing": 0.1, "z_loss": 1e-3}
EXAMPLES = {"eager": 3, "graph": 8, "xla": 8}


@functools.cache
def real_step(dtype, mode, regularised):
    """The package's loss with all reductions, traced once for each shape."""
    options = REGULARISED if regularised else {}
    return properties.step(functools.partial(properties.real, **options), dtype, mode)


def check(name, run, eager, dtype, examples):
    """Run a property over random batches; no shrinking, a failure is as good unshrunk."""

    @settings(
        max_examples=examples, deadline=None, derandomize=True, database=None,
        phases=[Phase.generate], report_multiple_bugs=False,
    )  # fmt: skip
    @given(arrays=properties.batches, seed=st.integers(0, 1000))
    def holds(arrays, seed):
        properties.PROPERTIES[name](run, eager, dtype, arrays, np.random.default_rng(seed))

    holds()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", properties.PROPERTIES)
def test_property_holds(name, dtype, mode):
    # The oracle has neither label smoothing nor z-loss; a trace of both costs a second.
    both = name != "parity" and dtype in ("float32", "float16")
    for regularised in (False, True) if both else (False,):
        run, eager = real_step(dtype, mode, regularised), real_step(dtype, "eager", regularised)
        check(name, run, eager, dtype, EXAMPLES[mode])


@pytest.mark.parametrize("mutant", loss_mutants.KILLED_BY, ids=lambda mutant: mutant.__name__)
def test_mutants(mutant):
    """The properties fail for the mutant exactly as `KILLED_BY` says, and hold for the real loss."""
    for loss, wanted in ((mutant, loss_mutants.KILLED_BY[mutant]), (properties.real, set())):
        run = properties.step(loss, "float32", "graph", ["token_mean"])
        eager = properties.step(loss, "float32", "eager", ["token_mean"])
        killers = set()
        for name in properties.PROPERTIES:
            try:
                check(name, run, eager, "float32", 10)
            except AssertionError:
                killers.add(name)
        assert killers == wanted


@pytest.mark.parametrize("reduction", properties.COUNTS_POSITIONS)
def test_masking_is_not_deleting_where_positions_are_counted(reduction):
    """One of four rows without weight: B is 4 or 3, the lengths 5 + 2 + 3 + 4 or 5 + 2 + 4."""
    lengths = np.array([5, 2, 3, 4])
    arrays = properties.batch(1, lengths)
    arrays.weights[2] = 0
    run = real_step("float64", "eager", False)
    masked, deleted = run(arrays)[reduction], run(arrays.rows([0, 1, 3]))[reduction]
    assert masked.value == pytest.approx(deleted.value, rel=1e-12)
    assert masked.value > 0
    wanted = {"batch_mean": (4, 3), "length_mean": (14, 11)}[reduction]
    assert (masked.denominator, deleted.denominator) == wanted


def test_every_reduction_is_under_test():
    arrays = properties.batch(1, [5, 2, 3, 4])
    assert tuple(real_step("float32", "eager", False)(arrays)) == REDUCTIONS
    assert {f.name for f in dataclasses.fields(arrays)} == set(vars(arrays))
    assert tf.executing_eagerly()
