"""What every ledger promises, be it a file or an object: compare and swap, and one line for what is wrong."""

import random

import fake_storage
import pytest
from ledger_model import LedgerMachine, walk
from retrain_story import ready

from components.errors import InputError, Passing
from pipeline.retrain import object_ledger
from pipeline.retrain.ledger import open_ledger, update
from pipeline.retrain.object_ledger import ObjectLedger
from pipeline.retrain.states import State

FOLDER = "gs://bucket/pipelines/numbers"
OBJECT = f"{FOLDER}/retrain/ledger.json"


@pytest.fixture(params=["bucket", "sqlite", "ram", "file"])
def opened(request, tmp_path):
    """Opens the same ledger again and again, as other processes would."""
    if request.param == "bucket":
        request.getfixturevalue("store")
        return lambda: open_ledger(FOLDER)
    if request.param == "ram":
        return lambda: open_ledger(f"ram://{tmp_path.name}/numbers")
    if request.param == "file":
        return lambda: ObjectLedger(str(tmp_path / "ledger.json"))
    return lambda: open_ledger(str(tmp_path))


def test_it_is_empty_at_first_and_then_what_was_saved(opened, story):
    story.see(ready(s1="a", s2="b"))
    story.train(metrics={"perplexity": 1.5}, pushed_version=3)
    story.fail("why")
    state, token = opened().load()
    assert state == State()
    assert opened().save(story.state, token)
    assert opened().load()[0] == story.state


def test_only_the_first_of_two_savers_saves(opened, story):
    one, other = opened(), opened()
    (_, token), (_, same) = one.load(), other.load()
    assert one.save(story.see(ready(s1="a")).state, token)
    assert not other.save(State(folded_runs=9), same)
    assert one.load()[0] == story.state


def test_update_starts_over_when_somebody_was_quicker(opened):
    ledger, seen = opened(), []

    def change(state):
        seen.append(state.folded_runs)
        if len(seen) == 1:
            other = opened()
            assert other.save(State(folded_runs=5), other.load()[1])
        return State(folded_runs=state.folded_runs + 1)

    assert update(ledger, change) == State(folded_runs=6)
    assert (seen, ledger.load()[0]) == ([0, 5], State(folded_runs=6))


def test_update_saves_nothing_that_is_equal(opened):
    ledger = opened()
    token = ledger.load()[1]
    assert update(ledger, lambda state: state) == State()
    assert ledger.load()[1] == token


def test_a_root_on_a_bucket_has_one_object(store, story):
    ledger = open_ledger(FOLDER)
    assert ledger.load()[0] == State()
    assert store.names() == []
    ledger.save(story.see(ready(s1="a")).state, ledger.load()[1])
    assert store.names() == [OBJECT]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "is damaged: JSONDecodeError"),
        (b"\xff", "is damaged: invalid start byte"),
        (b'{"what": "tokenline retrain ledger", "format": 3}', "got format 3, which a newer"),
    ],
)
def test_an_object_that_is_not_ours_is_one_line(store, content, message):
    store.put(OBJECT, content)
    with pytest.raises(InputError) as error:
        open_ledger(FOLDER).load()
    assert str(error.value).startswith(f"{OBJECT}: {message}")
    assert "\n" not in str(error.value)


def test_a_claim_whose_answer_was_lost_is_one_claim(store):
    """`update` would else claim again, in a state in which that is claimed already."""
    calls = []

    def change(state):
        calls.append(state.folded_runs)
        return State(folded_runs=state.folded_runs + 1)

    store.faults.append((503, True))
    ledger = ObjectLedger(OBJECT, sleep=lambda _: None)
    assert update(ledger, change) == State(folded_runs=1)
    assert calls == [0]
    assert ledger.load()[0] == State(folded_runs=1)


def test_a_store_that_stays_away_is_passing(store):
    store.faults.extend([(503, False)] * 9)
    with pytest.raises(Passing, match="out of reach"):
        ObjectLedger(OBJECT, sleep=lambda _: None).save(State(folded_runs=1), "0")


class UnreliableLedger:
    """An object on a bucket whose answers are lost now and then: whoever uses it must not notice."""

    def __init__(self, store, address, draw):
        self._store, self._draw = store, draw
        self._ledger = ObjectLedger(address, sleep=lambda _: None)

    def load(self):
        if self._draw.random() < 0.1:
            self._store.read_faults.append(self._draw.choice([503, 429]))
        return self._ledger.load()

    def save(self, state, token):
        for _ in range(self._draw.choice([0, 0, 1, 2])):
            fault = self._draw.choice([503, 504, fake_storage.DROPPED])
            self._store.faults.append((fault, self._draw.random() < 0.5))
        saved = self._ledger.save(state, token)
        self._store.faults.clear()
        return saved


def lives(store, count):
    """So many lives of the model's machine, each with an object of its own."""
    for seed in range(count):
        draw = random.Random(seed)
        machine = LedgerMachine()
        machine.ledger = UnreliableLedger(store, f"gs://bucket/{seed}.json", draw)
        walk(machine, draw, steps=40)


def test_the_model_holds_on_a_bucket_that_loses_answers(store):
    lives(store, 6)


def test_the_model_finds_a_bucket_that_replaces_without_a_condition(store, monkeypatch):
    def write(address, content, token, **more):
        return store.put(address, content) and "1"

    monkeypatch.setattr(object_ledger.conditional, "write", write)
    with pytest.raises((AssertionError, ValueError)):
        lives(store, 40)
