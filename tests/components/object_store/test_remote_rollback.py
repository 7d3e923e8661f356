"""Rolling back in an object store: files are copied and removed, and no server takes half a version."""

import pytest
import store_line
import tensorflow as tf

from components import storage
from components.errors import InputError
from components.pusher import rollback, versions
from components.pusher.rollback import State

FILES = ("saved_model.pb", "fingerprint.pb", "variables/variables.index")


@pytest.fixture
def destination(ram):
    """Makes versions at an address, each with its number in all of its files."""

    def make(there, withdrawn=()):
        for name in [*there, *(f".withdrawn/{name}" for name in withdrawn)]:
            put(f"{ram}/{name}", int(name.split("/")[-1]))
        return ram

    return make


def put(folder: str, number: int) -> None:
    for name in FILES:
        write(f"{folder}/{name}", number)


def write(path: str, number: int) -> None:
    storage.write_whole(path, lambda file: file.write(b"%d" % number))


def whole(*names: str) -> dict[str, bytes]:
    return {f"{name}/{file}": name.split("/")[-1].encode() for name in names for file in FILES}


def back(folder: str, to: int | None = None) -> None:
    rollback.carry_out(rollback.plan(rollback.state(folder), to, folder), folder)


def test_versions_move_whole_and_come_back(destination) -> None:
    folder = destination(["1", "2", "3"])
    before = store_line.tree(folder)
    back(folder, to=1)
    assert rollback.state(folder) == State((1,), (2, 3))
    assert store_line.tree(folder) == whole("1", ".withdrawn/2", ".withdrawn/3")
    back(folder, to=2)
    back(folder, to=3)
    assert store_line.tree(folder) == before


def test_what_has_no_graph_is_no_version(destination) -> None:
    folder = destination(["1", "2"])
    tf.io.gfile.remove(f"{folder}/2/saved_model.pb")
    assert rollback.state(folder) == State((1,), ())
    with pytest.raises(InputError, match="got only version 1, expected one before it"):
        back(folder)


# Of going back from 2 to 1, and of 2 coming back: each write and each removal of a file or folder.
@pytest.mark.parametrize("to", [1, 2])
@pytest.mark.parametrize("done", range(6))
def test_interrupted_at_any_time_a_whole_version_is_served_and_the_same_again_goes_on(
    destination, monkeypatch, done, to
) -> None:
    folder = destination(["1", "2"] if to == 1 else ["1"], withdrawn=[] if to == 1 else ["2"])
    left = [done]

    def dies(act):
        def call(path: str, *rest) -> None:
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            act(path, *rest)
            served = rollback.state(folder).served
            for name in FILES:
                assert storage.is_file(f"{folder}/{served}/{name}")

        return call

    with monkeypatch.context() as patch:
        for name in ("write_whole", "remove", "remove_folder"):
            patch.setattr(storage, name, dies(getattr(storage, name)))
        with pytest.raises(KeyboardInterrupt):
            back(folder, to)
    found = rollback.state(folder)
    assert {*found.there, *found.withdrawn} == {1, 2}
    assert not set(found.there) & set(found.withdrawn)
    if found.served != to:
        back(folder, to)
    assert rollback.state(folder) == (State((1,), (2,)) if to == 1 else State((1, 2), ()))
    back(folder, 2 if to == 1 else 1)  # and the other way round
    assert rollback.state(folder) == (State((1, 2), ()) if to == 1 else State((1,), (2,)))


def test_a_version_is_never_moved_onto_another(destination) -> None:
    folder = destination(["1", "2"])
    put(f"{folder}/.withdrawn/2", 7)
    before = store_line.tree(folder)
    with pytest.raises(InputError, match="holds 2 already, expected room for that version"):
        back(folder)
    assert store_line.tree(folder) == before


def test_what_is_there_is_not_withdrawn_whatever_lies_aside(destination, tmp_path) -> None:
    """Coming back was interrupted when only the copy that was aside was still to be removed."""
    folder = destination(["1", "2", "3"], withdrawn=["2"])
    put(str(tmp_path / "model"), 2)
    assert versions.withdrawn_as(str(tmp_path / "model"), folder) is None
    put(f"{folder}/.withdrawn/4", 2)
    assert versions.withdrawn_as(str(tmp_path / "model"), folder) == 4
