"""Why a step failed, from its log."""

import pathlib

import pytest

from pipeline.emulator import failures

TRACEBACK = """I1123 14:04:14.1 1 executor.py:4] Starting
Traceback (most recent call last):
  File "a.py", line 1, in <module>
    raise KeyError("first")
KeyError: 'first'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "a.py", line 3, in <module>
    read()
    ^^^^^^
{raised}
I1123 14:04:15.1 1 tail.cc:4] closing
"""


@pytest.mark.parametrize(
    ("raised", "reason", "bad_input"),
    [
        ("ValueError: got 3\nand more", "ValueError: got 3", False),
        ("tensorflow.errors.NotFoundError: x", "NotFoundError: x", False),
        ("KeyboardInterrupt", "KeyboardInterrupt", False),
        (
            "components.errors.InputError: a.csv:3: bad\na.csv:4: bad",
            "a.csv:3: bad\na.csv:4: bad",
            True,
        ),
        ("components.errors.Passing: gone", "gone", True),
        ("components.example_gen.faults.FileFault: a: broken", "a: broken", True),
        ("ours.errors.InputError: x", "InputError: x", False),
    ],
)
def test_the_exception_that_ended_it(tmp_path: pathlib.Path, raised, reason, bad_input) -> None:
    log = tmp_path / "log"
    log.write_text(TRACEBACK.format(raised=raised))
    found = failures.of(str(log), 1)
    assert (str(found), found.bad_input) == (reason, bad_input)


def test_what_a_program_of_ours_says_of_bad_input(tmp_path: pathlib.Path) -> None:
    log = tmp_path / "log"
    log.write_text("noise\ntokenline: gs://b: no span there\ntokenline: and no file\n")
    found = failures.of(str(log), 2)
    assert (str(found), found.bad_input) == ("gs://b: no span there\nand no file", True)
    assert not failures.of(str(log), 1).bad_input


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (3, "ended with exit code 3"),
        (-9, "killed by SIGKILL (out of memory?)"),
        (-15, "killed by SIGTERM"),
    ],
)
def test_without_an_exception(tmp_path: pathlib.Path, code: int, reason: str) -> None:
    (tmp_path / "log").write_text("hello\n")
    assert str(failures.of(str(tmp_path / "log"), code)) == reason
