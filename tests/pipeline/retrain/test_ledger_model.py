"""The ledger through random arrivals, late files, crashes, retries and clocks; mutants that are found."""

import random

import ledger_mutants
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from ledger_model import LedgerMachine, walk


def walks(machine, count, steps=40):
    """So many lives of the machine, the same each time."""
    for seed in range(count):
        walk(machine(), random.Random(seed), steps=steps)


def test_the_ledger_holds_through_whatever_happens():
    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(
            max_examples=15, stateful_step_count=40, deadline=None, derandomize=True, database=None,
            suppress_health_check=list(HealthCheck), phases=[Phase.generate, Phase.shrink],
        ),
    )  # fmt: skip


def test_it_holds_many_times():
    walks(LedgerMachine, 300)


@pytest.mark.parametrize("name", ledger_mutants.MUTANTS)
def test_mutants_are_found(name):
    class Mutant(LedgerMachine):
        functions = ledger_mutants.functions(name, LedgerMachine.functions)

    with pytest.raises((AssertionError, ValueError)):
        walks(Mutant, 3000, steps=100)
