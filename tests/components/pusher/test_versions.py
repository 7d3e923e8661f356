"""Numbered versions: whole or not there, above all that exist."""

import os
import pathlib
import time

import pytest
import tensorflow as tf

from components.pusher import versions


@pytest.fixture
def model(tmp_path):
    """Writes a model folder with the given content; returns its path."""

    def write(content, name="model"):
        folder = tmp_path / name
        (folder / "variables").mkdir(parents=True, exist_ok=True)
        (folder / "saved_model.pb").write_text(content)
        (folder / "variables" / "variables.index").write_text("index")
        return str(folder)

    return write


def _tree(folder):
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in pathlib.Path(folder).rglob("*")
        if path.is_file()
    }


@pytest.fixture
def destination(tmp_path):
    return tmp_path / "served"


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ([], "1"),
        (["1"], "2"),
        (["3", "7", "5"], "8"),
        (["9", "10"], "11"),
        (["1700000000"], "1700000001"),
        (["00000004"], "5"),
        (["7", "model", "8.bak", ".hidden", "-9", "12x", "²"], "8"),
    ],
    ids=["none", "one", "gaps", "numbers not text", "a clock's", "leading zeros", "neighbours"],
)
def test_a_version_is_above_all_that_exist(model, destination, there, expected, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 0.0)
    for name in there:
        (destination / name).mkdir(parents=True)
        (destination / name / "x").write_text("x")
    pushed = versions.push(model("m"), str(destination), keep=99)
    assert pushed == str(destination / expected)
    assert _tree(pushed) == {"saved_model.pb": "m", "variables/variables.index": "index"}
    assert sorted(os.listdir(destination)) == sorted([*there, expected])


def test_a_file_with_a_number_for_a_name_is_stepped_over(model, destination):
    destination.mkdir()
    (destination / "5").write_text("not a version")
    assert versions.push(model("m"), str(destination), keep=1) == str(destination / "6")
    assert (destination / "5").read_text() == "not a version"


@pytest.mark.parametrize(
    ("keep", "left"), [(1, ["4"]), (2, ["3", "4"]), (3, ["2", "3", "4"]), (9, ["1", "2", "3", "4"])]
)
def test_the_newest_stay(model, destination, keep, left):
    for number in range(1, 5):
        versions.push(model(f"m{number}"), str(destination), keep=keep)
    assert sorted(os.listdir(destination)) == left
    assert _tree(destination / "4")["saved_model.pb"] == "m4"


def test_only_version_folders_are_dropped(model, destination):
    for name in ("model", "0001", "12x"):
        (destination / name).mkdir(parents=True)
    versions.push(model("m"), str(destination), keep=1)
    assert sorted(os.listdir(destination)) == ["12x", "2", "model"]


def test_the_same_bytes_are_not_pushed_twice(model, destination):
    first = versions.push(model("m"), str(destination), keep=3)
    assert versions.push(model("m", "copy"), str(destination), keep=3) == first
    assert os.listdir(destination) == ["1"]
    assert versions.push(model("other"), str(destination), keep=3) == str(destination / "2")
    # The newest decides: going back to an older model is a new version.
    assert versions.push(model("m"), str(destination), keep=3) == str(destination / "3")


def test_nothing_is_visible_before_the_rename_and_the_next_push_works(
    model, destination, monkeypatch
):
    versions.push(model("m1"), str(destination), keep=1)
    seen = []

    def die(source, target):
        seen.append((_tree(source), os.path.basename(target)))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tf.io.gfile, "rename", die)
        with pytest.raises(KeyboardInterrupt):
            versions.push(model("m2"), str(destination), keep=1)
    assert seen == [({"saved_model.pb": "m2", "variables/variables.index": "index"}, "2")]
    assert [version.number for version in versions.existing(str(destination))] == [1]
    assert _tree(destination / "1")["saved_model.pb"] == "m1"

    (destination / ".incoming" / "left.over").write_text("half a copy")
    assert versions.push(model("m3"), str(destination), keep=1) == str(destination / "2")
    assert os.listdir(destination) == ["2"]
    assert _tree(destination / "2") == {
        "saved_model.pb": "m3",
        "variables/variables.index": "index",
    }


def test_a_copy_that_fails_leaves_no_version(model, destination, monkeypatch):
    def fail(source, target):
        raise OSError("disk full")

    monkeypatch.setattr(tf.io.gfile, "copy", fail)
    with pytest.raises(OSError, match="disk full"):
        versions.push(model("m"), str(destination), keep=1)
    assert versions.existing(str(destination)) == []


def test_a_model_without_files_is_refused(tmp_path, destination):
    with pytest.raises(ValueError, match=r"absent: got no file, expected a model"):
        versions.push(str(tmp_path / "absent"), str(destination), keep=1)
    assert not destination.exists()


def test_an_absent_folder_has_no_version(tmp_path):
    assert versions.existing(str(tmp_path / "absent")) == []
