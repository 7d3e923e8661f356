"""Which files are read, and the Python in them: whole .py files, ```python blocks of Markdown."""

import ast
import dataclasses
import io
import os
import re
import tokenize
import warnings
from collections.abc import Iterator

_MARKDOWN = (".md", ".markdown", ".txt")
_SKIPPED = {"__pycache__", "node_modules", "site-packages"}
_FENCE = re.compile(r"^(?P<indent>[ \t]*)(?P<fence>`{3,}|~{3,})[ \t]*(?P<language>[\w+-]*)")
_PYTHON = {"python", "py", "python3"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """One piece of Python.

    Attributes:
      path: the file, as the user named it.
      text: decoded, with its own line ends, without a byte order mark.
      line: line of the file before the first of the text (0 for a whole file).
      column: columns of the file before each line of the text.
      encoding: of a file that may be written; None for a block of a Markdown file.
    """

    path: str
    text: str
    line: int = 0
    column: int = 0
    encoding: str | None = None


@dataclasses.dataclass(frozen=True)
class Read:
    """What was found under the paths: Python to look at, and a line for each thing that is wrong.

    `files` counts those that were read.
    """

    sources: list[Source]
    problems: list[str]
    files: int


def read(paths: list[str]) -> Read:
    """All Python under files and folders, in the order of the paths, folders sorted."""
    sources: list[Source] = []
    problems: list[str] = []
    seen: set[str] = set()
    files = 0
    for path in paths:
        for file in _files(path, problems):
            if os.path.realpath(file) in seen:
                continue
            seen.add(os.path.realpath(file))
            try:
                sources.extend(_sources(file))
                files += 1
            except (OSError, ValueError, SyntaxError) as error:
                problems.append(f"{file}: cannot be read: {_reason(error)}")
    return Read(sources, problems, files)


def check_syntax(source: Source) -> str | None:
    """Why a text is not Python 3, as `path:line:column: reason`, else None."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(source.text)
    except SyntaxError as error:
        row, column = source.line + (error.lineno or 1), source.column + (error.offset or 1)
        return f"{source.path}:{row}:{column}: not Python 3: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"{source.path}:{source.line + 1}: not Python 3: {_reason(error)}"
    return None


def _files(path: str, problems: list[str]) -> Iterator[str]:
    if not os.path.isdir(path):
        if os.path.exists(path) and not path.endswith((".py", ".pyi", *_MARKDOWN)):
            problems.append(f"{path}: got another kind of file, expected .py, .md or a folder")
        elif os.path.exists(path):
            yield path
        else:
            problems.append(f"{path}: no such file or folder")
        return

    def unread(error: OSError) -> None:
        problems.append(f"{error.filename}: cannot be read: {_reason(error)}")

    for folder, folders, names in os.walk(path, onerror=unread):
        folders[:] = sorted(n for n in folders if n not in _SKIPPED and not n.startswith("."))
        for name in sorted(names):
            if name.endswith((".py", ".md")):
                yield os.path.join(folder, name)


def _sources(file: str) -> Iterator[Source]:
    # A pipe or a device may never end.
    if os.path.exists(file) and not os.path.isfile(file):
        raise ValueError("got a pipe, socket or device, expected a regular file")
    with open(file, "rb") as stream:
        data = stream.read()
    if file.endswith(_MARKDOWN):
        yield from _blocks(file, data.decode("utf-8-sig"))
        return
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    yield Source(path=file, text=data.decode(encoding), encoding=encoding)


def _blocks(file: str, text: str) -> Iterator[Source]:
    """The fenced Python blocks of a Markdown text; one that is never closed ends with the file."""
    block: list[str] = []
    opened: re.Match[str] | None = None
    start = 0
    lines = text.splitlines()
    for number, line in enumerate([*lines, ""], start=1):
        fence = _FENCE.match(line)
        if opened is None:
            if fence:
                opened, start, block = fence, number, []
        elif number > len(lines) or _closes(line, opened):
            if opened["language"].lower() in _PYTHON:
                yield _block(file, block, start, len(opened["indent"]))
            opened = None
        else:
            block.append(line)


def _closes(line: str, opened: re.Match[str]) -> bool:
    stripped = line.strip()
    return stripped.startswith(opened["fence"]) and not stripped.strip(opened["fence"][0])


def _block(file: str, lines: list[str], start: int, indent: int) -> Source:
    text = "".join(line[min(indent, len(line) - len(line.lstrip())) :] + "\n" for line in lines)
    return Source(path=file, text=text, line=start, column=indent)


def _reason(error: BaseException) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"got the byte 0x{error.object[error.start]:02x}, expected {error.encoding} text"
    if isinstance(error, RecursionError | MemoryError):
        return "nested too deeply"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error).split("\n")[0]
