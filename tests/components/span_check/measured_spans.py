"""Spans of made-up rows, measured as SpanCheck does but without Beam."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import tensorflow_data_validation as tfdv
from tensorflow_data_validation.statistics import stats_impl

from components.example_gen.columns import Kind
from components.span_check.comparing import Measured
from components.span_check.derived import derive
from components.span_check.request import Measure

TYPES = {
    Kind.TEXT: pa.large_binary(),
    Kind.TEXT_LIST: pa.large_binary(),
    Kind.ID_LIST: pa.int64(),
    Kind.INTEGER: pa.int64(),
    Kind.NUMBER: pa.float32(),
}
Rows = Sequence[Any]


def batch(columns: Mapping[str, tuple[Kind, Rows]]) -> pa.RecordBatch:
    """As TFX decodes raw examples: each value a list, None where there is none."""
    arrays = [
        pa.array([_listed(value) for value in rows], pa.large_list(TYPES[kind]))
        for kind, rows in columns.values()
    ]
    return pa.RecordBatch.from_arrays(arrays, list(columns))


def _listed(value: Any) -> Any:
    return value if value is None or isinstance(value, list) else [value]


def measured(name: str, rows: Rows, measure: Measure, **more: Rows) -> Measured:
    """A span with these rows in its training split, and with further splits."""
    options = tfdv.StatsOptions(num_quantiles_histogram_buckets=10)
    splits = {}
    for split, found in {"train": rows, **more}.items():
        derived = derive(batch({measure.column: (measure.kind, found)}), [measure])
        splits[split] = stats_impl.generate_statistics_in_memory(derived, options)
    return Measured(name, splits)
