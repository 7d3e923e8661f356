"""What lies in the folders of spans, here or at a remote address, and what it is."""

import hashlib
import os
from dataclasses import dataclass

from components.errors import InputError
from components.example_gen import files
from components.example_gen.splits import SplitRule, parse_split, split_of_file
from pipeline.config import Config
from pipeline.retrain import manifest


@dataclass(frozen=True)
class Entry:
    """One file of a span's folder.

    Attributes:
      name: without its folder.
      size: in bytes.
      changed: seconds since 1970. Here that is the inode's own time, which no copying sets back.
      stamp: differs when the file is another one, though name and size are not.
      leads_nowhere: whether it is a link to what is not there, as on a share that is not mounted.
    """

    name: str
    size: int
    changed: float
    stamp: str
    leads_nowhere: bool = False


@dataclass(frozen=True)
class Seen:
    """One span's folder, as it was found.

    Attributes:
      span: its number.
      folder: as the user's path has it.
      entries: all its files, by name.
      changed: when an entry came or went, in seconds since 1970; 0 where nothing says so.
      problem: one line that says why it cannot be looked at, or "".
    """

    span: int
    folder: str
    entries: tuple[Entry, ...] = ()
    changed: float = 0.0
    problem: str = ""


@dataclass(frozen=True)
class Reading:
    """What of a folder is read: the files of a format that fit a split's pattern, if it has one."""

    format: str
    split: SplitRule

    def files(self, entries: tuple[Entry, ...]) -> list[tuple[Entry, str | None]]:
        """The files that ExampleGen reads, each with the split that it is assigned to.

        Raises:
          InputError: a file fits the patterns of two splits.
        """
        named = [entry for entry in entries if files.is_read(entry.name, self.format)]
        if self.split.by_hash:
            return [(entry, None) for entry in named]
        found = ((entry, split_of_file(self.split, entry.name)) for entry in named)
        return [(entry, part) for entry, part in found if part is not None]


def reading(config: Config) -> Reading:
    """What a configuration reads."""
    return Reading(config.data.format, parse_split(config.data.split))


def look(input_base: str) -> list[Seen]:
    """The spans of a folder pattern of this machine, ascending.

    Raises:
      InputError: the folder that holds them is not there or cannot be read.
    """
    found: dict[int, Seen] = {}
    for span, folder in files.span_folders(input_base):
        found[span] = twice(found[span], folder) if span in found else look_at(span, folder)
    return list(found.values())


def twice(seen: Seen, folder: str) -> Seen:
    """A span that has another folder as well."""
    problem = f"{folder}: span {seen.span} is also in {seen.folder}, expected one folder"
    return Seen(seen.span, seen.folder, problem=problem)


def look_at(span: int, folder: str) -> Seen:
    """One span's folder on this machine."""
    try:
        changed = os.stat(folder).st_ctime
        with os.scandir(folder) as found:
            entries = tuple(_entry(each) for each in found if _is_file(each))
    except OSError as error:
        return Seen(span, folder, problem=f"{error.filename or folder}: {error.strerror}")
    if odd := [each.name for each in entries if not _is_text(each.name)]:
        names = ", ".join(ascii(os.fsencode(name))[1:] for name in sorted(odd))
        text = f"got the file name {names}, expected UTF-8"
        return Seen(span, folder, problem=f"{folder}: {text}")
    return Seen(span, folder, tuple(sorted(entries, key=lambda each: each.name)), changed)


def _is_text(name: str) -> bool:
    """Whether a file's name is UTF-8: what is not, cannot be written into a log or a record."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_file(found: os.DirEntry[str]) -> bool:
    """Whether an entry is a file, or a link that leads nowhere, behind which one may be."""
    return found.is_file() or _leads_nowhere(found)


def _leads_nowhere(found: os.DirEntry[str]) -> bool:
    return found.is_symlink() and not os.path.exists(found.path)


def _entry(found: os.DirEntry[str]) -> Entry:
    leads_nowhere = _leads_nowhere(found)
    facts = found.stat(follow_symlinks=not leads_nowhere)
    stamp = f"{facts.st_mtime_ns} {facts.st_ctime_ns} {facts.st_ino}"
    return Entry(found.name, facts.st_size, facts.st_ctime, stamp, leads_nowhere)


def signature(seen: Seen, reading: Reading) -> str:
    """A digest of what would be read, from the files' names, sizes and times alone.

    Raises:
      InputError: there is no file to read, one fits two splits, or is a link to what is not there.
    """
    read = reading.files(seen.entries)
    for entry, _ in read:
        if entry.leads_nowhere:
            path = os.path.join(seen.folder, entry.name)
            raise InputError(f"{path}: got a link to what is not there, expected a file")
    if not read:
        names = [entry.name for entry in seen.entries if entry.name not in files.MARKERS]
        raise InputError(
            files.nothing_to_read(seen.folder, names, format=reading.format, split=reading.split)
        )
    manifests = [(entry, None) for entry in seen.entries if entry.name == files.MANIFEST]
    facts = [(entry.name, entry.size, entry.stamp, part) for entry, part in (*read, *manifests)]
    return hashlib.blake2b(repr(facts).encode(), digest_size=16).hexdigest()


def verified_content(folder: str, span: int, config: Config) -> str:
    """The fingerprint of a span's files on this machine, once they are what its manifest says.

    Raises:
      InputError: they are not, or cannot be read.
    """
    read = reading(config)
    listing = files.folder_listing(folder, span=span, format=read.format, split=read.split)
    names = [file.name for file in listing.files]
    manifest.verify(folder, names, format=read.format, delimiter=config.data.delimiter)
    return files.fingerprint(listing.files)
