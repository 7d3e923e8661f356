"""What ml_metadata's errors mean to somebody who runs a pipeline.

Those errors carry the words of the database below, and where it is locked not even these. The
sentences here are for the reader of one line: what is wrong, and what to do.
"""

import re

_REASONS = (
    (
        r"Concurrent writes aborted|database is locked|database table is locked",
        "locked by another program for longer than is waited: end that program and run again; what was "
        "finished is kept",
    ),
    (
        r"file is not a database|disk image is malformed",
        "not readable as a metadata store: it is damaged, or something else: put a copy back, or move "
        "it away, then the next run starts a new one and knows of no earlier run",
    ),
    (r"database or disk is full", "the disk is full: make room and run again"),
    (
        r"readonly database|read-only",
        "cannot be written: make the file and its folder writable and run again",
    ),
    (
        r"unable to open database file",
        "cannot be opened: expected a file that may be read and written",
    ),
    (r"disk I/O error", "cannot be read or written: the disk says that it has an error"),
    (
        r"no password supplied",
        "the server wants a password: name the variable that holds it in pipeline.metadata.password_env",
    ),
    (
        r"password authentication failed|Access denied|role \S+ does not exist",
        "the server refuses this user with this password: see pipeline.metadata.user and password_env",
    ),
    (
        r"no pg_hba.conf entry",
        "the server lets this user in from elsewhere only: see its pg_hba.conf",
    ),
    (
        r"database \S+ does not exist|Unknown database",
        "the server has no such database: make it, or see pipeline.metadata.database",
    ),
    (
        r"could not translate host name|Unknown MySQL server host",
        "the host's name is not known: see pipeline.metadata.host",
    ),
    (
        r"ECONNREFUSED|[Cc]onnection refused|could not connect to server|Can't connect",
        "no server answers there: start it, or see pipeline.metadata.host and port",
    ),
    (
        r"connection pointer is NULL|server closed the connection|no connection to the server"
        r"|terminating connection|server has gone away|Lost connection|database system is"
        r"|mysql_real_connect|PostgreSQL metadata source error: *$",
        "the server does not answer, or refuses, as the log may say: is it running?",
    ),
    (
        r"permission denied",
        "the server does not let this user do that: give it rights on the tables",
    ),
    (
        r"schema version|schema_version",
        "written by another version of ml-metadata, expected the one that is installed",
    ),
)
# In the text of a RuntimeError that ml_metadata's C++ or TFX's wrapper around it raised.
_SIGNS = (
    r"Error when executing query|Cannot connect sqlite3|Concurrent writes aborted"
    r"|mysql_real_connect|PostgreSQL metadata source error|to Metadata storage"
)
_BEING_MADE = (
    r"duplicate key value|already exists|Duplicate entry|a subset of tables|concurrently updated"
    r"|schema_version|schema version"  # where its number is not there yet; else it is the same the next time
)
_NOT_THEIRS = ("NotFoundError", "AlreadyExistsError", "InvalidArgumentError")


def reason(text: str) -> str:
    """What the text of an error means; its own first line, where that is not known."""
    for pattern, meaning in _REASONS:
        if re.search(pattern, text, re.MULTILINE):
            return meaning
    return next((line.strip() for line in text.splitlines() if line.strip()), "no reason given")


def is_made_by_another(text: str) -> bool:
    """Whether an error says that somebody else is making the tables of an empty database."""
    return bool(re.search(_BEING_MADE, text))


def is_of_a_store(error: BaseException) -> bool:
    """Whether an error says that the store cannot be used, rather than that a question was wrong."""
    name = type(error).__name__
    if type(error).__module__ == "ml_metadata.errors":
        return name not in _NOT_THEIRS
    return isinstance(error, RuntimeError) and bool(re.search(_SIGNS, str(error)))
