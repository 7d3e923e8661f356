"""One process at a time, and the others are told who it is."""

import fcntl
import json
import os
import subprocess
import sys
import time

import pytest

from components.errors import InputError
from pipeline import lock

HOLD = """
import sys
from pipeline import lock
with lock.held(sys.argv[1], "a rehearsal"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return str(tmp_path / "runs" / "lock")  # in a folder that is not there yet


def test_another_process_is_refused_and_told_who_holds_it_until_it_ends(path):
    arguments = [sys.executable, "-c", HOLD, path]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        assert lock.holder(path).pid == other.pid
        with pytest.raises(InputError) as caught, lock.held(path, "a rehearsal", advice="go home"):
            pass
        told = str(caught.value)
        assert told.startswith(f"a rehearsal is in progress (process {other.pid}, for ")
        assert told.endswith(" s; runs/lock is locked): go home")
        other.kill()  # however it ends
    with lock.held(path, "a rehearsal"):
        assert lock.holder(path).pid == os.getpid()


def test_who_looks_is_told_the_same_and_changes_nothing(path):
    assert not lock.is_held(path)
    lock.check_free(path, "a rehearsal")
    assert not os.path.exists(path)
    with lock.held(path, "a rehearsal"):
        assert lock.is_held(path)
        with pytest.raises(lock.Held, match="a rehearsal is in progress") as caught:
            lock.check_free(path, "a rehearsal")
        assert caught.value.holder == lock.holder(path)
        assert caught.value.holder.pid == os.getpid()
    assert not lock.is_held(path)
    lock.check_free(path, "a rehearsal")  # though the file names who was the last


def test_a_look_turns_nobody_away(path, monkeypatch):
    """It takes a free lock for an instant."""
    with lock.held(path, "a rehearsal"):
        pass
    unlocked = fcntl.LOCK_UN
    with open(path) as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        monkeypatch.setattr(time, "sleep", lambda seconds: seconds and fcntl.flock(file, unlocked))
        with lock.held(path, "a rehearsal"):
            pass


def test_it_is_free_again_after_an_error(path):
    for _ in range(2):
        with pytest.raises(ValueError, match="inside"), lock.held(path, "a run"):
            raise ValueError("inside")


@pytest.mark.parametrize("content", ["", "4711", '{"pid": "x"}', "\0"])
def test_a_holder_that_left_no_name_is_still_one(path, content):
    with lock.held(path, "a run"):
        with open(path, "w") as file:
            file.write(content)
        with (
            pytest.raises(InputError, match=r"^a run is in progress \(runs/lock is locked\): wait"),
            lock.held(path, "a run"),
        ):
            pass


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-5, "0 s"),  # a clock was set back
        (119, "119 s"),
        (120, "2 min"),
        (7199, "119 min"),
        (7200, "2 h"),
        (48 * 3600 - 1, "47 h"),
        (48 * 3600, "2 days"),
    ],
)
def test_how_long_it_has_been_held(path, seconds, told, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 1e9 + seconds)
    with lock.held(path, "a run"):
        with open(path, "w") as file:
            json.dump({"pid": 7, "started": 1e9}, file)
        assert lock.holder(path).told == f"process 7, for {told}"
