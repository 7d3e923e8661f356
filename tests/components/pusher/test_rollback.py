"""Going back to the version before: which versions move, that nothing is lost, and what is refused."""

import os
import pathlib

import pytest

from components.errors import InputError
from components.pusher import rollback, versions
from components.pusher.rollback import Moves, State


@pytest.fixture
def destination(tmp_path):
    """Makes a folder of versions, each with its number as content."""
    folder = tmp_path / "served"

    def make(there, withdrawn=()):
        for name in [*there, *(f".withdrawn/{name}" for name in withdrawn)]:
            (folder / name).mkdir(parents=True)
            (folder / name / "saved_model.pb").write_text(f"model {int(name.split('/')[-1])}")
        return str(folder)

    return make


def contents(folder):
    return {
        str(path.parent.relative_to(folder)): path.read_text()
        for path in pathlib.Path(folder).rglob("saved_model.pb")
    }


@pytest.mark.parametrize(
    ("there", "withdrawn", "to", "expected"),
    [
        ((1, 2), (), None, Moves((2,))),
        ((1, 2, 5), (), None, Moves((5,))),
        ((1, 2, 5), (), 1, Moves((5, 2))),
        ((1, 2), (3,), None, Moves((2,))),
        ((1, 2), (3,), 3, Moves((), 3)),
        ((1, 4), (2, 3), 3, Moves((4,), 3)),
        ((), (2, 3), 3, Moves((), 3)),
    ],
)
def test_what_makes_a_version_the_highest(there, withdrawn, to, expected):
    assert rollback.plan(State(there, withdrawn), to, "serving") == expected


@pytest.mark.parametrize(
    ("there", "withdrawn", "to", "message"),
    [
        ((), (), None, "^serving: got no version, expected one before it to go back to$"),
        ((4,), (5,), None, "^serving: got only version 4, expected one before it"),
        ((1, 2), (3,), 9, "^--to: got 9, expected a version of serving: 1, 2, 3$"),
        ((), (), 9, "^--to: got 9, expected a version of serving: none$"),
        ((1, 2), (), 2, "^--to: got 2, which is served already$"),
    ],
)
def test_what_cannot_be_is_refused(there, withdrawn, to, message):
    with pytest.raises(InputError, match=message):
        rollback.plan(State(there, withdrawn), to, "serving")


def test_versions_move_whole_and_come_back(destination):
    folder = destination(["1", "0002", "3"])
    before = contents(folder)
    rollback.carry_out(Moves((3, 2)), folder)
    assert rollback.state(folder) == State((1,), (2, 3))
    assert contents(folder) == {
        "1": "model 1",
        ".withdrawn/0002": "model 2",
        ".withdrawn/3": "model 3",
    }
    rollback.carry_out(Moves((), 3), folder)
    rollback.carry_out(Moves((), 2), folder)
    assert contents(folder) == before


def test_at_no_time_nothing_or_a_lower_version_is_served(destination, monkeypatch):
    """What comes back is there before another goes; those that go, go from the top."""
    folder = destination(["1", "4", "5"], withdrawn=["3"])
    seen = []
    rename = os.rename

    def watched(source, target):
        rename(source, target)
        seen.append(rollback.state(folder).served)

    monkeypatch.setattr(os, "rename", watched)
    rollback.carry_out(rollback.plan(rollback.state(folder), 3, folder), folder)
    assert seen == [5, 4, 3]


def test_a_version_is_never_moved_onto_another(destination):
    folder = destination(["1", "2"], withdrawn=["2"])
    with pytest.raises(InputError, match="holds 2 already, expected room for that version"):
        rollback.carry_out(Moves((2,)), folder)
    assert contents(folder) == {"1": "model 1", "2": "model 2", ".withdrawn/2": "model 2"}


def test_the_next_push_takes_a_number_that_no_withdrawn_version_had(destination, tmp_path):
    folder = destination(["1"], withdrawn=["2", "6"])
    model = tmp_path / "model"
    model.mkdir()
    (model / "saved_model.pb").write_text("new")
    assert versions.push(str(model), folder, keep=1) == os.path.join(folder, "7")
    assert rollback.state(folder) == State((7,), (2, 6))  # pruning leaves them alone


@pytest.mark.parametrize(
    ("content", "number"), [("model 2", 2), ("model 6", 6), ("model 3", None), ("model 1", None)]
)
def test_a_withdrawn_model_is_known_by_its_bytes(destination, tmp_path, content, number):
    folder = destination(["1"], withdrawn=["2", "6", "7"])
    pathlib.Path(folder, ".withdrawn/7/saved_model.pb").write_text("model 1")  # served, too
    model = tmp_path / "model"
    model.mkdir()
    (model / "saved_model.pb").write_text(content)
    assert versions.withdrawn_as(str(model), folder) == number
