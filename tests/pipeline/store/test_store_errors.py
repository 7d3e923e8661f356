"""A metadata store that cannot be used is reported by name, with what to do, in one line."""

import pathlib
import subprocess
import sys

import pytest
from ml_metadata import errors
from store_book import Book

from components.errors import InputError
from pipeline.config.store import ServerStoreConfig
from pipeline.store import errors as store_errors
from pipeline.store import questions
from pipeline.store.connection import Store

HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""
LOCKED = (
    "locked by another program for longer than is waited: end that program and run again; what was "
    "finished is kept"
)
DAMAGED = (
    "not readable as a metadata store: it is damaged, or something else: put a copy back, or move it "
    "away, then the next run starts a new one and knows of no earlier run"
)


def _problem(kept: Store) -> str:
    with pytest.raises(InputError) as caught:
        questions.models(kept)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_store_that_another_program_locks(tmp_path: pathlib.Path) -> None:
    book = Book(tmp_path)
    holder = None

    def ask() -> None:
        nonlocal holder
        with book.store.opened() as rows:
            rows._max_num_retries = 1  # each of the client's attempts takes seconds
            holder = subprocess.Popen(
                [sys.executable, "-c", HOLD, book.store.file],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            assert holder.stdout.readline() == b"held\n"
            rows.get_artifacts()

    with pytest.raises(InputError) as caught:
        ask()
    assert str(caught.value) == f"{book.store.file}: {LOCKED}"
    holder.communicate(b"")
    assert questions.models(book.store) == []


@pytest.mark.parametrize("content", [b"some notes of mine\n" * 100, None])
def test_a_file_that_is_no_store_or_is_damaged(tmp_path: pathlib.Path, content) -> None:
    book = Book(tmp_path)
    file = pathlib.Path(book.store.file)
    whole = file.read_bytes()
    file.write_bytes(content or whole[:3000] + b"\x11" * 17_000 + whole[20_000:])
    assert _problem(book.store) == f"{file}: {DAMAGED}"


def test_a_folder_in_its_place(tmp_path: pathlib.Path) -> None:
    (tmp_path / "metadata.db").mkdir()
    found = _problem(Store("p", str(tmp_path / "metadata.db")))
    assert found.endswith(": cannot be opened: expected a file that may be read and written")


def test_a_mysql_server_that_is_not_there() -> None:
    server = ServerStoreConfig(kind="mysql", host="127.0.0.1", port=1, database="d", user="u")
    assert _problem(Store("p", "", server)) == (
        "mysql u@127.0.0.1:1/d: the server does not answer, or refuses, as the log may say: "
        "is it running?"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("… database or disk is full query: INSERT", "the disk is full: make room and run again"),
        ("attempt to write a readonly database", "cannot be written: make the file and its folder"),
        ("disk I/O error query: SELECT", "cannot be read or written: the disk says"),
        ('PostgreSQL error: FATAL:  role "x" does not exist', "the server refuses this user"),
        ("FATAL:  no pg_hba.conf entry for host", "the server lets this user in from elsewhere"),
        ("ERROR:  permission denied for table type", "the server does not let this user do that"),
        ("\n never seen before \nmore", "never seen before"),
        ("", "no reason given"),
    ],
)
def test_the_words_of_a_database_in_ours(text: str, expected: str) -> None:
    assert store_errors.reason(text).startswith(expected)


def test_whose_error_it_is(tmp_path: pathlib.Path) -> None:
    book = Book(tmp_path)
    # As TFX raises them from a node whose components have nothing to do with it.
    aborted = errors.AbortedError("Concurrent writes aborted after max number of retries.")
    assert book.store.problem(aborted) == f"{book.store.file}: {LOCKED}"
    lost = RuntimeError("Failed to establish connection to Metadata storage with error: x")
    assert store_errors.is_of_a_store(lost)
    for other in (
        RuntimeError("a read-only tensor"),
        RuntimeError("database system is a word of mine"),
        ValueError("Concurrent writes aborted"),
        errors.NotFoundError("no such type"),
        KeyboardInterrupt(),
    ):
        assert book.store.problem(other) == ""
    pathlib.Path(book.store.file).write_bytes(b"no store" * 1000)
    assert book.store.problem(lost) == f"{book.store.file}: {DAMAGED}"
