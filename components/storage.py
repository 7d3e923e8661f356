"""Files and folders, here or at an address that TensorFlow's file systems know: gs://, hdfs:// and so on.

For a path of this machine nothing of TensorFlow is loaded. What goes wrong is an OSError at both.
An object store has no folders and no rename; but an object appears only when its writer closes it, so that
`write_whole` holds everywhere.
"""

import contextlib
import errno
import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, Any

# What a file is called while `write_whole` writes it on this machine.
UNFINISHED = ".writing"
_CHUNK = 1 << 20  # bytes
_ASKED_AT_ONCE = 16  # of what a remote store needs a request each


@dataclass(frozen=True, order=True)
class Entry:
    """What lies in a folder: a file, of so many bytes, a folder, or neither, as a link to nothing."""

    name: str
    is_file: bool = False
    is_folder: bool = False
    size: int = 0


def is_remote(path: str) -> bool:
    """Whether a path is an address of another file system."""
    return "://" in path


def opened(path: str) -> io.BufferedReader:
    """A file to read, with all that Python's own files can do.

    Raises:
      OSError: it is not there, or cannot be read; of a remote one also later, by reading.
    """
    if is_remote(path):
        return io.BufferedReader(_RemoteFile(path), _CHUNK)
    return open(path, "rb")


def entries(folder: str) -> list[Entry]:
    """What lies in a folder, by name.

    Raises:
      FileNotFoundError: there is no such folder.
      OSError: it cannot be listed.
    """
    if not is_remote(folder):
        with os.scandir(folder) as found:
            return sorted(map(_entry, found))
    if not is_folder(folder):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), folder)
    with _gfile(folder) as gfile:
        names = sorted(filter(None, gfile.listdir(folder)))
    with ThreadPoolExecutor(_ASKED_AT_ONCE, thread_name_prefix="entries") as pool:
        return sorted(pool.map(lambda name: _remote_entry(folder, name), names))


def names(folder: str) -> list[str]:
    """The names of what lies in a folder, in order; [] where there is no folder."""
    if not is_folder(folder):
        return []
    if not is_remote(folder):
        return sorted(os.listdir(folder))
    with _gfile(folder) as gfile:
        return sorted(filter(None, (name.rstrip("/") for name in gfile.listdir(folder))))


def walk(folder: str) -> Iterator[tuple[str, list[str], list[str]]]:
    """As `os.walk`."""
    if not is_remote(folder):
        yield from os.walk(folder)
        return
    with _gfile(folder) as gfile:
        yield from gfile.walk(folder)


def is_folder(path: str) -> bool:
    """Whether there is such a folder."""
    if not is_remote(path):
        return os.path.isdir(path)
    found = _remote_facts(path)
    return found is not None and bool(found.is_directory)


def is_file(path: str) -> bool:
    """Whether there is such a file."""
    if not is_remote(path):
        return os.path.isfile(path)
    found = _remote_facts(path)
    return found is not None and not found.is_directory


def size(path: str) -> int:
    """Bytes of a file."""
    if not is_remote(path):
        return os.path.getsize(path)
    with _gfile(path) as gfile:
        return int(gfile.stat(path).length)


def write_whole(path: str, write: Callable[[IO[bytes]], Any]) -> None:
    """Write a file, and the folders that it is in: a reader sees all of it or nothing.

    Args:
      path: on this machine it is on the disk when this returns.
      write: is given a new file of this machine, which can be read and moved about in as well.

    Raises:
      OSError: it cannot be written; what was there before still is.
    """
    if is_remote(path):
        _upload(path, write)
        return
    folder, unfinished = os.path.dirname(path), path + UNFINISHED
    os.makedirs(folder or ".", exist_ok=True)
    try:
        with open(unfinished, "wb+") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.remove(unfinished)
        raise
    _sync(folder or ".")


def remove(path: str) -> None:
    """Remove a file."""
    if not is_remote(path):
        os.remove(path)
        return
    with _gfile(path) as gfile:
        gfile.remove(path)


def remove_folder(folder: str) -> None:
    """Remove a folder and all that is in it, if it is there."""
    with contextlib.suppress(FileNotFoundError):
        if not is_remote(folder):
            shutil.rmtree(folder)
            return
        with _gfile(folder) as gfile:
            gfile.rmtree(folder)


class _RemoteFile(io.RawIOBase):
    """A remote file to read, as Python's own files are."""

    def __init__(self, path: str) -> None:
        self._path = path
        with _gfile(path) as gfile:
            self._file = gfile.GFile(path, "rb")
            self._file.seek(0)  # which opens it

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        with _gfile(self._path):
            found = self._file.read(len(view))
        view[: len(found)] = found
        return len(found)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        with _gfile(self._path):
            self._file.seek(offset, whence)
        return self.tell()

    def tell(self) -> int:
        return int(self._file.tell())

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


@contextlib.contextmanager
def _gfile(path: str) -> Iterator[Any]:
    """TensorFlow's files; what they raise is an OSError about this path."""
    import tensorflow as tf  # heavy, and only it reads what is not on this machine

    try:
        yield tf.io.gfile
    except tf.errors.NotFoundError as error:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from error
    except tf.errors.OpError as error:
        reason = " ".join(str(error.message).split())
        raise OSError(errno.EIO, reason or type(error).__name__, path) from error


def _remote_facts(path: str) -> Any:
    """TensorFlow's `FileStatistics`; None: there is no such thing.

    Its own `isdir` says no to whatever goes wrong.
    """
    try:
        with _gfile(path) as gfile:
            return gfile.stat(path)
    except FileNotFoundError:
        return None


def _entry(found: os.DirEntry[str]) -> Entry:
    if not found.is_file():
        return Entry(found.name, is_folder=found.is_dir())
    try:
        return Entry(found.name, is_file=True, size=found.stat().st_size)
    except FileNotFoundError:  # removed meanwhile
        return Entry(found.name)


def _remote_entry(folder: str, name: str) -> Entry:
    if name.endswith("/"):  # an object store says so itself
        return Entry(name.rstrip("/"), is_folder=True)
    path = os.path.join(folder, name)
    with _gfile(path) as gfile:
        found = gfile.stat(path)
    if found.is_directory:
        return Entry(name, is_folder=True)
    return Entry(name, is_file=True, size=int(found.length))


def _upload(path: str, write: Callable[[IO[bytes]], Any]) -> None:
    """Write to a file without a name first: where `write` fails, nothing has been sent."""
    with tempfile.TemporaryFile(prefix="tokenline-") as scratch:
        write(scratch)
        scratch.seek(0)
        with _gfile(path) as gfile:
            gfile.makedirs(os.path.dirname(path))
            with gfile.GFile(path, "wb") as file:
                file.write(b"")  # what nothing is written to is not there
                while chunk := scratch.read(_CHUNK):
                    file.write(chunk)


def _sync(folder: str) -> None:
    """Make a rename in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
