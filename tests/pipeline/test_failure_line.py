"""What a run says in one line of a component that failed; `components.errors` makes the line."""

import os

from pipeline import run


def test_paths_are_as_they_are_seen_from_here() -> None:
    assert run._told(OSError(f"{os.getcwd()}/data: gone")) == "OSError: data: gone"
