"""The next item is fetched while the one before it is in use."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Ahead(Generic[Item]):
    """An iterator that is one item ahead of its user, in a thread of its own.

    Making Python objects of a batch takes half a millisecond, which a step need not wait for. What
    fetching raises is raised where that item is asked for.
    """

    def __init__(self, items: Iterator[Item]) -> None:
        self._items = items
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._coming = self._fetch()

    def next(self) -> Item | None:
        """The next item; None after the last."""
        item = self._coming.result()
        self._coming = self._fetch()
        return item

    def close(self) -> None:
        """Let go of the items; the thread ends."""
        self._thread.shutdown()

    def _fetch(self) -> "Future[Item | None]":
        return self._thread.submit(next, self._items, None)
