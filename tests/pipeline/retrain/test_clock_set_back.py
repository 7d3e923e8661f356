"""A clock that is set back, or was ahead: what is done stays done, and nothing waits for the old time."""

import time

import pytest
import test_retrain_command as pretend
from test_retrain_command import CONFIG, once, states

from pipeline.retrain import planning
from pipeline.retrain.ledger import open_ledger

folder, runs, span = pretend.folder, pretend.runs, pretend.span
BACKOFF = 30.0
YEAR = 3e7


@pytest.fixture
def clock(monkeypatch):
    """Seconds that everybody's clock is off by; None: it is right."""
    right = time.time

    class Clock:
        off = 0.0

    monkeypatch.setattr(time, "time", lambda: right() + Clock.off)
    return Clock


def with_backoff(folder, more: str = "") -> None:
    text = CONFIG.replace("backoff_seconds: 0", f"backoff_seconds: {BACKOFF:g}{more}")
    (folder / "config.yaml").write_text(text)


def wait() -> float:
    """Seconds until another attempt, by what the clock shows now."""
    state, _ = open_ledger("runs/pretend").load()
    due = planning.wake_at(state, time.time())
    assert due is not None
    return due - time.time()


@pytest.mark.parametrize("back", [0.0, 1.0, 20.0, 29.0, 31.0, YEAR])
def test_a_back_off_is_never_longer_than_itself(runs, folder, span, clock, back) -> None:
    with_backoff(folder)
    span(1)
    runs.ends = {1: ["failed"]}
    clock.off = YEAR
    assert once() == 1
    clock.off += 25.0
    clock.off -= back
    assert wait() <= BACKOFF
    assert wait() <= BACKOFF - 25.0 + back + 1.0
    clock.off += max(0.0, wait()) + 0.1
    assert once() == 0
    assert states() == {1: "pushed"}


def test_set_back_before_the_failure_it_is_due_at_once(runs, folder, span, clock) -> None:
    with_backoff(folder)
    span(1)
    runs.ends = {1: ["failed"]}
    clock.off = YEAR
    once()
    assert once() == 0  # it waits
    assert len(runs.orders) == 1
    clock.off = 0.0
    assert once() == 0
    assert len(runs.orders) == 2
    assert states() == {1: "pushed"}


@pytest.mark.parametrize("ready", ["marker", "settle"])
def test_what_was_trained_stays_trained_and_what_comes_is_taken(
    runs, folder, span, clock, ready
) -> None:
    with_backoff(folder, f", ready: {ready}")
    clock.off = 100.0  # the files have settled
    span(1, 2)
    if ready == "settle":
        for number in (1, 2):
            (folder / f"data/span-{number}/_SUCCESS").unlink()
    assert once() == 0
    assert states() == {1: "pushed", 2: "pushed"}
    clock.off = -YEAR
    for _ in range(3):
        assert once() == 0
        assert len(runs.orders) == 2
    span(3)
    if ready == "settle":
        (folder / "data/span-3/_SUCCESS").unlink()
        assert once() == 0  # dated in the future: taken if the next look finds it the same
        assert states()[3] == "waiting"
    assert once() == 0
    assert states() == {1: "pushed", 2: "pushed", 3: "pushed"}
    clock.off = YEAR
    assert once() == 0
    assert [each.new for each in runs.orders] == [(1,), (2,), (3,)]
