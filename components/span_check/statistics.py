"""TFDV's statistics of single spans: each shard that ExampleGen writes is of one span and split."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import pyarrow as pa
import tensorflow as tf
import tfx.components  # noqa: F401  (before TFDV, also where Beam unpickles this in a worker)

import tensorflow_data_validation as tfdv  # isort: skip
from tensorflow_data_validation.statistics import stats_impl  # isort: skip
from tensorflow_metadata.proto.v0 import schema_pb2  # isort: skip
from tfx_bsl.coders import example_coder  # isort: skip

from components import shards
from components.example_gen.columns import Kind
from components.span_check.comparing import Statistics
from components.span_check.derived import derive
from components.span_check.request import Measure

_FILE = "FeatureStats.pb"  # as StatisticsGen calls it
_BUCKETS = 10
_BATCH = 1000  # rows
_TYPES = {
    **dict.fromkeys((Kind.TEXT, Kind.TEXT_LIST), schema_pb2.BYTES),
    **dict.fromkeys((Kind.ID_LIST, Kind.INTEGER), schema_pb2.INT),
}
_Part = tuple[int, str]  # span, split


def measure(
    pipeline: beam.Pipeline,
    report: Sequence[Mapping[str, Any]],
    measures: Sequence[Measure],
    *,
    examples: str,
    folder: str,
) -> None:
    """Write the statistics of each span and split, for `read`.

    Args:
      pipeline: that does it when it runs.
      report: the shards of ExampleGen's report that are of the wanted spans.
      measures: of which columns.
      examples: the folder that the shards are in.
      folder: to write into; that of a span is `span_folder`.
    """
    paths = [
        ((shard["span"], shard["split"]), os.path.join(examples, shard["name"])) for shard in report
    ]
    _ = (
        pipeline
        | beam.Create(paths)
        | beam.Reshuffle()
        | "Read" >> beam.FlatMap(_derived, measures)
        | "Measure" >> beam.CombinePerKey(_Statistics())
        | "Write" >> beam.Map(_write, folder)
    )


def _derived(
    shard: tuple[_Part, str], measures: Sequence[Measure]
) -> Iterator[tuple[_Part, pa.RecordBatch]]:
    """The derived columns of a shard."""
    part, path = shard
    schema = schema_pb2.Schema()
    for column, kind in {each.column: each.kind for each in measures}.items():
        schema.feature.add(name=column, type=_TYPES.get(kind, schema_pb2.FLOAT))
    decoder = example_coder.ExamplesToRecordBatchDecoder(schema.SerializeToString())
    for rows in shards.batches(path, _BATCH):
        yield part, derive(decoder.DecodeBatch(rows.numpy().tolist()), measures)


class _Statistics(beam.CombineFn):
    """TFDV's generators, in the variants that keep no table of all words.

    TFDV's own transform is a graph of its own for each set of statistics, which takes longer to start than
    a small span takes to measure.
    """

    def setup(self) -> None:
        options = tfdv.StatsOptions(num_quantiles_histogram_buckets=_BUCKETS)
        self._generators = stats_impl.get_generators(options, in_memory=True)

    def create_accumulator(self) -> list[Any]:
        return [each.create_accumulator() for each in self._generators]

    def add_input(self, found: list[Any], batch: pa.RecordBatch) -> list[Any]:
        return [
            each.add_input(one, batch) for each, one in zip(self._generators, found, strict=True)
        ]

    def merge_accumulators(self, several: Iterable[list[Any]]) -> list[Any]:
        columns = zip(*several, strict=True)
        pairs = zip(self._generators, columns, strict=True)
        return [each.merge_accumulators(iter(found)) for each, found in pairs]

    def compact(self, found: list[Any]) -> list[Any]:
        return [each.compact(one) for each, one in zip(self._generators, found, strict=True)]

    def extract_output(self, found: list[Any]) -> bytes:
        statistics = stats_impl.extract_statistics_output(found, self._generators)
        return bytes(statistics.SerializeToString())


def _write(found: tuple[_Part, bytes], folder: str) -> None:
    (span, split), statistics = found
    path = _path(span_folder(folder, span), split)
    tf.io.gfile.makedirs(os.path.dirname(path))
    with tf.io.gfile.GFile(path, "wb") as file:
        file.write(statistics)


def span_folder(folder: str, span: int) -> str:
    """Where `measure` writes what it finds in a span."""
    return os.path.join(folder, f"span-{span}")


def read(folder: str, splits: Iterable[str]) -> dict[str, Statistics]:
    """The statistics of each split; those of no row where there is no file."""
    found = {}
    for split in splits:
        found[split] = Statistics()
        if tf.io.gfile.exists(_path(folder, split)):
            with tf.io.gfile.GFile(_path(folder, split), "rb") as file:
                found[split] = Statistics.FromString(file.read())
    return found


def move(folder: str, into: str, splits: Iterable[str]) -> None:
    """Move the statistics of each split that has some, to stay."""
    for split in splits:
        if tf.io.gfile.exists(_path(folder, split)):
            tf.io.gfile.makedirs(os.path.dirname(_path(into, split)))
            tf.io.gfile.rename(_path(folder, split), _path(into, split))


def _path(folder: str, split: str) -> str:
    return os.path.join(folder, f"Split-{split}", _FILE)
