"""The ledger in an sqlite file of its own: one row, replaced as a whole in one transaction."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator

from components.errors import InputError
from pipeline.retrain import documents
from pipeline.retrain.states import State

_WAIT_SECONDS = 30.0
_TABLE = """CREATE TABLE IF NOT EXISTS ledger (
  id INTEGER PRIMARY KEY CHECK (id = 1), token INTEGER NOT NULL, document TEXT NOT NULL)"""
_REASONS = {
    sqlite3.SQLITE_BUSY: "is locked by another process for {wait:g} s, expected at most moments",
    sqlite3.SQLITE_LOCKED: "is locked by another process for {wait:g} s, expected at most moments",
    sqlite3.SQLITE_FULL: "cannot be written: the disk is full",
    sqlite3.SQLITE_READONLY: "cannot be written: it or its folder is read-only",
    sqlite3.SQLITE_PERM: "cannot be opened: no permission",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: it or its folder is not there or not accessible",
    sqlite3.SQLITE_IOERR: "cannot be read or written: the disk reports an error",
    sqlite3.SQLITE_CORRUPT: "is damaged",
    sqlite3.SQLITE_NOTADB: "is damaged: it is no sqlite file",
}


class SqliteLedger:
    """See `ledger.Ledger`. Connections live for one call: the object may be kept over a fork."""

    def __init__(self, path: str, *, wait_seconds: float = _WAIT_SECONDS) -> None:
        """
        Args:
          path: the file; made by the first save, with its folder.
          wait_seconds: for another process that is saving.
        """
        self._path = path
        self._wait = wait_seconds

    def load(self) -> tuple[State, str]:
        """The state and its token.

        Raises:
          InputError: the file is locked, not readable, damaged, or a newer tokenline wrote it.
        """
        if not os.path.lexists(self._path):
            return State(), "0"
        with self._connection() as connection:
            token, document = _row(connection)
        return (documents.from_text(document, self._path) if token else State()), str(token)

    def save(self, state: State, token: str) -> bool:
        """Replace the state that has this token; on disk when it returns.

        Raises:
          InputError: the file cannot be written; it is then as before.
        """
        document = documents.as_text(state)
        try:
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
        except OSError as error:
            raise InputError(f"{self._path}: cannot be written: {error.strerror}") from None
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(_TABLE)
            if str(_row(connection)[0]) != token:
                connection.execute("ROLLBACK")
                return False
            row = (int(token) + 1, document)
            connection.execute("REPLACE INTO ledger VALUES (1, ?, ?)", row)
            connection.execute("COMMIT")
        return True

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """A connection in which each statement stands for itself; closed, and rolled back, at the end."""
        try:
            with contextlib.closing(
                sqlite3.connect(self._path, timeout=self._wait, isolation_level=None)
            ) as connection:
                # A rollback journal, as it works on network disks too; EXTRA also syncs the folder in which
                # it is deleted, so that a commit outlives a power failure.
                connection.execute("PRAGMA synchronous = EXTRA")
                yield connection
        except sqlite3.Error as error:
            raise InputError(f"{self._path}: {self._reason(error)}") from None

    def _reason(self, error: sqlite3.Error) -> str:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest says what kind of that
        if code in _REASONS:
            return _REASONS[code].format(wait=self._wait)
        return f"cannot be used: {error}"


def _row(connection: sqlite3.Connection) -> tuple[int, str]:
    """Token and document; token 0 before the first save."""
    there = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'ledger'").fetchone()
    row = connection.execute("SELECT token, document FROM ledger").fetchone() if there else None
    return row or (0, "")
