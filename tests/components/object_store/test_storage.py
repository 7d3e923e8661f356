"""Files here and at an address: the same calls, the same answers, the same errors."""

import os
import pathlib
import subprocess
import sys
import tempfile

import pytest
import tensorflow as tf

from components import folders, storage
from components.storage import Entry

ROWS = b"".join(b"row %d\n" % number for number in range(300_000))  # more than is read at once


@pytest.fixture(params=["here", "ram"])
def root(request, tmp_path, ram):
    """A folder without anything in it, here and at an address."""
    if request.param == "ram":
        tf.io.gfile.makedirs(ram)
        return ram
    return str(tmp_path)


def write(path: str, content: bytes) -> None:
    storage.write_whole(path, lambda file: file.write(content))


def test_what_was_written_is_read_as_bytes_lines_and_from_anywhere(root) -> None:
    write(f"{root}/a/b/rows.txt", ROWS)
    with storage.opened(f"{root}/a/b/rows.txt") as file:
        assert file.read() == ROWS
        file.seek(-7, os.SEEK_END)
        assert file.read() == ROWS[-7:]
        file.seek(3)
        assert (file.readline(), file.tell()) == (b" 0\n", 6)
        assert list(file) == ROWS.splitlines(keepends=True)[1:]
    assert storage.size(f"{root}/a/b/rows.txt") == len(ROWS)


def test_a_folder_is_listed(root) -> None:
    for name in ("b/of.b", "a", "b/c/d", "empty"):
        write(f"{root}/{name}", b"" if name == "empty" else name.encode())
    folder = Entry("b", is_folder=True)
    file, empty = Entry("a", is_file=True, size=1), Entry("empty", is_file=True)
    assert storage.entries(root) == [file, folder, empty]
    assert storage.entries(f"{root}/") == storage.entries(root)
    assert storage.names(root) == ["a", "b", "empty"]
    assert folders.files(root) == ["a", "b/c/d", "b/of.b", "empty"]
    assert [storage.is_folder(f"{root}/{name}") for name in ("b", "a", "no")] == [
        True,
        False,
        False,
    ]
    assert [storage.is_file(f"{root}/{name}") for name in ("b", "a", "no")] == [False, True, False]


def test_what_is_not_there_is_told_in_pythons_words(root) -> None:
    for ask in (storage.opened, storage.entries, storage.size, storage.remove):
        with pytest.raises(FileNotFoundError) as error:
            ask(f"{root}/no")
        assert (error.value.strerror, error.value.filename) == (
            "No such file or directory",
            f"{root}/no",
        )
    assert storage.names(f"{root}/no") == []
    storage.remove_folder(f"{root}/no")


def test_files_and_folders_are_removed(root) -> None:
    for name in ("a/b", "a/c/d", "e"):
        write(f"{root}/{name}", b"x")
    storage.remove(f"{root}/a/b")
    assert folders.files(root) == ["a/c/d", "e"]
    storage.remove_folder(f"{root}/a")
    assert storage.names(root) == ["e"]


def test_what_fails_half_way_is_not_there_and_leaves_nothing(root, tmp_path, monkeypatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))

    def fail(file) -> None:
        file.write(b"half")
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        storage.write_whole(f"{root}/folder/file", fail)
    assert not storage.is_file(f"{root}/folder/file")
    assert storage.names(f"{root}/folder") == []
    write(f"{root}/folder/file", b"whole")
    assert list(scratch.iterdir()) == []


def test_an_unknown_scheme_is_told_once_and_not_taken_for_an_absent_folder() -> None:
    for ask in (storage.entries, storage.is_folder, storage.is_file):
        with pytest.raises(OSError, match="'nowhere' not implemented") as error:
            ask("nowhere://bucket/x")
        assert not isinstance(error.value, FileNotFoundError)
        assert "\n" not in str(error.value)


def test_a_link_to_nothing_is_listed_as_neither(tmp_path) -> None:
    (tmp_path / "link").symlink_to("nothing")
    (tmp_path / "folder").mkdir()
    (tmp_path / "to_folder").symlink_to("folder")
    assert storage.entries(str(tmp_path)) == [
        Entry("folder", is_folder=True),
        Entry("link"),
        Entry("to_folder", is_folder=True),
    ]


def test_a_folder_is_the_same_wherever_it_lies(ram, tmp_path) -> None:
    for name in ("a", "b/c", "assets.extra/d", "assets/e"):
        for root in (ram, str(tmp_path / "here")):
            write(f"{root}/{name}", name.encode() * 9)
    here = str(tmp_path / "here")
    assert folders.digest(ram) == folders.digest(here)
    assert folders.same_bytes(ram, here)
    folders.download(ram, str(tmp_path / "copy"))
    assert folders.same_bytes(str(tmp_path / "copy"), here)
    write(f"{here}/b/c", b"another")
    assert not folders.same_bytes(ram, here)


def test_tensorflow_is_not_loaded_for_this_machine(tmp_path) -> None:
    program = (
        "import sys; from components import storage\n"
        f"path = {str(tmp_path / 'a' / 'b')!r}\n"
        "storage.write_whole(path, lambda file: file.write(b'x'))\n"
        f"print(storage.opened(path).read(), storage.entries({str(tmp_path)!r}))\n"
        "storage.remove(path)\n"
        "print('tensorflow' in sys.modules)"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert told.stdout.splitlines()[-1] == "False"
    assert list(pathlib.Path(tmp_path, "a").iterdir()) == []
