"""Which split a row belongs to: by a stable hash of its values, or by its file's name."""

import bisect
import fnmatch
import hashlib
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components.errors import InputError
from components.example_gen.columns import Values

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class SplitRule:
    """Names of the splits with either hash buckets or file patterns (the other is empty)."""

    names: tuple[str, ...]
    buckets: tuple[int, ...] = ()
    patterns: tuple[str, ...] = ()

    @property
    def by_hash(self) -> bool:
        """Whether rows are hashed, rather than whole files assigned."""
        return bool(self.buckets)


def parse_split(declared: Mapping[str, int | str]) -> SplitRule:
    """Read `{"train": 9, "eval": 1}` (buckets) or `{"train": "train*", "eval": "dev*"}`.

    Raises:
      InputError: bad names, a mixture of both forms, or buckets below 1.
    """
    where = "data.split"
    names = tuple(declared)
    if not names or not all(_NAME.fullmatch(name) for name in names):
        raise InputError(f"{where}: got names {list(names)}, expected letters, digits, _ and -")
    values = tuple(declared.values())
    if all(type(value) is int and value >= 1 for value in values):
        return SplitRule(names=names, buckets=tuple(int(value) for value in values))
    if all(isinstance(value, str) and value for value in values):
        return SplitRule(names=names, patterns=tuple(str(value) for value in values))
    raise InputError(
        f"{where}: got {dict(declared)}, expected a number of 1 or more for each split, "
        "or a file name pattern for each"
    )


def split_of_file(rule: SplitRule, name: str) -> str | None:
    """Return the split whose pattern fits the file's name, None when none does.

    Raises:
      InputError: two patterns fit, so that the same rows would be in two splits.
    """
    found = [
        split
        for split, pattern in zip(rule.names, rule.patterns, strict=True)
        if fnmatch.fnmatchcase(name, pattern)
    ]
    if len(found) > 1:
        raise InputError(
            f"data.split: the file {name!r} fits the patterns of {' and '.join(found)}"
        )
    return found[0] if found else None


class HashSplitter:
    """Assigns rows to splits so that equal values of the key always meet in one split.

    The hash is BLAKE2b of the values alone: neither span, file, order nor Python's hash seed
    changes it.
    """

    def __init__(self, rule: SplitRule, *, key: Sequence[int]) -> None:
        """Take the positions of the columns whose values are hashed."""
        self._names = rule.names
        self._ends = list(itertools.accumulate(rule.buckets))
        self._key = tuple(key)

    def split_of(self, checked: Sequence[Values | None]) -> str:
        """Return the split's name for a checked row."""
        # repr of lists of bytes, ints and floats is unambiguous: ["ab", "c"] != ["a", "bc"].
        key = repr([checked[index] for index in self._key]).encode()
        number = int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big")
        return self._names[bisect.bisect_right(self._ends, number % self._ends[-1])]
