"""The ledger through random arrivals, late files, crashes, retries and clocks; mutants that are found."""

import ledger_mutants
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from ledger_model import LedgerMachine


def check(machine, *, examples, steps=40):
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None, derandomize=True,
            database=None, phases=[Phase.generate], report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip


def test_the_ledger_holds_through_whatever_happens():
    check(LedgerMachine, examples=150)


@pytest.mark.parametrize(
    "name",
    [each for each in ledger_mutants.MUTANTS if each not in ledger_mutants.FOUND_BY_EXAMPLES],
)
def test_mutants_are_found(name):
    class Mutant(LedgerMachine):
        functions = ledger_mutants.functions(name, LedgerMachine.functions)

    with pytest.raises((AssertionError, ValueError, KeyError, IndexError)):
        check(Mutant, examples=1000)
