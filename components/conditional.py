"""Documents that are replaced only by who has seen the last state: compare and swap, in one object or file.

On Google Cloud Storage it is a write under the condition of a generation (`ifGenerationMatch`). Such a
write may be made and its answer lost; sent again, it then fails against itself. Each write therefore
carries a number of its own, and those of the writes that it builds on, in the object's metadata: whoever
finds his own number there has written, also when others have gone on from it meanwhile.

Elsewhere it is for tests: a file under a lock, and TensorFlow's `ram://` within one process.
"""

import contextlib
import fcntl
import hashlib
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from components import buckets, storage
from components.errors import InputError, Passing

ABSENT = "0"  # the token of what is not there
_WRITERS = "tokenline-writers"
_KEPT_WRITERS = 32  # so many writes of others may come between a write and the loss of its answer
_GONE_ON = "1"  # the generation of what others have replaced since: no object has this one
_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)  # seconds
_RAM = "ram://"
_IN_PROCESS = threading.Lock()
Sleep = Callable[[float], Any]
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Document:
    """A document as it was found.

    Attributes:
      content: None where there is none.
      token: of this very state; what `write` wants.
    """

    content: bytes | None
    token: str


def read(address: str, *, sleep: Sleep = time.sleep) -> Document:
    """A document, and the token with which it can be replaced.

    Args:
      address: gs://…, a path of this machine, or ram://….
      sleep: between attempts, where the store is out of reach.

    Raises:
      Passing: it stayed out of reach.
      InputError: it cannot be read, or lies where nothing can be replaced under a condition.
    """
    if buckets.is_bucket(address):
        return _again(lambda: _read_object(address), sleep)
    _check_scheme(address)
    with _IN_PROCESS if address.startswith(_RAM) else contextlib.nullcontext():
        return _read_file(address)


def write(address: str, content: bytes, token: str, *, sleep: Sleep = time.sleep) -> str | None:
    """Replace a document that still has this token, durably.

    Returns:
      Its new token; None: it had another one, and is as it was.

    Raises:
      Passing: the store stayed out of reach: it may have been written or not; `read` tells.
      InputError: it cannot be written.
    """
    if buckets.is_bucket(address):
        writer = secrets.token_hex(8)
        return _again(lambda: _write_object(address, content, token, writer), sleep)
    with _guarded(address):
        if _read_file(address).token != token:
            return None
        try:
            if token != ABSENT and address.startswith(_RAM):
                storage.remove(address)  # else TensorFlow appends
            storage.write_whole(address, lambda file: file.write(content))
        except OSError as error:
            raise InputError(f"{address}: cannot be written: {error.strerror}") from None
        return _digest(content)


def _again(call: Callable[[], _Result], sleep: Sleep) -> _Result:
    """The call, until the store answers."""
    for pause in _PAUSES:
        try:
            return call()
        except Passing:
            sleep(pause)
    return call()


def _read_object(address: str) -> Document:
    from google.api_core import exceptions as api

    with buckets.one_line(address):
        bucket, name = buckets.bucket_of(address)
        while True:
            blob = bucket.get_blob(name, retry=None, timeout=buckets.CALL_SECONDS)
            if blob is None:
                return Document(None, ABSENT)
            try:
                content = blob.download_as_bytes(
                    if_generation_match=blob.generation, retry=None, timeout=buckets.CALL_SECONDS
                )
            except (api.NotFound, api.PreconditionFailed):  # replaced between the two calls
                continue
            return Document(content, _token(blob.generation, _writers(blob)))


def _write_object(address: str, content: bytes, token: str, writer: str) -> str | None:
    from google.api_core import exceptions as api

    generation, *before = token.split()
    writers = [writer, *before][:_KEPT_WRITERS]
    with buckets.one_line(address):
        bucket, name = buckets.bucket_of(address)
        blob = bucket.blob(name)
        blob.metadata = {_WRITERS: " ".join(writers)}
        try:
            blob.upload_from_string(
                content,
                content_type="application/json",
                if_generation_match=int(generation),
                checksum="crc32c",
                retry=None,
                timeout=buckets.CALL_SECONDS,
            )
        except api.PreconditionFailed:
            found = bucket.get_blob(name, retry=None, timeout=buckets.CALL_SECONDS)
            return None if found is None else _written_before(found, writer)
    return _token(blob.generation, writers)


def _written_before(blob: Any, writer: str) -> str | None:
    """The token of an earlier attempt whose answer was lost; None: it is others who have written."""
    writers = _writers(blob)
    if writers[:1] == [writer]:
        return _token(blob.generation, writers)
    return _token(_GONE_ON, writers) if writer in writers else None


def _writers(blob: Any) -> list[str]:
    return str((blob.metadata or {}).get(_WRITERS, "")).split()


def _token(generation: int | str, writers: list[str]) -> str:
    return " ".join([str(generation), *writers])


def _read_file(address: str) -> Document:
    try:
        with storage.opened(address) as file:
            content = file.read()
    except FileNotFoundError:
        return Document(None, ABSENT)
    except OSError as error:
        raise InputError(f"{address}: cannot be read: {error.strerror}") from None
    return Document(content, _digest(content))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _check_scheme(address: str) -> None:
    """
    Raises:
      InputError: nothing can be replaced under a condition there.
    """
    if storage.is_remote(address) and not address.startswith(_RAM):
        scheme = address.partition("://")[0]
        text = "expected gs://, where an object can be replaced under a condition"
        raise InputError(f"{address}: got {scheme}://, {text}")


@contextlib.contextmanager
def _guarded(address: str) -> Iterator[None]:
    """Nobody else replaces the document while the block runs.

    Raises:
      InputError: that cannot be had there.
    """
    _check_scheme(address)
    if address.startswith(_RAM):
        with _IN_PROCESS:
            yield
        return
    try:
        os.makedirs(os.path.dirname(address) or ".", exist_ok=True)
        handle = os.open(f"{address}.lock", os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise InputError(f"{address}: cannot be written: {error.strerror}") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)  # ends with its process, however that ends
        yield
    finally:
        os.close(handle)
