"""Pushing to an object store: no folder is renamed there, and no server may take half a version for one."""

import pytest
import store_line
import tensorflow as tf

from components.pusher import versions

FILES = {
    "saved_model.pb": "graph",
    "fingerprint.pb": "number",
    "variables/variables.index": "index",
    "assets.extra/tokenline.json": "{}",
}


@pytest.fixture
def model(tmp_path):
    def write(content: str) -> str:
        for name, rest in FILES.items():
            path = tmp_path / content / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{rest} of {content}")
        return str(tmp_path / content)

    return write


def whole(content: str) -> dict[str, bytes]:
    return {name: f"{rest} of {content}".encode() for name, rest in FILES.items()}


def numbers(destination: str) -> list[int]:
    return [version.number for version in versions.existing(destination)]


def test_a_push_is_the_next_version_and_the_last_ones_are_kept(model, ram) -> None:
    for number, content in enumerate(("m1", "m2", "m3"), 1):
        assert versions.push(model(content), ram, keep=2) == f"{ram}/{number}"
    assert numbers(ram) == [2, 3]
    assert tf.io.gfile.listdir(ram) == ["2", "3"]
    assert store_line.tree(f"{ram}/3") == whole("m3")
    assert versions.push(model("m3"), ram, keep=2) == f"{ram}/3"


@pytest.mark.parametrize("done", range(4))
def test_a_push_that_dies_is_no_version_and_the_next_one_takes_it_away(
    model, ram, monkeypatch, done
) -> None:
    versions.push(model("m1"), ram, keep=9)
    rename, renamed = tf.io.gfile.rename, []

    def die(source: str, target: str) -> None:
        assert numbers(ram) == [1]  # as long as a file is to come
        if len(renamed) == done:
            raise KeyboardInterrupt
        renamed.append(target)
        rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(tf.io.gfile, "rename", die)
        with pytest.raises(KeyboardInterrupt):
            versions.push(model("m2"), ram, keep=9)
    assert f"{ram}/2/saved_model.pb" not in renamed
    assert numbers(ram) == [1]
    # Another number: a server that has tried the half one does not look there again.
    assert versions.push(model("m3"), ram, keep=9) == f"{ram}/3"
    assert sorted(tf.io.gfile.listdir(ram)) == ["1", "3"]
    assert store_line.tree(f"{ram}/3") == whole("m3")


def test_an_old_version_stops_being_one_before_a_file_of_it_goes(model, ram, monkeypatch) -> None:
    versions.push(model("m1"), ram, keep=1)

    def die(folder: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tf.io.gfile, "rmtree", lambda folder: folder.endswith("/1") and die(folder))
        with pytest.raises(KeyboardInterrupt):
            versions.push(model("m2"), ram, keep=1)
    assert numbers(ram) == [2]
    assert store_line.tree(f"{ram}/1").keys() == whole("m1").keys() - {"saved_model.pb"}
    versions.push(model("m3"), ram, keep=1)
    assert numbers(ram) == [3]
    assert tf.io.gfile.listdir(ram) == ["3"]


def test_what_was_withdrawn_is_not_pushed_again_and_keeps_its_number(model, ram) -> None:
    versions.push(model("m1"), ram, keep=9)
    store_line.copy_tree(model("m2"), f"{ram}/.withdrawn/2")
    assert versions.withdrawn_as(model("m2"), ram) == 2
    assert versions.withdrawn_as(model("m3"), ram) is None
    assert versions.push(model("m3"), ram, keep=9) == f"{ram}/3"


def test_what_is_no_version_stays(model, ram) -> None:
    tf.io.gfile.makedirs(ram)
    for name in ("2024", "notes"):
        with tf.io.gfile.GFile(f"{ram}/{name}", "w") as file:
            file.write("mine")
    assert versions.push(model("m1"), ram, keep=1) == f"{ram}/2025"
    assert sorted(tf.io.gfile.listdir(ram)) == ["2024", "2025", "notes"]
