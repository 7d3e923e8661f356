"""The models of an evaluation: each is loaded once in a process, however many steps need it."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from components import saved_model

_LOADING = threading.Lock()  # of the threads of a worker, one loads, and the others wait for it
_shared: dict[str, Any] | None = None


class ModelError(RuntimeError):
    """A model that cannot be scored: what is wrong with it, and with which model."""


def one_line(error: BaseException) -> str:
    """Return what an exception says, on one line of at most 300 characters."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


@contextlib.contextmanager
def shared() -> Iterator[None]:
    """Within, and within this process, a model stays loaded; at the end all are let go."""
    global _shared
    if _shared is not None:
        yield
        return
    _shared = {}
    try:
        yield
    finally:
        _shared = None


def load(path: str) -> Any:
    """The SavedModel in a folder; within `shared` the one that was loaded before.

    Raises:
      ModelError: it does not load.
    """
    with _LOADING:
        held = {} if _shared is None else _shared
        if path not in held:
            try:
                held[path] = saved_model.load(path)
            except Exception as error:
                raise ModelError(f"{path}: does not load ({one_line(error)})") from error
        return held[path]
