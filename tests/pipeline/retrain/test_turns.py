"""Waiting for a lock: who holds it is told once, and a signal ends it."""

import contextlib
import os
import signal

import pytest
from test_retrain_command import holding

from pipeline import lock
from pipeline.retrain import supervise, turns, watching
from pipeline.retrain.telling import Teller


class Waits:
    """Stands for `watching.Stop`: at each wait the next of the given things is done."""

    def __init__(self, *steps) -> None:
        self.steps = list(steps)

    def wait(self, seconds: float) -> bool:
        step = self.steps.pop(0)
        step()
        return False


def nothing() -> None:
    pass


@pytest.fixture
def told():
    return []


@pytest.fixture
def in_turn(tmp_path, told):
    def call(stop, **more):
        teller = Teller([lambda event, facts: told.append((event, facts["reason"]))])
        path = str(tmp_path / "lock")
        return turns.in_turn(
            lambda: lock.held(path, "a test"), teller, stop, pause_seconds=0.1, **more
        )

    return call


def test_each_holder_is_told_once(tmp_path, in_turn, told) -> None:
    path = tmp_path / "lock"
    with contextlib.ExitStack() as first, contextlib.ExitStack() as second:
        one = first.enter_context(holding(path))
        others = []

        def next_one() -> None:
            first.close()
            others.append(second.enter_context(holding(path)))

        with in_turn(Waits(nothing, nothing, next_one, nothing, second.close)):
            assert lock.holder(str(path)).pid == os.getpid()
    assert [event for event, _ in told] == ["locked", "locked"]
    assert f"(process {one}, for " in told[0][1]
    assert f"(process {others[0]}, for " in told[1][1]


def test_after_the_last_pause_it_is_left(tmp_path, in_turn, told) -> None:
    with holding(tmp_path / "lock") as other:
        waits = Waits(nothing, nothing)
        with pytest.raises(lock.Held, match=f"process {other}"), in_turn(waits, pauses=2):
            pass
        assert waits.steps == []
        assert len(told) == 1
        with pytest.raises(lock.Held), in_turn(Waits(), pauses=0):
            pass
    assert len(told) == 1  # who does not wait has nothing to say but its error


def test_a_signal_ends_it(tmp_path, in_turn) -> None:
    with holding(tmp_path / "lock"), watching.Stop() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(supervise.Stopped), in_turn(stop):
            pass
