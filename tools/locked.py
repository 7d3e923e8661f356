"""The part of requirements.lock that something needs: the image, or one development tool.

`python tools/locked.py ROOT...` prints it, with hashes and markers. A ROOT is a requirements file
that the lock was made from, or a package in it. uv notes beside each package what asks for it, so
one lock does for development and for the image: two would have to be kept from growing apart.

Standard library only, and one file: the image's first stage runs it before anything is installed.
"""

import dataclasses
import pathlib
import re
import sys


@dataclasses.dataclass(frozen=True)
class Entry:
    """A version of a package: its lines, without comments, and what asks for it."""

    name: str
    lines: tuple[str, ...]
    asked_by: frozenset[str]


def entries(lock: str) -> list[Entry]:
    """All entries of a lock that uv has written; a package has several if markers tell them apart."""
    found = []
    for block in re.split(r"\n(?=[A-Za-z0-9])", lock.strip()):
        lines = block.split("\n")
        notes = (line.strip(" #") for line in lines if line.lstrip().startswith("#"))
        asking = {re.sub(r"^via\b *", "", note) for note in notes} - {""}
        kept = tuple(line for line in lines if not line.lstrip().startswith("#"))
        found.append(Entry(re.split(r"[^\w.-]", block, maxsplit=1)[0], kept, frozenset(asking)))
    return found


def select(lock: str, roots: list[str]) -> str:
    """The lock's lines for the roots and for all that they need, in the lock's order.

    Raises:
      ValueError: a root is neither a requirements file of the lock nor a package in it.
    """
    every = entries(lock)
    names = {entry.name for entry in every}
    known = names | {each for entry in every for each in entry.asked_by}
    wanted = {root if root in names else f"-r {root}" for root in roots}
    if strange := sorted(wanted - known):
        raise ValueError(f"{strange[0].removeprefix('-r ')}: the lock was not made from it")
    while more := {e.name for e in every if e.name not in wanted and e.asked_by & wanted}:
        wanted |= more
    return "".join("\n".join(entry.lines) + "\n" for entry in every if entry.name in wanted)


def main(arguments: list[str]) -> None:
    lock = pathlib.Path("requirements.lock").read_text(encoding="utf-8")
    try:
        print(select(lock, arguments), end="")
    except ValueError as error:
        sys.exit(f"requirements.lock: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
