"""How what steps run in is built, and how that ends."""

import os
import subprocess
import sys
import time

import pytest

from components.errors import InputError
from pipeline.emulator import image

# As `python -m build` does it: the work is a child's.
BUILDS = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
with open(sys.argv[1], "w") as file: file.write(str(child.pid))
child.wait()
"""


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"


def test_an_interrupt_ends_what_a_build_has_started(tmp_path, monkeypatch) -> None:
    """Else it writes on in a folder that is being removed."""
    told = tmp_path / "pid"

    def interrupted(self):
        while not (told.exists() and told.read_text()):
            time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "communicate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        image._call([sys.executable, "-c", BUILDS, str(told)])
    child = int(told.read_text())
    while _is_there(child):
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["no-such-program"], "no-such-program: No such file or directory"),
        (
            [sys.executable, "-c", "import sys; print('a', file=sys.stderr); sys.exit('b')"],
            "failed: b",
        ),
    ],
)
def test_what_cannot_be_built_is_one_line(command, says) -> None:
    with pytest.raises(InputError, match=f"^--isolation subprocess: .*{says}$"):
        image._call(command)
