"""The lease on a bucket: one holder, freed by whoever ends, and by time of one that died."""

import json
import threading

import pytest

from components import conditional
from pipeline import lock
from pipeline.retrain import lease
from pipeline.retrain.lease import Lease

ADDRESS = "gs://bucket/numbers/retrain/lease.json"
WHAT = "another retrain"


@pytest.fixture
def clock():
    """Shared by all holders; `clock.now` moves it."""

    class Clock:
        now = 1000.0

        def __call__(self):
            return self.now

    return Clock()


@pytest.fixture
def holder(store, clock):
    return lambda: Lease(ADDRESS, seconds=60.0, now=clock, sleep=lambda _: None)


def test_a_second_one_is_told_who_has_it_and_for_how_long(holder, clock):
    holder().take(WHAT)
    clock.now += 30
    with pytest.raises(lock.Held) as refused:
        holder().take(WHAT)
    assert str(refused.value).startswith("another retrain is in progress (process ")
    assert f", for 30 s; {ADDRESS}): wait for it" in str(refused.value)


def test_whoever_ends_frees_it(holder):
    first = holder()
    first.take(WHAT)
    first.release()
    holder().take(WHAT)


def test_one_that_lives_keeps_it(holder, clock):
    first = holder()
    first.take(WHAT)
    for _ in range(5):
        clock.now += 50
        first.renew()
        with pytest.raises(lock.Held):
            holder().take(WHAT)
    assert not first.lost


def test_one_that_died_frees_it_by_its_time_and_finds_out_if_it_only_slept(holder, clock):
    first, second = holder(), holder()
    first.take(WHAT)
    clock.now += 61
    second.take(WHAT)
    first.renew()
    assert first.lost
    first.release()  # what is the other one's
    with pytest.raises(lock.Held):
        holder().take(WHAT)


def test_of_two_at_once_one_has_it(holder, store):
    first, second = holder(), holder()
    first.take(WHAT)
    store.objects.clear()
    third = holder()

    def meanwhile():
        store.before_write = lambda: None
        third.take(WHAT)

    store.before_write = meanwhile
    with pytest.raises(lock.Held, match="in progress"):
        second.take(WHAT)


def test_a_lost_answer_is_no_lost_lease(holder, store):
    first = holder()
    store.faults.append((503, True))
    first.take(WHAT)
    store.faults.append((503, True))
    first.renew()
    assert not first.lost


def test_a_store_out_of_reach_loses_it_only_after_its_time(holder, store, clock):
    first = holder()
    first.take(WHAT)
    for seconds, lost in ((30, False), (29, False), (2, True)):
        clock.now += seconds
        store.faults.extend([(503, False)] * 6)
        first.renew()
        assert first.lost == lost


@pytest.mark.parametrize("expires", [1e12, 999.0, "soon", None])
def test_no_lease_is_for_ever(holder, store, expires):
    """A clock that was years ahead, or a document of somebody else."""
    store.put(ADDRESS, json.dumps({"holder": "x", "since": 0.0, "expires": expires}))
    holder().take(WHAT)


def test_it_is_renewed_while_the_block_runs_and_the_loss_is_told(store):
    renewed, lost = threading.Event(), threading.Event()
    with lease.held(ADDRESS, WHAT, lost=lost.set, seconds=0.3):
        first = conditional.read(ADDRESS).token
        store.before_write = renewed.set
        assert renewed.wait(20)
        while conditional.read(ADDRESS).token == first:
            pass
        store.put(ADDRESS, "{}")
        assert lost.wait(20)
    assert store.get(ADDRESS) == b"{}"


def test_it_is_free_afterwards(store):
    with lease.held(ADDRESS, WHAT, lost=lambda: None), pytest.raises(lock.Held):
        Lease(ADDRESS).take(WHAT)
    Lease(ADDRESS).take(WHAT)
