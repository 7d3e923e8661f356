"""What a run says in one line of a component that failed."""

import os

import pytest

from pipeline import run

OF_A_WORKER = """Pipeline job-1 failed in state FAILED: Error running pipeline.
Traceback (most recent call last):
  File "fn_runner.py", line 1395, in process_bundle
    raise RuntimeError(result.error)
RuntimeError: Traceback (most recent call last):
  File "common.py", line 1512, in process
    work(row)
ImportError: cannot import name 'a' [while running 'Work']
"""


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("one\ntwo"), "ValueError: one"),
        (ValueError(""), "ValueError: ValueError"),
        (OSError(f"{os.getcwd()}/data: gone"), "OSError: data: gone"),
        (
            RuntimeError(OF_A_WORKER),
            "ImportError: cannot import name 'a' [while running 'Work']",
        ),
        (RuntimeError("Traceback (most recent call last):\n  File"), "RuntimeError: Traceback (mo"),
    ],
)
def test_type_and_first_line_or_what_a_worker_elsewhere_raised(error, told) -> None:
    assert run._told(error).startswith(told)
    assert "\n" not in run._told(error)
