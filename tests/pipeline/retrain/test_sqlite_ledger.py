"""The ledger on disk: compare and swap, durable, and one line for whatever is wrong with the file."""

import sqlite3

import pytest
from retrain_story import ready

from components.errors import InputError
from pipeline.retrain import documents
from pipeline.retrain.ledger import open_ledger, update
from pipeline.retrain.sqlite_ledger import SqliteLedger
from pipeline.retrain.states import State


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "retrain" / "ledger.sqlite")


def test_there_is_no_file_before_the_first_save(tmp_path):
    assert open_ledger(str(tmp_path)).load() == (State(), "0")
    assert list(tmp_path.iterdir()) == []


def test_what_is_saved_is_loaded(path, story):
    story.see(ready(s1="a", s2="b"))
    story.train(metrics={"perplexity": 1.5}, pushed_version=3)
    story.fail("why")
    ledger = SqliteLedger(path)
    assert ledger.save(story.state, "0")
    assert SqliteLedger(path).load() == (story.state, "1")


def test_only_the_first_of_two_savers_saves(path, story):
    one, other = SqliteLedger(path), SqliteLedger(path)
    (_, token), (_, same) = one.load(), other.load()
    assert one.save(story.see(ready(s1="a")).state, token)
    assert not other.save(State(folded_runs=9), same)
    assert one.load()[0] == story.state


def test_update_starts_over_when_somebody_was_quicker(path):
    ledger = SqliteLedger(path)
    seen = []

    def change(state):
        seen.append(state.folded_runs)
        if len(seen) == 1:
            assert SqliteLedger(path).save(State(folded_runs=5), "0")
        return State(folded_runs=state.folded_runs + 1)

    assert update(ledger, change) == State(folded_runs=6)
    assert (seen, ledger.load()) == ([0, 5], (State(folded_runs=6), "2"))


def test_update_saves_nothing_that_is_equal(path):
    ledger = SqliteLedger(path)
    assert update(ledger, lambda state: state) == State()
    assert ledger.load()[1] == "0"


def test_the_document_is_for_people_too(story):
    story.see(ready(s1="a"))
    assert documents.as_text(story.state).split("\n") == [
        '{"what": "tokenline retrain ledger", "format": 2, "folded_runs": 0,',
        '"spans": [',
        '{"span": 1, "version": 1, "state": "pending", "content": "a", '
        '"signature": "signature of a", "since": 1001.0, "first_seen": 1001.0}',
        "],",
        '"runs": [',
        "",
        "]}",
        "",
    ]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "is damaged: JSONDecodeError"),
        ("[]", "is damaged: TypeError"),
        ('{"what": "a cake"}', "is damaged: got format None, expected 2"),
        (
            '{"what": "tokenline retrain ledger", "format": 3}',
            "got format 3, which a newer tokenline wrote, expected at most 2",
        ),
        (
            '{"what": "tokenline retrain ledger", "format": 1, "folded_runs": 0, "runs": [], '
            '"spans": [{"span": 1, "colour": "red"}]}',
            "is damaged: TypeError",
        ),
    ],
)
def test_a_document_that_is_not_ours_is_one_line(path, document, message):
    SqliteLedger(path).save(State(), "0")
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE ledger SET document = ?", (document,))
    with pytest.raises(InputError) as error:
        SqliteLedger(path).load()
    assert str(error.value).startswith(f"{path}: {message}")
    assert "\n" not in str(error.value)
