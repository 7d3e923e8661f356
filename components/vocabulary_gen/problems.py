"""What is wrong with rows, and the lines that tell the user."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from components.example_gen.places import Places

SHOWN = 20
KEPT = 1000  # of a shard: windows of one row may have the same problem, and are shown once


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong with one row.

    Attributes:
      row: its position in the batch or shard, from 0.
      reason: the column, what was got and what was expected.
      text: how the row starts.
    """

    row: int
    reason: str
    text: str

    def after(self, rows: int) -> "Problem":
        """The same problem, counted from so many rows before."""
        return replace(self, row=self.row + rows)


def lines(
    problems: Sequence[Problem], *, split: str, places: Places | None, of_all: int
) -> list[str]:
    """A line for each problem of a shard, that names the row by file and line if they are known.

    Windows of one row may have the same problem, which is then one line.

    Args:
      problems: in the order of the rows.
      split: of the shard.
      places: where its rows are from; None for examples of another component.
      of_all: how many rows the shard has.
    """
    if places is None:
        return [f"{split} split, row {each.text!r}: {each.reason}" for each in problems]
    place = places.of({each.row for each in problems}, of_all=of_all)
    return list(dict.fromkeys(f"{place[each.row]}: {each.reason}" for each in problems))
