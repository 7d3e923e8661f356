"""The part of the lock that goes into the image: what is asked for, all that it needs, nothing else."""

import pathlib
import subprocess
import sys

import pytest

from tools import locked

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
LOCK = """\
alpha==1.0 ; python_version < '3.12' \\
    --hash=sha256:a1 \\
    --hash=sha256:a2
    # via -r requirements.in
alpha==2.0 ; python_version >= '3.12' \\
    --hash=sha256:a3
    # via
    #   --override requirements.overrides
    #   -r requirements.in
beta-two==1.5 \\
    --hash=sha256:b1
    # via alpha
gamma==3 \\
    --hash=sha256:c1
    # via
    #   beta-two
    #   tester
tester==4 \\
    --hash=sha256:d1
    # via -r requirements-dev.in
helper==5 \\
    --hash=sha256:e1
    # via tester
"""


@pytest.mark.parametrize(
    ("roots", "names"),
    [
        (["requirements.in"], ["alpha", "alpha", "beta-two", "gamma"]),
        (["requirements-dev.in"], ["gamma", "tester", "helper"]),
        (["helper"], ["helper"]),
        (["beta-two", "helper"], ["beta-two", "gamma", "helper"]),
    ],
)
def test_takes_what_the_roots_need(roots, names) -> None:
    assert [entry.name for entry in locked.entries(locked.select(LOCK, roots))] == names


def test_hashes_and_markers_stay() -> None:
    assert locked.select(LOCK, ["alpha"]).startswith(
        "alpha==1.0 ; python_version < '3.12' \\\n    --hash=sha256:a1 \\\n    --hash=sha256:a2\nalpha==2.0"
    )


def test_unknown_root_is_one_line() -> None:
    done = subprocess.run(
        [sys.executable, REPOSITORY / "tools" / "locked.py", "requirements-test.in"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == (
        "requirements.lock: requirements-test.in: the lock was not made from it\n"
    )


def test_both_files_give_the_whole_lock() -> None:
    lock = (REPOSITORY / "requirements.lock").read_text()
    plain = [line for line in lock.splitlines() if not line.lstrip().startswith("#")]
    selected = locked.select(lock, ["requirements.in", "requirements-dev.in"])
    assert selected.splitlines() == plain


def test_image_has_no_development_tools() -> None:
    lock = (REPOSITORY / "requirements.lock").read_text()
    names = {entry.name for entry in locked.entries(locked.select(lock, ["requirements.in"]))}
    assert names >= {"tfx", "ml-metadata", "tensorflow", "apache-beam", "setuptools"}
    assert not names & {"pytest", "hypothesis", "mypy", "ruff", "uv", "build", "import-linter"}
