"""Finding the input files: spans, formats, and a fingerprint of names and contents.

Folders are here or at a remote address; for those of this machine it is all Python. Paths are shown as
the user gave them: relative where `input_base` is relative.
"""

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from components import storage
from components.errors import InputError
from components.example_gen.splits import SplitRule, split_of_file

SPAN = "{SPAN}"
SUCCESS, MANIFEST = "_SUCCESS", "manifest.json"
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
# What says that a span is complete; see docs/retraining.md. Never rows.
MARKERS = (SUCCESS, MANIFEST)
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


@dataclass(frozen=True)
class SpanPattern:
    """A folder pattern with `{SPAN}`, here or at a remote address: `<root>/<entry>/<below>`.

    `entry` is what the part with `{SPAN}` matches; its group 1 is the span's number.
    """

    root: str
    entry: re.Pattern[str]
    below: tuple[str, ...]

    def span_of(self, entry: str) -> int | None:
        """The number of the span that an entry of `root` is of, or None."""
        match = self.entry.fullmatch(entry)
        return int(match[1]) if match else None

    def folder(self, entry: str) -> str:
        """The folder of a span's files."""
        return os.path.join(self.root, entry, *self.below)


def span_pattern(input_base: str) -> SpanPattern:
    """Take a pattern apart.

    Raises:
      InputError: `{SPAN}` is not in it exactly once, or names a bucket.
    """
    if input_base.count(SPAN) != 1:
        how = "more than once" if SPAN in input_base else "nowhere"
        raise InputError(f"{input_base}: got {SPAN} {how}, expected once")
    parts = input_base.split("/")
    at = next(index for index, part in enumerate(parts) if SPAN in part)
    if storage.is_remote(input_base) and at < 3:
        raise InputError(
            f"{input_base}: got {SPAN} in the bucket's name, expected it in a folder's"
        )
    start, end = parts[at].split(SPAN)
    entry = re.compile(rf"{re.escape(start)}([0-9]+){re.escape(end)}")
    root = "/".join(parts[:at]) or ("." if at == 0 else "/")
    return SpanPattern(root, entry, tuple(part for part in parts[at + 1 :] if part))


def is_read(name: str, format: str) -> bool:
    """Whether a file of this name is read; hidden ones, and those still being copied, are not."""
    pattern, _ = _SUFFIXES[format]
    return not name.startswith(".") and re.fullmatch(rf".*({pattern})", name) is not None


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
        listing = folder_listing(folder, span=span, format=format, split=split)
        files += listing.files
        unread += listing.unread
    return Listing(files=tuple(sorted(files)), unread=tuple(sorted(unread)))


def fingerprint(files: Sequence[InputFile]) -> str:
    """Return a digest of the files' spans, names, splits and contents, not of their times.

    Raises:
      InputError: a file cannot be read.
    """
    return fingerprints(files)[0]


def fingerprints(files: Sequence[InputFile]) -> tuple[str, dict[int, str]]:
    """The fingerprint of all files, and that of each span's, reading each file once.

    Raises:
      InputError: a file cannot be read.
    """
    whole = hashlib.blake2b(digest_size=16)
    spans = {file.span: hashlib.blake2b(digest_size=16) for file in files}
    for file in sorted(files):
        content = content_digest(file.path)
        for digest in (whole, spans[file.span]):
            digest.update(repr((file.span, file.name, file.split)).encode())
            digest.update(content)
    return whole.hexdigest(), {span: digest.hexdigest() for span, digest in spans.items()}


def content_digest(path: str) -> bytes:
    """Return a digest of a file's content.

    Raises:
      InputError: the file cannot be read.
    """
    digest = hashlib.blake2b(digest_size=16)
    try:
        with storage.opened(path) as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    return digest.digest()


def span_folders(input_base: str) -> list[tuple[int, str]]:
    """The number and folder of each span, ascending; a number may have two folders.

    Raises:
      InputError: the folder that holds them is not there or cannot be read.
    """
    pattern = span_pattern(input_base)
    found = [
        (span, pattern.folder(entry.name))
        for entry in _scan(pattern.root)
        if entry.is_folder and (span := pattern.span_of(entry.name)) is not None
    ]
    if pattern.below:
        found = [(span, folder) for span, folder in found if storage.is_folder(folder)]
    return sorted(found)


def _span_folders(input_base: str) -> dict[int, str]:
    if SPAN not in input_base:
        _scan(input_base)
        return {0: input_base}
    folders: dict[int, str] = {}
    for span, folder in span_folders(input_base):
        _add_span(folders, span, folder)
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


def _scan(folder: str) -> list[storage.Entry]:
    try:
        return storage.entries(folder)
    except FileNotFoundError:
        raise InputError(f"{folder}: no such folder") from None
    except OSError as error:
        raise InputError(f"{folder}: got {error.strerror}, expected a folder") from error


def folder_listing(
    folder: str, *, span: int, format: str, split: SplitRule | None = None
) -> Listing:
    """List the files of the given format in one span's folder.

    Raises:
      InputError: there is none, with what is there instead.
    """
    files: list[InputFile] = []
    unread: list[str] = []
    by_name = split is not None and not split.by_hash
    for entry in _scan(folder):
        path = os.path.join(folder, entry.name)
        readable = is_read(entry.name, format) and entry.is_file
        part = split_of_file(split, entry.name) if readable and by_name and split else None
        if not readable or (by_name and part is None):
            if entry.name not in MARKERS:
                unread.append(path)
            continue
        files.append(InputFile(span, path, entry.size, part))
    if not files:
        raise InputError(nothing_to_read(folder, unread, format=format, split=split))
    return Listing(files=tuple(files), unread=tuple(unread))


def nothing_to_read(
    folder: str, unread: Sequence[str], *, format: str, split: SplitRule | None
) -> str:
    """The line for a folder in which no file is to be read."""
    _, wanted = _SUFFIXES[format]
    found = ", ".join(os.path.basename(path) for path in unread[:10]) or "nothing"
    fitting = f" that fits {' or '.join(split.patterns)}" if split and split.patterns else ""
    return f"{folder}: no file to read: got {found}, expected {wanted}{fitting}"
