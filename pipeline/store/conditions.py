"""Which rows of a metadata store are wanted: asked by a query, where ml_metadata answers queries.

Its 1.21 has no `filter_query` any more ("ZetaSQL dependency removed"); that is the one for Python 3.12 and
later. There all rows are read, and looked through here. With a query the time of a question does not grow
with the pipeline's history; without one it does.
"""

import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ml_metadata.errors import UnimplementedError
from ml_metadata.metadata_store import ListOptions, OrderByField
from ml_metadata.proto import metadata_store_pb2

_PAGE = 100  # as ml_metadata's client reads
_TO_ESCAPE = re.compile(r"""['"\\\n]+""")
_answers_queries = True  # until it says that it does not

Read = Callable[[ListOptions], list[Any]]  # of artifacts or executions


@dataclass(frozen=True)
class Condition:
    """What a row has to be: as a query, which may let more pass, and as it is."""

    query: str
    holds: Callable[[Any], bool]

    def __and__(self, other: "Condition") -> "Condition":
        return Condition(
            f"{self.query} AND {other.query}", lambda row: self.holds(row) and other.holds(row)
        )


LIVE = Condition("state = LIVE", lambda row: row.state == metadata_store_pb2.Artifact.LIVE)
RUNNING = Condition(
    "last_known_state IN (NEW, RUNNING)",
    lambda row: (
        row.last_known_state
        in (metadata_store_pb2.Execution.NEW, metadata_store_pb2.Execution.RUNNING)
    ),
)


def of_type(name: str) -> Condition:
    """Artifacts of a type."""
    return Condition(f"type = '{name}'", lambda row: row.type == name)


def since(number: int) -> Condition:
    """The row with this id and those after it."""
    return Condition(f"id >= {number}", lambda row: row.id >= number)


def number(name: str, *values: int) -> Condition:
    """Those that have a property with one of these numbers; what lacks it has none."""
    texts = ", ".join(map(str, sorted(values)))
    return Condition(
        f"custom_properties.{name}.int_value IN ({texts})",
        lambda row: (
            name in row.custom_properties and row.custom_properties[name].int_value in values
        ),
    )


def text(name: str, value: str) -> Condition:
    """Those of which a property has this text."""
    # ml_metadata's quoting is not that of every database (a " ends the text for PostgreSQL): what would be
    # escaped is left open.
    pattern = _TO_ESCAPE.sub("%", value)
    return Condition(
        f"custom_properties.{name}.string_value LIKE '{pattern}'",
        lambda row: (
            name in row.custom_properties and row.custom_properties[name].string_value == value
        ),
    )


def find(read: Read, condition: Condition) -> list[Any]:
    """All rows that meet a condition, by ascending ids.

    Args:
      read: reads rows as options ask for them.
      condition: of the rows.
    """
    options = ListOptions(filter_query=condition.query, order_by=OrderByField.ID)
    found = asked(functools.partial(read, options))
    if found is None:
        found = read(ListOptions(order_by=OrderByField.ID))
    return [row for row in found if condition.holds(row)]


def newest_first(read: Read, condition: Condition) -> Iterator[Any]:
    """The same, by descending ids; with a query, no more are read than are looked at, but for a page."""
    before = ""
    while True:
        options = ListOptions(
            limit=_PAGE,
            filter_query=condition.query + before,
            order_by=OrderByField.ID,
            is_asc=False,
        )
        found = asked(functools.partial(read, options))
        if found is None:
            rows = read(ListOptions(order_by=OrderByField.ID, is_asc=False))
            yield from (row for row in rows if condition.holds(row))
            return
        yield from (row for row in found if condition.holds(row))
        if len(found) < _PAGE:
            return
        before = f" AND id < {found[-1].id}"


def asked(question: Callable[[], list[Any]]) -> list[Any] | None:
    """The answer to a question with a query; None: ml_metadata does not answer queries."""
    global _answers_queries
    if not _answers_queries:
        return None
    try:
        return question()
    except UnimplementedError:
        _answers_queries = False
        return None
