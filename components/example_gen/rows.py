"""A row as every reader yields it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its values by column name, or why they cannot be read.

    `line` counts from 1: lines for JSONL and CSV (a CSV header is line 1; a row that spans several
    lines has the number of its first), records for TFRecord, rows for Parquet.
    """

    line: int
    values: Mapping[str, Any]
    problem: str = ""
