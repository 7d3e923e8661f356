"""One file's rows, each read and checked: what ingesting and the quick check before it share."""

from collections.abc import Iterator
from dataclasses import dataclass

from components.example_gen.columns import CellError, Checked, RowError, check_row
from components.example_gen.files import InputFile
from components.example_gen.readers import read_rows
from components.example_gen.request import IngestRequest


@dataclass(frozen=True, slots=True)
class CheckedRow:
    """A good row with its values, or a bad one with the reason."""

    line: int
    values: Checked
    extra: frozenset[str] = frozenset()
    problem: str = ""


def checked_rows(file: InputFile, request: IngestRequest) -> Iterator[CheckedRow]:
    """Yield every row of the file in order; `extra` names its columns that are not configured.

    Raises:
      FileFault: the file cannot be used at all, or not from some row on.
    """
    columns, aligned = request.columns, request.aligned
    names = {column.name for column in columns}
    none: frozenset[str] = frozenset()
    rows = read_rows(file.path, format=request.format, columns=columns, delimiter=request.delimiter)
    for row in rows:
        extra = none if row.values.keys() <= names else frozenset(row.values.keys() - names)
        if row.problem:
            yield CheckedRow(row.line, [], extra, row.problem)
            continue
        try:
            values = check_row(row.values, columns=columns, aligned=aligned)
        except (CellError, RowError) as error:
            yield CheckedRow(row.line, [], extra, str(error))
        else:
            yield CheckedRow(row.line, values, extra)
