"""One item ahead: the same items, the same errors, at the same places."""

import threading
from collections.abc import Iterator

import pytest

from components.trainer.ahead import Ahead


def test_gives_the_items_in_order_and_then_none():
    items = Ahead(iter([5, 6, 7]))

    assert [items.next() for _ in range(5)] == [5, 6, 7, None, None]
    items.close()


def test_the_next_item_is_fetched_before_it_is_asked_for():
    fetched = threading.Semaphore(0)

    def counted() -> Iterator[int]:
        for number in range(9):
            fetched.release()
            yield number

    items = Ahead(counted())
    assert items.next() == 0

    assert fetched.acquire(timeout=60)
    assert fetched.acquire(timeout=60), "the second item waits to be asked for"
    items.close()


def test_an_error_is_raised_where_its_item_is_asked_for():
    def broken() -> Iterator[int]:
        yield 1
        raise OSError("row 2 cannot be read")

    items = Ahead(broken())

    assert items.next() == 1
    with pytest.raises(OSError, match="row 2"):
        items.next()
    items.close()
