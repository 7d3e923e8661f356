"""The derived columns that are measured: TFDV knows no distribution of a text's length or words."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.example_gen.columns import Kind
from components.span_check.request import LENGTHS, MISSING, WORDS, Measure


def derive(batch: pa.RecordBatch, measures: Sequence[Measure]) -> pa.RecordBatch:
    """One column a measure, and as many rows.

    Args:
      batch: raw examples, decoded; each column a list a row, null where there is no value.
      measures: what is wanted.
    """
    columns = [_derived(batch.column(each.column), each) for each in measures]
    return pa.RecordBatch.from_arrays(columns, [each.name for each in measures])


def _derived(column: pa.Array, measure: Measure) -> pa.Array:
    counts = pc.fill_null(pc.list_value_length(column), 0)
    once: np.ndarray = np.ones(len(column), np.int64)
    if measure.what == MISSING:
        return _rows(_bytes(pc.if_else(pc.equal(counts, 0), "missing", "there")), once)
    values, is_text = column.flatten(), measure.kind is Kind.TEXT
    if measure.what == LENGTHS:
        lengths = pc.utf8_length(values.cast(pa.large_string())) if is_text else counts
        return _rows(lengths.cast(pa.int64()), once)
    if measure.what == WORDS and is_text:
        words = pc.utf8_split_whitespace(pc.utf8_trim_whitespace(values.cast(pa.large_string())))
        return _rows(_bytes(words.flatten()), pc.list_value_length(words))
    return _rows(values if measure.is_number else _bytes(values), counts)


def _bytes(values: pa.Array) -> pa.Array:
    """As text: ids have no order either."""
    return (
        values if pa.types.is_large_binary(values.type) else _text(values).cast(pa.large_binary())
    )


def _text(values: pa.Array) -> pa.Array:
    return values.cast(pa.large_binary() if pa.types.is_binary(values.type) else pa.large_string())


def _rows(values: pa.Array, counts: np.ndarray | pa.Array) -> pa.Array:
    """Lists of so many of the values each."""
    offsets = np.concatenate([[0], np.cumsum(np.asarray(counts))]).astype(np.int64)
    return pa.LargeListArray.from_arrays(pa.array(offsets), values)
