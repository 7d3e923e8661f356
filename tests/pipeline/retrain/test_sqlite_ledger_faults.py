"""The ledger's file killed in mid-save, saved by two at once, locked, damaged, on a full disk."""

import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace

import pytest

from components.errors import InputError
from pipeline.retrain import sqlite_ledger, states
from pipeline.retrain.ledger import update
from pipeline.retrain.sqlite_ledger import SqliteLedger
from pipeline.retrain.states import SpanVersion, State

REPOSITORY = pathlib.Path(states.__file__).parents[2]
# Counts up in a ledger, and says each number once it is saved.
COUNTING = """
import sys
from dataclasses import replace
from pipeline.retrain.ledger import update
from pipeline.retrain.sqlite_ledger import SqliteLedger
ledger = SqliteLedger(sys.argv[1])
for _ in range(int(sys.argv[2])):
    state = update(ledger, lambda state: replace(state, folded_runs=state.folded_runs + 1))
    print(state.folded_runs, flush=True)
"""


def counting(path: pathlib.Path, times: int) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", COUNTING, str(path), str(times)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def path(tmp_path) -> pathlib.Path:
    """A ledger of many spans, so that a save is many writes."""
    path = tmp_path / "ledger.sqlite"
    spans = tuple(SpanVersion(span=n, version=1, state="pushed") for n in range(1, 2000))
    assert SqliteLedger(str(path)).save(State(spans=spans), "0")
    return path


def test_killed_in_mid_save_it_holds_the_last_save_or_the_one_after(path) -> None:
    for told in range(1, 9):
        process = counting(path, 10_000)
        last = [process.stdout.readline() for _ in range(told)][-1]
        process.send_signal(signal.SIGKILL)
        rest = process.communicate()[0].split()
        said = int(rest[-1] if rest else last)
        state, _ = SqliteLedger(str(path)).load()
        assert state.folded_runs in (said, said + 1)  # saved, and killed before it could say so
        assert len(state.spans) == 1999


def test_of_two_at_once_no_save_is_lost(path) -> None:
    both = [counting(path, 30) for _ in range(2)]
    said = [int(word) for process in both for word in process.communicate()[0].split()]
    assert sorted(said) == list(range(1, 61))
    assert SqliteLedger(str(path)).load()[0].folded_runs == 60


def test_what_is_wrong_with_the_file_is_one_line_that_names_it(path, tmp_path) -> None:
    ledger = SqliteLedger(str(path), wait_seconds=0.05)
    state, token = ledger.load()
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(InputError, match=r"ledger\.sqlite: is locked by another process"):
            ledger.save(state, token)
        other.execute("ROLLBACK")
    other.close()
    folder = tmp_path / "a_file"
    folder.write_text("")
    with pytest.raises(InputError, match=r"a_file.*: cannot be"):
        SqliteLedger(str(folder / "ledger.sqlite")).save(state, "0")
    path.write_bytes(b"not sqlite at all" * 100)
    with pytest.raises(InputError, match=r"ledger\.sqlite: is damaged") as error:
        ledger.load()
    assert "\n" not in str(error.value)


def test_each_reason_of_sqlite_is_told_in_our_words(path, monkeypatch) -> None:
    told = {
        sqlite3.SQLITE_FULL: "the disk is full",
        sqlite3.SQLITE_READONLY: "read-only",
        sqlite3.SQLITE_IOERR: "the disk reports an error",
    }
    ledger = SqliteLedger(str(path))
    for code, words in told.items():
        error = sqlite3.OperationalError("as sqlite has it")
        error.sqlite_errorcode = code

        def fails(*arguments: object, error: sqlite3.Error = error, **named: object) -> None:
            raise error

        with monkeypatch.context() as patched:
            patched.setattr(sqlite_ledger.sqlite3, "connect", fails)
            with pytest.raises(InputError, match=words):
                ledger.load()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written(path) -> None:
    path.parent.chmod(0o500)
    try:
        with pytest.raises(InputError, match=r"cannot be (written|opened)"):
            update(SqliteLedger(str(path)), lambda state: replace(state, folded_runs=9))
    finally:
        path.parent.chmod(0o700)
    assert SqliteLedger(str(path)).load()[0].folded_runs == 0


def test_its_size_is_linear_in_spans_and_bounded_in_runs(path) -> None:
    small, large = (
        State(spans=tuple(SpanVersion(span=n, version=1, state="pushed", content="c" * 32,
                                      signature="s" * 32, run_key="k" * 64) for n in range(1, many)))
        for many in (500, 5000)
    )  # fmt: skip
    sizes = []
    for state in (small, large):
        ledger = SqliteLedger(str(path))
        assert ledger.save(state, ledger.load()[1])
        with sqlite3.connect(path) as connection:
            sizes.append(len(connection.execute("SELECT document FROM ledger").fetchone()[0]))
        connection.close()
    assert sizes[1] < 10.2 * sizes[0]
    assert sizes[1] / 5000 < 400  # bytes a span
