"""Finding the input files: spans, formats, and a fingerprint of names and contents. Pure Python.

Paths are shown as the user gave them: relative where `input_base` is relative.
"""

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from components.errors import InputError
from components.example_gen.splits import SplitRule, split_of_file

SPAN = "{SPAN}"
_SUFFIXES = {
    "jsonl": (r"\.jsonl(\.gz)?", ".jsonl or .jsonl.gz"),
    "csv": (r"\.[ct]sv(\.gz)?", ".csv, .tsv or either with .gz"),
    "parquet": (r"\.parquet", ".parquet"),
    # The second form is what TFX and Beam write: data_tfrecord-00000-of-00001.gz
    "tfrecord": (
        r"\.tfrecords?(-\d+-of-\d+)?(\.gz)?|tfrecords?-\d+-of-\d+(\.gz)?",
        ".tfrecord or .tfrecord.gz",
    ),
}
FORMATS = tuple(_SUFFIXES)
_CHUNK = 1 << 20


@dataclass(frozen=True, order=True)
class InputFile:
    """One file to read; `split` is set when whole files are assigned to splits."""

    span: int
    path: str
    size: int
    split: str | None = None

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return os.path.basename(self.path)


@dataclass(frozen=True)
class Listing:
    """The files to read, sorted by span and name, and what lies beside them unread."""

    files: tuple[InputFile, ...]
    unread: tuple[str, ...]


def format_of(path: str) -> str:
    """Return the format that a file's name says it has, one of `FORMATS`; "" if it says none."""
    name = os.path.basename(path)
    fitting = (key for key, (suffix, _) in _SUFFIXES.items() if re.fullmatch(f".*({suffix})", name))
    return next(fitting, "")


def list_spans(input_base: str) -> list[int]:
    """Return the numbers of the spans that exist, ascending; `[0]` when there is no `{SPAN}`.

    Raises:
      InputError: no such folder, or two folders for one number.
    """
    return sorted(_span_folders(input_base))


def input_files(
    input_base: str, spans: Sequence[int], format: str, *, split: SplitRule | None = None
) -> Listing:
    """List the files of the given format in the folders of the given spans.

    Args:
      input_base: a folder, or a folder pattern with `{SPAN}`.
      spans: the spans to read; empty when the pattern has no `{SPAN}`.
      format: one of `FORMATS`.
      split: where it assigns whole files, those that fit no pattern are left unread.

    Raises:
      InputError: a folder, span or file is not there, with what is there instead.
    """
    if format not in _SUFFIXES:
        raise InputError(f"data.format: got {format!r}, expected one of {', '.join(FORMATS)}")
    files: list[InputFile] = []
    unread: list[str] = []
    for span, folder in _wanted_folders(input_base, spans).items():
        listing = _list_folder(folder, span=span, format=format, split=split)
        files += listing.files
        unread += listing.unread
    return Listing(files=tuple(sorted(files)), unread=tuple(sorted(unread)))


def fingerprint(files: Sequence[InputFile]) -> str:
    """Return a digest of the files' spans, names, splits and contents, not of their times.

    Raises:
      InputError: a file cannot be read.
    """
    digest = hashlib.blake2b(digest_size=16)
    for file in sorted(files):
        digest.update(repr((file.span, file.name, file.split)).encode())
        digest.update(content_digest(file.path))
    return digest.hexdigest()


def content_digest(path: str) -> bytes:
    """Return a digest of a file's content.

    Raises:
      InputError: the file cannot be read.
    """
    digest = hashlib.blake2b(digest_size=16)
    try:
        with open(path, "rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    return digest.digest()


def _span_folders(input_base: str) -> dict[int, str]:
    if "://" in input_base:
        raise InputError(
            f"{input_base}: got a remote address, expected a folder of this machine "
            "(Vertex mounts gs://bucket as /gcs/bucket)"
        )
    if SPAN not in input_base:
        _scan(input_base)
        return {0: input_base}
    parts = input_base.split("/")
    at = next(index for index, part in enumerate(parts) if SPAN in part)
    if input_base.count(SPAN) > 1:
        raise InputError(f"{input_base}: got {SPAN} more than once, expected once")
    before, after = "/".join(parts[:at]), parts[at + 1 :]
    start, end = parts[at].split(SPAN)
    pattern = re.compile(rf"{re.escape(start)}([0-9]+){re.escape(end)}")
    root = before if before or at == 0 else "/"
    folders: dict[int, str] = {}
    for entry in _scan(root or "."):
        match = pattern.fullmatch(entry)
        folder = os.path.join(root, entry, *after)
        if match and os.path.isdir(folder):
            _add_span(folders, int(match[1]), folder)
    return folders


def _add_span(folders: dict[int, str], span: int, folder: str) -> None:
    if span in folders:
        raise InputError(f"{folder}: span {span} is also in {folders[span]}, expected one folder")
    folders[span] = folder


def _wanted_folders(input_base: str, spans: Sequence[int]) -> dict[int, str]:
    folders = _span_folders(input_base)
    if SPAN not in input_base:
        if list(spans) not in ([], [0]):
            raise InputError(f"data.spans: got {list(spans)}, but {input_base!r} has no {SPAN}")
        return folders
    known = ", ".join(map(str, sorted(folders))) or "none"
    if not spans:
        raise InputError(f"{input_base}: no span to read (spans there: {known})")
    if len(set(spans)) < len(spans):
        raise InputError(f"data.spans: got {list(spans)}, expected each span once")
    missing = [str(span) for span in spans if span not in folders]
    if missing:
        raise InputError(f"{input_base}: no span {', '.join(missing)} (spans there: {known})")
    return {span: folders[span] for span in sorted(spans)}


def _scan(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        raise InputError(f"{folder}: no such folder") from None
    except OSError as error:
        raise InputError(f"{folder}: got {error.strerror}, expected a folder") from error


def _list_folder(folder: str, *, span: int, format: str, split: SplitRule | None) -> Listing:
    pattern, wanted = _SUFFIXES[format]
    fits = re.compile(rf".*({pattern})")
    files: list[InputFile] = []
    unread: list[str] = []
    by_name = split is not None and not split.by_hash
    for name in _scan(folder):
        path = os.path.join(folder, name)
        readable = not name.startswith(".") and fits.fullmatch(name) and os.path.isfile(path)
        part = split_of_file(split, name) if readable and by_name and split else None
        if not readable or (by_name and part is None):
            unread.append(path)
            continue
        files.append(InputFile(span, path, os.path.getsize(path), part))
    if not files:
        raise InputError(_nothing_to_read(folder, wanted=wanted, split=split, unread=unread))
    return Listing(files=tuple(files), unread=tuple(unread))


def _nothing_to_read(
    folder: str, *, wanted: str, split: SplitRule | None, unread: Sequence[str]
) -> str:
    found = ", ".join(os.path.basename(path) for path in unread[:10]) or "nothing"
    fitting = f" that fits {' or '.join(split.patterns)}" if split and split.patterns else ""
    return f"{folder}: no file to read: got {found}, expected {wanted}{fitting}"
