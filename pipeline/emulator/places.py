"""Where an object store's folders lie on this machine: gs://bucket/x is ROOT/bucket/x."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from components.errors import InputError

STORE = "gs://"
_UNFIT = '"\\\n\r'  # they would have to be escaped in JSON, where roots are put in as they are


@dataclass(frozen=True)
class Places:
    """The folder that stands for the object store.

    Attributes:
      root: an absolute path.
    """

    root: str

    def here(self, text: str) -> str:
        """The text, with what it says of the object store as local paths."""
        return text.replace(STORE, self.root + os.sep)

    def there(self, text: str) -> str:
        """The text, with local paths below the root as they are called in the object store."""
        return text.replace(self.root + os.sep, STORE)

    @property
    def kept(self) -> str:
        """What the emulator itself keeps; no bucket is called so."""
        return os.path.join(self.root, ".emulator")

    def job(self, job: str) -> str:
        """The folder of a job's logs and its record."""
        return os.path.join(self.kept, "jobs", job)


def at(folder: str) -> Places:
    """The places below a folder.

    Raises:
      InputError: its path has a character that would break the JSON that steps are given.
    """
    if not folder:
        raise InputError("--root: got '', expected a folder")
    root = os.path.abspath(folder)
    if found := [each for each in _UNFIT if each in root]:
        raise InputError(f"--root: {folder}: got a path with {found[0]!r}, expected one without")
    return Places(root)


def lay(places: Places, given: Sequence[str]) -> None:
    """Put local data where the pipeline looks for them: a link each, `gs://bucket/x=FOLDER`.

    Raises:
      InputError: it is not of that form, there is no such folder, something else is there already, or
        one place is given twice.
    """
    seen = set()
    for text in given:
        uri, _, folder = text.partition("=")
        if not uri.startswith(STORE) or len(uri) == len(STORE) or not folder:
            raise InputError(f"--data: got {text!r}, expected gs://BUCKET/FOLDER=LOCAL_FOLDER")
        if any(part in (".", "..") for part in uri.split("/")):
            raise InputError(f"--data: got {uri}, expected no '.' or '..' in it")
        if (place := uri.rstrip("/")) in seen:
            raise InputError(f"--data {place}: given twice, expected one folder")
        seen.add(place)
        _link(*_without_patterns(text, uri.rstrip("/"), folder.rstrip("/") or "/"), places)


def _without_patterns(text: str, uri: str, folder: str) -> tuple[str, str]:
    """The folders above what the two have in common from the first {SPAN} or * on."""
    while any(sign in uri + folder for sign in "{*"):
        (uri, last), (folder, same) = os.path.split(uri), os.path.split(folder)
        if last != same or uri in ("", STORE, "gs:/") or not folder:
            raise InputError(
                f"--data: got {text!r}, expected both sides to end in the same pattern"
            )
    return uri, folder


def _link(uri: str, folder: str, places: Places) -> None:
    if not os.path.exists(folder):
        raise InputError(f"--data: {folder}: no such file or folder")
    place, target = places.here(uri), os.path.abspath(folder)
    if os.path.realpath(place) == os.path.realpath(target):
        return
    if os.path.islink(place):
        os.remove(place)
    elif os.path.exists(place):
        raise InputError(f"--data: {uri}: {place} is there already, expected nothing or a link")
    os.makedirs(os.path.dirname(place), exist_ok=True)
    os.symlink(target, place)
