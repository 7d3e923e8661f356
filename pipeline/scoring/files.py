"""Which files `tokenline score|predict` reads, and what each holds. Needs no TensorFlow."""

import contextlib
import dataclasses
import glob
import gzip
import itertools
import json
import os
import stat
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from components.errors import InputError
from components.example_gen import files

ROWS, TEXT = "jsonl", "text"  # TEXT: the lines are the texts themselves
STDIN = "-"
_SUFFIXES = ".jsonl, .csv, .tsv, .tfrecord (each also with .gz) or .parquet"
_LONGEST_LOOK = 16 << 20  # bytes of a first line
PART_BYTES = 64 << 20


@dataclass(frozen=True)
class BatchFile:
    """One file to read, or a part of one.

    Attributes:
      path: as the user gave it, or `STDIN`.
      format: one of ExampleGen's, or `TEXT`; "" of what can be read only once, so that its format
        shows when it is read.
      start: of a part, its first byte.
      end: of a part, the byte after it; 0: it is the whole file.
      first_line: number of the line at `start`.
    """

    path: str
    format: str
    start: int = 0
    end: int = 0
    first_line: int = 1

    @property
    def name(self) -> str:
        """What messages and keys call it."""
        return "standard input" if self.path == STDIN else self.path


@dataclass(frozen=True)
class Unnamed:
    """What files are whose names do not say it, and standard input.

    Attributes:
      column: that a line of text is of; "": texts are not expected.
      format: `ROWS` or `TEXT`, if it is known; "": the first line shows it.
    """

    column: str = ""
    format: str = ""

    def told_by(self, line: bytes) -> str:
        """The format that a first line shows; "" if it is none that is expected."""
        if self.format or not line:  # whoever reads a file without a line says so
            return self.format or (TEXT if self.column else ROWS)
        row = json_object(line)
        if row is not None and (not self.column or self.column in row):
            return ROWS
        return TEXT if self.column else ""


def json_object(line: bytes | str) -> dict[str, Any] | None:
    """The object that a line is; None if it is none."""
    text = line.decode("utf-8-sig", "replace") if isinstance(line, bytes) else line
    if not text.lstrip().startswith("{"):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def expand(
    patterns: Sequence[str], unnamed: Unnamed, *, once: bool = False
) -> tuple[BatchFile, ...]:
    """The files of paths and glob patterns: in the order given, those of a pattern by name.

    Args:
      patterns: as on the command line.
      unnamed: what a file of no known name holds.
      once: whether standard input and pipes will do, which can be read only once.

    Raises:
      InputError: a line for each path that is no such file, or is there twice.
    """
    problems: list[str] = []
    found: dict[str, BatchFile] = {}
    for pattern in patterns:
        paths = [pattern] if os.path.exists(pattern) else sorted(glob.glob(pattern, recursive=True))
        if pattern == STDIN and once:
            paths = [pattern]
        if not paths:
            problems.append(_nothing(pattern))
        for path in paths:
            place = path if path == STDIN else os.path.realpath(path)
            file = BatchFile(path, "")
            problem = _unusable(file, once=once)
            if not problem and place in found:
                problem = "got this file twice, expected it once"
            if not problem:
                file = BatchFile(path, _format_of(path, unnamed))
                problem = _formless(file, unnamed)
            if problem:
                problems.append(f"{file.name}: {problem}")
            found[place] = file
    if problems:
        raise InputError("\n".join(problems))
    return tuple(found.values())


def _nothing(pattern: str) -> str:
    if pattern == STDIN:
        return "got standard input with --output, expected files"
    return f"{pattern}: {'no file fits it' if glob.has_magic(pattern) else 'no such file'}"


def is_once(path: str) -> bool:
    """Whether it can be read only once: standard input, a pipe, a device."""
    return path == STDIN or not stat.S_ISREG(os.stat(path).st_mode)


@contextlib.contextmanager
def opened(file: BatchFile, unnamed: Unnamed) -> Iterator[tuple[BatchFile, Iterable[bytes]]]:
    """What can be read only once: its format, and its lines.

    Raises:
      InputError: it cannot be read.
    """
    if file.path == STDIN and sys.stdin is None:
        raise InputError(f"{file.name} is closed, expected lines")
    with contextlib.ExitStack() as held:
        try:
            stream = sys.stdin.buffer if file.path == STDIN else open(file.path, "rb")  # noqa: SIM115
            first = held.enter_context(stream).readline()
        except OSError as error:
            raise InputError(f"{file.name}: cannot be read: {error.strerror}") from None
        told = unnamed.told_by(first) or ROWS
        yield dataclasses.replace(file, format=told), itertools.chain([first], stream)


def split(found: Sequence[BatchFile]) -> tuple[BatchFile, ...]:
    """Files in parts of about `PART_BYTES`, for workers to share; whole, if that needs reading them.

    A part ends with a line, so only plain lines can be split: not what is compressed, and not CSV,
    whose quoted cells may hold line ends.
    """
    return tuple(part for file in found for part in _parts(file))


def _parts(file: BatchFile) -> Iterator[BatchFile]:
    is_plain = file.format in (ROWS, TEXT) and not file.path.endswith(".gz")
    if not is_plain or os.path.getsize(file.path) <= PART_BYTES:
        yield file
        return
    start, line = 0, 1
    with open(file.path, "rb") as stream:
        while block := stream.read(PART_BYTES):
            rest = b"" if block.endswith(b"\n") else stream.readline()
            end = start + len(block) + len(rest)
            yield dataclasses.replace(file, start=start, end=end, first_line=line)
            line += block.count(b"\n") + rest.count(b"\n")
            start = end


def part_lines(file: BatchFile) -> Iterator[bytes]:
    """The lines of a part."""
    with open(file.path, "rb") as stream:
        stream.seek(file.start)
        left = file.end - file.start
        while left > 0:
            line = stream.readline()
            if not line:
                raise OSError(f"it became shorter than {file.end:,} bytes while it was read")
            left -= len(line)
            yield line


def _unusable(file: BatchFile, *, once: bool) -> str:
    if file.path != STDIN and os.path.isdir(file.path):
        return f"got a folder, expected files, for instance '{os.path.join(file.path, '*.jsonl')}'"
    if not once and is_once(file.path):
        return "got a pipe with --output, expected a file"
    return ""


def _format_of(path: str, unnamed: Unnamed) -> str:
    if is_once(path):
        return ""
    return files.format_of(path) or unnamed.told_by(_first_line(path))


def _formless(file: BatchFile, unnamed: Unnamed) -> str:
    if file.format or is_once(file.path):
        return ""
    shown = "a name without a known ending, and a first line that is no JSON object"
    return f"got {shown}, expected {_SUFFIXES}"


def _first_line(path: str) -> bytes:
    """The start of a file; of one that cannot be read, nothing: whoever reads its rows says why."""
    opener: Any = gzip.open if path.endswith(".gz") else open
    try:
        with opener(path, "rb") as file:
            line: bytes = file.readline(_LONGEST_LOOK)
            return line
    except (OSError, EOFError, zlib.error):
        return b""
