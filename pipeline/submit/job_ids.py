"""What jobs are called. Loads nothing heavy."""

import datetime
import secrets

_LONGEST = 128


def job_id(name: str, suffix: str) -> str:
    """`<name>-<suffix>`, such that Vertex takes it: it starts with a letter, and is not too long."""
    start = name if name[:1].isalpha() else f"p-{name}"
    return f"{start[: _LONGEST - 1 - len(suffix)].rstrip('-')}-{suffix}"


def now() -> str:
    """A suffix: the time, and what tells two jobs of one second apart."""
    return f"{datetime.datetime.now(datetime.UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
