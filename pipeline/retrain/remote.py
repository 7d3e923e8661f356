"""Any file system that Beam knows (gs://, s3://, …): listing spans, copying files. Beam on first use."""

import importlib.util
import os
from typing import Any

from components.errors import InputChanged, InputError
from components.example_gen import files
from pipeline.retrain.looking import Entry, Seen, twice

_NEEDS = {  # scheme: Beam's extra, and a module that it brings
    "gs": ("gcp", "google.cloud.storage"),
    "s3": ("aws", "boto3"),
    "azfs": ("azure", "azure.storage.blob"),
    "hdfs": ("hadoop", "hdfs"),
}
_CHUNK = 1 << 20


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


def _entry(found: Any) -> Entry:
    changed = found.last_updated_in_seconds or 0.0
    return Entry(os.path.basename(found.path), found.size_in_bytes, changed, repr(changed))


def copy(address: str, path: str, size: int) -> None:
    """Copy a remote file to a new file of this machine, which is on its disk when this returns.

    Raises:
      InputChanged: it has another size by now.
      InputError: it cannot be read.
    """
    from apache_beam.io.filesystem import CompressionTypes

    systems = _file_systems(address)
    copied = 0
    try:
        # As it is: Beam would unpack by the name.
        plain = CompressionTypes.UNCOMPRESSED
        source = systems.open(address, compression_type=plain)
        with source, open(path, "xb") as target:
            while chunk := source.read(_CHUNK):
                copied += target.write(chunk)
            target.flush()
            os.fsync(target.fileno())
    except Exception as error:
        if isinstance(error, OSError) and error.filename == path:
            raise InputError(f"{path}: cannot be written: {error.strerror}") from error
        raise InputError(_problem(address, error)) from error
    if copied != size:
        raise InputChanged(f"{address}: got {copied} bytes, expected {size} as listed: it changed")


def _match(pattern: str, shown: str) -> list[Any]:
    """The files that fit a pattern, but for the placeholders of folders; `shown`: the user's path.

    Raises:
      InputError: the place cannot be listed.
    """
    systems = _file_systems(shown)
    try:
        [found] = systems.match([pattern])
    except Exception as error:
        raise InputError(_problem(shown, error)) from error
    return [each for each in found.metadata_list if not each.path.endswith("/")]


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
