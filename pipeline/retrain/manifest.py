"""`manifest.json` of a span: {"files": {name: {"rows": n, "sha256": hex}}}, held against the files."""

import hashlib
import json
import os
import re
from collections.abc import Collection
from typing import Any

from components.errors import InputError
from components.example_gen.faults import FileFault
from components.example_gen.files import MANIFEST, is_read
from components.example_gen.row_count import row_count

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_FORM = 'expected {"files": {name: {"rows": number, "sha256": 64 hex digits}}}'


class ManifestFault(InputError):
    """The files are not what the manifest says, or it says nothing that can be read."""


def verify(folder: str, read: Collection[str], *, format: str, delimiter: str = ",") -> None:
    """Hold the files of a folder against its manifest, to the byte and to the row.

    Args:
      folder: of one span; without a manifest there is nothing to verify.
      read: the names of the files that are read, all of which it has to list.
      format: one of `files.FORMATS`.
      delimiter: of CSV.

    Raises:
      ManifestFault: it has another form, lacks a file, or a file is another one.
      InputError: a file cannot be read.
    """
    path = os.path.join(folder, MANIFEST)
    if not os.path.exists(path):
        return
    listed = _listed(path)
    unlisted = sorted(set(read) - set(listed))
    if unlisted:
        raise ManifestFault(
            f"{path}: got no entry for {unlisted[0]!r}, expected each file that is read"
        )
    for name, (rows, sha256) in listed.items():
        file = os.path.join(folder, name)
        if not os.path.isfile(file):
            raise ManifestFault(f"{file}: got no such file, expected it as {MANIFEST} lists it")
        if not is_read(name, format):
            raise ManifestFault(f"{path}: got the entry {name!r}, expected {format} files only")
        found = _sha256(file)
        if found != sha256:
            raise ManifestFault(f"{file}: got SHA-256 {found}, expected {sha256} as in {MANIFEST}")
        _check_rows(file, rows, format=format, delimiter=delimiter)


def _check_rows(file: str, rows: int, *, format: str, delimiter: str) -> None:
    try:
        found = row_count(file, format, delimiter)
    except FileFault as fault:
        raise ManifestFault(str(fault)) from fault
    if found != rows:
        raise ManifestFault(f"{file}: got {found} rows, expected {rows} as in {MANIFEST}")


def _listed(path: str) -> dict[str, tuple[int, str]]:
    """File name to its rows and its SHA-256."""
    try:
        with open(path, encoding="utf-8") as file:
            found: Any = json.load(file)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ManifestFault(f"{path}: got no JSON ({error}), {_FORM}") from None
    if (
        not isinstance(found, dict)
        or set(found) != {"files"}
        or not isinstance(found["files"], dict)
    ):
        raise ManifestFault(f"{path}: got another form, {_FORM}")
    if not found["files"]:
        raise ManifestFault(f"{path}: got no file, expected one or more")
    return {name: _entry(path, name, entry) for name, entry in found["files"].items()}


def _entry(path: str, name: str, entry: Any) -> tuple[int, str]:
    where = f"{path}: entry {name!r}"
    if name != os.path.basename(name) or name in ("", ".", ".."):
        raise ManifestFault(f"{where}: got a path, expected the name of a file beside the manifest")
    if not isinstance(entry, dict) or set(entry) != {"rows", "sha256"}:
        raise ManifestFault(f"{where}: got another form, {_FORM}")
    rows, sha256 = entry["rows"], entry["sha256"]
    if type(rows) is not int or rows < 0:
        raise ManifestFault(f"{where}: rows: got {rows!r}, expected a whole number")
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise ManifestFault(f"{where}: sha256: got {sha256!r}, expected 64 hex digits")
    return rows, sha256.lower()


def _sha256(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
