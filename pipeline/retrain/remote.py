"""Other file systems: listing spans, copying files. gs:// by Google's client, others by Beam.

The client loads in no time, which Beam does not; both on first use.
"""

import importlib.util
import os
import re
from typing import Any, NamedTuple

from components import buckets
from components.errors import InputChanged, InputError
from components.example_gen import files
from pipeline.retrain.looking import Entry, Seen, twice

_NEEDS = {  # scheme: Beam's extra, and a module that it brings
    "s3": ("aws", "boto3"),
    "azfs": ("azure", "azure.storage.blob"),
    "hdfs": ("hadoop", "hdfs"),
}
_CHUNK = 1 << 20


class _Found(NamedTuple):
    """A file that was listed: its address, and what `looking.Entry` has of it."""

    path: str
    size: int
    changed: float
    stamp: str


def look(input_base: str) -> list[Seen]:
    """The spans of a remote folder pattern, ascending; without {SPAN} the folder is span 0.

    Raises:
      InputError: it cannot be listed.
    """
    if files.SPAN not in input_base:
        folder = input_base.rstrip("/")
        return [
            Seen(0, folder, _by_name([_entry(each) for each in _match(f"{folder}/*", input_base)]))
        ]
    pattern = files.span_pattern(input_base)
    folders: dict[str, list[Entry]] = {}
    spans: dict[str, int] = {}
    for found in _match(f"{input_base.rstrip('/').replace(files.SPAN, '*')}/*", input_base):
        entry = found.path[len(pattern.root) + 1 :].split("/")[0]
        span = pattern.span_of(entry)
        if span is not None:
            spans[pattern.folder(entry)] = span
            folders.setdefault(pattern.folder(entry), []).append(_entry(found))
    seen: dict[int, Seen] = {}
    for folder, span in sorted(spans.items(), key=lambda item: (item[1], item[0])):
        this = Seen(span, folder, _by_name(folders[folder]))
        seen[span] = twice(seen[span], folder) if span in seen else this
    return list(seen.values())


def _by_name(entries: list[Entry]) -> tuple[Entry, ...]:
    return tuple(sorted(entries, key=lambda each: each.name))


def _entry(found: _Found) -> Entry:
    return Entry(os.path.basename(found.path), found.size, found.changed, found.stamp)


def copy(address: str, path: str, size: int) -> None:
    """Copy a remote file to a new file of this machine, which is on its disk when this returns.

    Raises:
      InputChanged: it has another size by now.
      InputError: it cannot be read.
    """
    try:
        copied = buckets.copy(address, path) if buckets.is_bucket(address) else _copy(address, path)
    except Exception as error:
        if isinstance(error, InputError):
            raise
        if isinstance(error, OSError) and error.filename == path:
            raise InputError(f"{path}: cannot be written: {error.strerror}") from error
        raise InputError(_problem(address, error)) from error
    if copied != size:
        raise InputChanged(f"{address}: got {copied} bytes, expected {size} as listed: it changed")


def _copy(address: str, path: str) -> int:
    """Copy by Beam; the bytes."""
    systems = _file_systems(address)
    from apache_beam.io.filesystem import CompressionTypes

    copied = 0
    # As it is: Beam would unpack by the name.
    source = systems.open(address, compression_type=CompressionTypes.UNCOMPRESSED)
    with source, open(path, "xb") as target:
        while chunk := source.read(_CHUNK):
            copied += target.write(chunk)
        target.flush()
        os.fsync(target.fileno())
    return copied


def _match(pattern: str, shown: str) -> list[_Found]:
    """The files that fit a pattern, but for the placeholders of folders; `shown`: the user's path.

    Raises:
      InputError: the place cannot be listed.
    """
    if buckets.is_bucket(pattern):
        return _match_in_bucket(pattern, shown)
    systems = _file_systems(shown)
    try:
        [found] = systems.match([pattern])
    except Exception as error:
        raise InputError(_problem(shown, error)) from error
    listed = [each for each in found.metadata_list if not each.path.endswith("/")]
    times = (each.last_updated_in_seconds or 0.0 for each in listed)
    return [
        _Found(each.path, each.size_in_bytes, changed, repr(changed))
        for each, changed in zip(listed, times, strict=True)
    ]


def _match_in_bucket(pattern: str, shown: str) -> list[_Found]:
    """The objects that fit: a * is anything but a slash. A generation tells one from another."""
    bucket, _ = buckets.split(pattern)
    fits = re.compile("[^/]*".join(map(re.escape, pattern.split("*"))))
    listed = buckets.blobs(pattern.partition("*")[0], shown)
    found = ((f"{buckets.SCHEME}{bucket}/{each.name}", each) for each in listed)
    return [
        _Found(path, int(each.size), each.updated.timestamp(), str(each.generation))
        for path, each in found
        if fits.fullmatch(path)
    ]


def _file_systems(address: str) -> Any:
    """Beam's file systems, once what this address needs is known to be installed.

    Raises:
      InputError: it is not.
    """
    scheme = address.partition("://")[0]
    extra, module = _NEEDS.get(scheme, ("", ""))
    if module and not _installed(module):
        raise InputError(f"{address}: {scheme}:// needs pip install 'apache-beam[{extra}]'")
    from apache_beam.io.filesystems import FileSystems
    from apache_beam.options.pipeline_options import PipelineOptions

    FileSystems.set_options(PipelineOptions([]))  # without any, S3 and Azure refuse to start
    return FileSystems


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of a parent
        return False


def _problem(address: str, error: BaseException) -> str:
    """One line: what could not be reached, and why."""
    text = " ".join(str(error).split())
    if "Unable to get filesystem" in text:
        scheme = address.partition("://")[0]
        return f"{address}: got {scheme}://, expected a scheme that Beam knows, as gs:// and s3://"
    return f"{address}: cannot be read: {text}"
