"""Which run pushed which version: true from the moment the version is there, and no sooner."""

import pytest

from components import storage
from components.pusher import run_keys, versions


@pytest.fixture
def push(tmp_path):
    """Pushes a model of this content for a run; returns the version's number."""

    def call(content, run_key="", keep=9):
        model = tmp_path / f"model-{content}"
        model.mkdir(exist_ok=True)
        (model / "saved_model.pb").write_text(content)
        pushed = versions.push(str(model), str(tmp_path / "served"), keep=keep, run_key=run_key)
        return int(pushed.rsplit("/", 1)[-1])

    call.served = str(tmp_path / "served")
    return call


def test_a_version_is_known_by_its_run(push):
    assert [push("a", "k1"), push("b"), push("c", "k3")] == [1, 2, 3]
    found = [run_keys.version_of(push.served, key) for key in ("k1", "k3", "k", "")]
    assert found == [1, 3, None, None]


def test_a_run_pushes_once_whatever_it_brings(push):
    assert [push("a", "k1"), push("b", "k2"), push("a2", "k1")] == [1, 2, 1]


def test_a_model_that_is_served_already_is_also_that_run_s(push):
    assert [push("a", "k1"), push("a", "k2")] == [1, 1]
    assert run_keys.noted(push.served, 1) == ["k1", "k2"]


def test_killed_between_note_and_version(push, monkeypatch):
    push("a", "k1")
    with monkeypatch.context() as patched:
        patched.setattr(versions._gfile, "rename", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            push("b", "k2")
    assert run_keys.version_of(push.served, "k2") is None
    assert push("c", "k3") == 2  # the number is another run's by now
    assert run_keys.version_of(push.served, "k2") is None
    assert run_keys.version_of(push.served, "k3") == 2


def test_the_note_is_there_before_the_version(push, monkeypatch):
    noted = []
    rename = versions._gfile.rename

    def renamed(source, target):
        noted.extend(run_keys.noted(push.served, 1))
        rename(source, target)

    monkeypatch.setattr(versions._gfile, "rename", renamed)
    push("a", "k1")
    assert noted == ["k1"]


def test_notes_go_with_their_versions_and_stay_with_withdrawn_ones(push, tmp_path):
    for number in range(1, 4):
        push(str(number), f"k{number}", keep=2)
    found = [run_keys.version_of(push.served, f"k{number}") for number in range(1, 4)]
    assert found == [None, 2, 3]
    assert run_keys.noted(push.served, 1) == []
    (tmp_path / "served/.withdrawn").mkdir()
    (tmp_path / "served/3").rename(tmp_path / "served/.withdrawn/3")
    push("4", "k4", keep=2)
    assert run_keys.version_of(push.served, "k3") == 3


@pytest.mark.parametrize("text", ["", "{", '["k1"]', '{"keys": "k1"}'])
def test_half_a_note_is_none(push, tmp_path, text):
    push("a", "k1")
    (tmp_path / "served/.runs/1.json").write_text(text)
    assert run_keys.version_of(push.served, "k1") is None


def test_a_refusal(tmp_path):
    for number, key in ((7, "k1"), (30, "k2")):
        run_keys.refuse(str(tmp_path / "made" / str(number)), key, f"reason {number}")
    (tmp_path / "made/31").mkdir()
    found = [run_keys.refusal(str(tmp_path / "made"), key) for key in ("k1", "k2", "k3")]
    assert found == ["reason 7", "reason 30", None]
    assert run_keys.refusal(str(tmp_path / "no such folder"), "k1") is None


def _put(path, content=""):
    storage.write_whole(path, lambda file: file.write(content.encode()))


@pytest.fixture
def remote(tmp_path):
    """An object store of this process; pushes a model of this content for a run."""
    root = f"ram://{tmp_path.name}"

    def call(content, run_key):
        _put(f"{root}/model-{content}/saved_model.pb", content)
        pushed = versions.push(f"{root}/model-{content}", f"{root}/served", keep=9, run_key=run_key)
        return int(pushed.rsplit("/", 1)[-1])

    call.served = f"{root}/served"
    return call


def test_a_run_pushes_once_to_an_object_store_too(remote):
    assert [remote("a", "k1"), remote("b", "k2"), remote("a2", "k1")] == [1, 2, 1]
    assert run_keys.version_of(remote.served, "k1") == 1
    assert run_keys.version_of(remote.served, "k3") is None


def test_half_a_version_at_an_object_store_is_no_push(remote):
    remote("a", "k1")
    run_keys.note(remote.served, 2, "k2")
    _put(f"{remote.served}/2/variables/variables.index", "")
    assert run_keys.version_of(remote.served, "k2") is None
    assert remote("b", "k2") == 3  # the number of the half is not given again
    assert run_keys.version_of(remote.served, "k2") == 3


def test_a_withdrawn_version_at_an_object_store_was_pushed(remote):
    remote("a", "k1")
    run_keys.note(remote.served, 7, "k7")
    _put(f"{remote.served}/.withdrawn/7/saved_model.pb", "b")
    assert run_keys.version_of(remote.served, "k7") == 7
