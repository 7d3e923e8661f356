"""What an exception that is no input's fault is in one line: on this machine, and told of a job."""

import pytest

from components.errors import in_a_line

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
        (ValueError(""), "ValueError"),
        (OSError(28, "No space"), "OSError: [Errno 28] No space"),
        (
            RuntimeError(OF_A_WORKER),
            "ImportError: cannot import name 'a' [while running 'Work']",
        ),
        (RuntimeError("Traceback (most recent call last):\n  File"), "RuntimeError: Traceback (mo"),
    ],
)
def test_type_and_first_line_or_what_a_worker_elsewhere_raised(error, told) -> None:
    found = in_a_line(error)
    assert found.startswith(told)
    assert "\n" not in found
