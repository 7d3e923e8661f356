"""Google Cloud Storage through its own client: what has to be quick, conditional or without TensorFlow.

What a component reads and writes goes through `components.storage`. This is for whoever only looks: a process
that starts often, or one that must know that nobody else has written meanwhile.
"""

import contextlib
import functools
import os
import threading
from collections.abc import Iterator
from typing import Any

from components.errors import InputError, Passing

SCHEME = "gs://"
CALL_SECONDS = 60.0
_EMULATOR = "STORAGE_EMULATOR_HOST"  # Google's client looks there itself
_LONGEST = 300
_LOG_IN = "expected credentials: `gcloud auth application-default login`, or a service account's"
_ADVICE = {
    401: _LOG_IN,
    403: "expected an account that may do this: roles/storage.objectAdmin for the bucket",
}


def is_bucket(address: str) -> bool:
    """Whether an address is one of Google Cloud Storage."""
    return address.startswith(SCHEME)


def split(address: str) -> tuple[str, str]:
    """Bucket and object of an address.

    Raises:
      InputError: it names no bucket.
    """
    bucket, _, name = address.removeprefix(SCHEME).partition("/")
    if not is_bucket(address) or not bucket:
        raise InputError(f"{address}: got no bucket, expected {SCHEME}<bucket>/<object>")
    return bucket, name


def bucket_of(address: str) -> tuple[Any, str]:
    """The client's bucket and the object's name; to be called within `one_line`."""
    bucket, name = split(address)
    client = _client(os.environ.get(_EMULATOR, ""), threading.get_ident())
    return client.bucket(bucket), name


@functools.lru_cache(maxsize=16)
def _client(emulator: str, thread: int) -> Any:
    """A client of one thread: its connections are not made for two."""
    del emulator, thread
    from google.cloud import storage

    return storage.Client(project=None)  # objects are in no project


@contextlib.contextmanager
def one_line(address: str) -> Iterator[None]:
    """Make one line of what Google's client raises.

    Raises:
      Passing: the store is out of reach, or asks to wait: the same call may succeed later.
      InputError: it refuses.
    """
    import requests
    from google.api_core import exceptions as api
    from google.auth import exceptions as auth

    try:
        yield
    except (
        api.ServerError,
        api.TooManyRequests,
        api.RetryError,
        auth.TransportError,
        requests.exceptions.RequestException,
        ConnectionError,
    ) as error:
        raise Passing(f"{address}: out of reach: {_text(error)}; it may be tried again") from error
    except api.NotFound as error:
        raise InputError(f"{address}: no such bucket or object: {_text(error)}") from error
    except api.GoogleAPICallError as error:
        advice = _ADVICE.get(int(error.code or 0), "")
        raise InputError(f"{address}: {_text(error)}{'; ' * bool(advice)}{advice}") from error
    except auth.GoogleAuthError as error:
        raise InputError(f"{address}: {_text(error)}; {_LOG_IN}") from error


def blobs(prefix: str, shown: str = "") -> list[Any]:
    """The client's blobs whose addresses begin so, by name; nothing that stands for a folder.

    Raises:
      Passing, InputError: as `one_line` has them, with `shown` for the address where it is given.
    """
    with one_line(shown or prefix):
        bucket, name = bucket_of(prefix)
        found = list(bucket.list_blobs(prefix=name, timeout=CALL_SECONDS))
    return [each for each in found if not each.name.endswith("/")]


def content(address: str) -> bytes | None:
    """An object's content; None: there is no such object.

    Raises:
      Passing, InputError: as `one_line` has them.
    """
    from google.api_core import exceptions as api

    with one_line(address):
        bucket, name = bucket_of(address)
        try:
            return bytes(bucket.blob(name).download_as_bytes(timeout=CALL_SECONDS))
        except api.NotFound:
            return None


def is_there(address: str) -> bool:
    """Whether there is such an object.

    Raises:
      Passing, InputError: as `one_line` has them.
    """
    with one_line(address):
        bucket, name = bucket_of(address)
        return bool(bucket.blob(name).exists(timeout=CALL_SECONDS))


def copy(address: str, path: str) -> int:
    """Copy an object to a new file of this machine, which is on its disk when this returns; its bytes.

    Raises:
      Passing, InputError: as `one_line` has them.
      OSError: the file cannot be written.
    """
    with open(path, "xb") as file:
        with one_line(address):
            bucket, name = bucket_of(address)
            # As it lies there: the client would unpack what is stored as gzip.
            bucket.blob(name).download_to_file(file, raw_download=True, timeout=CALL_SECONDS)
        file.flush()
        os.fsync(file.fileno())
        return file.tell()


def _text(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
