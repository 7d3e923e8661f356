"""Folders by their content: every change is seen, and an export's fingerprint saves reading it."""

import pathlib
import subprocess
import sys

import pytest

from components import folders, storage

FILES = {"saved_model.pb": "graph", "variables/variables.data": "A" * 9, "fingerprint.pb": "of A"}


@pytest.fixture
def write(tmp_path):
    """Write a folder; `changes` are other contents, None for a file that is not to be there."""

    def written(name, changes=None):
        for file, content in (FILES | (changes or {})).items():
            path = tmp_path / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            if content is not None:
                path.write_text(content)
        return str(tmp_path / name)

    return written


CHANGES = {
    "content": lambda folder: (folder / "saved_model.pb").write_text("grapf"),
    "length": lambda folder: (folder / "saved_model.pb").write_text("graph and more"),
    "name": lambda folder: (folder / "saved_model.pb").rename(folder / "renamed.pb"),
    "folder": lambda folder: (folder / "variables").rename(folder / "moved"),
    "empty file": lambda folder: (folder / "extra").write_text(""),
    "file gone": lambda folder: (folder / "saved_model.pb").unlink(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_every_change_is_seen(write, change, monkeypatch):
    monkeypatch.setattr(folders, "_CHUNK", 4)  # most files are read in several pieces
    one, other = write("one"), write("other")
    before = folders.digest(one)
    assert folders.digest(other) == before
    assert folders.same_bytes(one, other)
    change(pathlib.Path(other))
    assert folders.digest(other) != before
    assert not folders.same_bytes(one, other)
    assert not folders.same_bytes(other, one)


def test_a_digest_is_that_of_names_and_contents(tmp_path):
    """As the shell says it: of the lines of names and SHA-256s, in order, the SHA-256."""
    (tmp_path / "b").mkdir()
    (tmp_path / "a").write_text("a")
    (tmp_path / "b" / "c").write_text("c")
    script = f"cd {tmp_path} && sha256sum a b/c | awk '{{print $2; print $1}}' | sha256sum"
    expected = subprocess.run(script, shell=True, capture_output=True, text=True, check=True)
    assert folders.digest(str(tmp_path)) == expected.stdout.split()[0]


def test_a_fingerprint_and_sizes_tell_exports_apart_and_nothing_else_is_read(write, monkeypatch):
    one, copy = write("one"), write("copy")
    read = []
    opened = storage.opened
    monkeypatch.setattr(storage, "opened", lambda path: read.append(path) or opened(path))
    assert folders.same_export(one, copy)
    assert not folders.same_export(one, write("other", {"fingerprint.pb": "of B"}))
    assert not folders.same_export(one, write("cut", {"variables/variables.data": "A" * 8}))
    assert not folders.same_export(one, write("more", {"extra": ""}))
    assert {pathlib.Path(path).name for path in read} == {"fingerprint.pb"}


def test_without_a_fingerprint_every_byte_counts(write):
    without = {"fingerprint.pb": None}
    one = write("one", without)
    assert folders.same_export(one, write("copy", without))
    changed = write("changed", without | {"variables/variables.data": "B" * 9})
    assert not folders.same_export(one, changed)
    assert not folders.same_export(one, write("with"))


def test_a_folder_that_is_not_there_is_the_same_as_none(write, tmp_path):
    absent, gone = str(tmp_path / "absent"), str(tmp_path / "gone")
    assert folders.files(absent) == []
    assert not folders.same_bytes(absent, gone)
    assert not folders.same_export(absent, write("one"))


def test_tensorflow_is_not_loaded_for_a_folder_on_this_machine(write):
    program = (
        "import sys; from components import folders, model_facts\n"
        f"folders.digest({write('one')!r})\n"
        "print('tensorflow' in sys.modules)"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert told.stdout == "False\n"
