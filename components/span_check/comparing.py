"""How far two sets of rows are apart, by TFDV's comparators; and what is too far."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2
from tensorflow_metadata.proto.v0.statistics_pb2 import DatasetFeatureStatisticsList as Statistics

from components.example_gen.columns import Kind
from components.span_check.request import LENGTHS, VALUES, Checks, Measure

DRIFT, SKEW, ROWS, TRAIN = "drift", "skew", "rows", "train"
_FARTHEST = re.compile(r"maximum difference is: (.*)$", re.DOTALL)


@dataclass(frozen=True)
class Measured:
    """The statistics of one span by split; `name` is what a reader knows it by."""

    name: str
    splits: Mapping[str, Statistics]


@dataclass(frozen=True)
class Finding:
    """One comparison.

    Attributes:
      comparison: drift: with the span before; skew: with the training split.
      span, split: what was compared; `against`: with what.
      column: "" for the number of rows.
      measure: of `request`, or ROWS.
      value: how far apart, 0 to 1; of rows, the ratio; None: not compared.
      limit: of the value; of rows, the smallest ratio.
      passed: whether it is within the limit, or was not compared.
      text: the value that differs most, the numbers of rows, or why there is no comparison.
    """

    comparison: str
    span: str
    split: str
    against: str
    column: str
    measure: str
    value: float | None
    limit: float
    passed: bool
    text: str = ""

    @property
    def key(self) -> str:
        """Of the configuration."""
        ending = f".{self.column}" if self.measure == VALUES else ""
        return f"data.{self.comparison}.{self.measure}{ending}"

    @property
    def problem(self) -> str:
        """What is wrong where it has not passed, in one line."""
        where = f"{self.span}, {self.split} split".removeprefix(", ")
        if self.measure == ROWS:
            return (
                f"{where}: got {self.text} in {self.against}, expected at least {self.limit:g} and "
                f"at most {1 / self.limit:g} times as many ({self.key})"
            )
        what = "values" if self.measure == VALUES else self.measure
        farthest = f", most of all in {self.text!r}" if self.text else ""
        return (
            f"{where}, column {self.column!r}: {what} differ by {self.value:.3f} from "
            f"{self.against}{farthest}, expected at most {self.limit:g} ({self.key})"
        )


def compare(span: Measured, before: Measured | None, checks: Checks) -> list[Finding]:
    """Every comparison of a span.

    Args:
      span: with its splits.
      before: the span before it; None where there is none.
      checks: what is compared.
    """
    found: list[Finding] = []
    if before and DRIFT in checks.min_rows:
        for split, now in span.splits.items():
            then = before.splits.get(split, Statistics())
            pair = _Pair(DRIFT, span.name, split, before.name, now, then)
            found += [*_rows(pair, checks), *_columns(pair, checks)]
    if SKEW in checks.min_rows:
        then = span.splits[TRAIN]
        for split, now in span.splits.items():
            if split != TRAIN:
                pair = _Pair(SKEW, span.name, split, f"the {TRAIN} split", now, then)
                found += _columns(pair, checks)
    return found


@dataclass(frozen=True)
class _Pair:
    """What is compared, and with what."""

    comparison: str
    span: str
    split: str
    against: str
    now: Statistics
    then: Statistics

    @property
    def rows(self) -> tuple[int, int]:
        """Of `now` and of `then`."""
        return _rows_of(self.now), _rows_of(self.then)

    def finding(
        self, column: str, measure: str, value: float | None, limit: float, passed: bool, text: str
    ) -> Finding:
        return Finding(
            self.comparison, self.span, self.split, self.against,
            column, measure, value, limit, passed or value is None, text,
        )  # fmt: skip


def _rows_of(statistics: Statistics) -> int:
    return sum(int(each.num_examples) for each in statistics.datasets)


def _rows(pair: _Pair, checks: Checks) -> Iterator[Finding]:
    """TFDV has a comparator for this too, which does not say the ratio where it is well."""
    now, then = pair.rows
    if checks.rows:
        enough = then >= max(1, checks.min_rows[DRIFT])
        ratio = now / then if enough else None
        passed = checks.rows <= now / max(1, then) <= 1 / checks.rows
        yield pair.finding("", ROWS, ratio, checks.rows, passed, f"{now:,} rows after {then:,}")


def _columns(pair: _Pair, checks: Checks) -> Iterator[Finding]:
    """The columns; where there are few rows, that they were not compared."""
    limits = {each: each.limit(pair.comparison) for each in checks.measures}
    wanted = {each: limit for each, limit in limits.items() if limit is not None}
    fewest, least = min(pair.rows), max(1, checks.min_rows[pair.comparison])
    anomalies = anomalies_pb2.Anomalies()
    reason = f"{fewest:,} rows, fewer than {least:,}"
    if fewest >= least:
        anomalies, reason = _anomalies(pair, wanted), "no value on one side"
    values, farthest = _values(anomalies), _farthest(anomalies)
    for each, limit in wanted.items():
        value = values.get(each.name)
        text = reason if value is None else farthest.get(each.name, "")
        passed = value is None or value <= limit
        yield pair.finding(each.column, each.what, value, limit, passed, text)


def _anomalies(pair: _Pair, limits: Mapping[Measure, float]) -> anomalies_pb2.Anomalies:
    schema = schema_pb2.Schema()
    for each, limit in limits.items():
        feature = schema.feature.add(name=each.name, type=_type(each))
        comparator = getattr(feature, f"{pair.comparison}_comparator")
        if each.is_number:
            comparator.jensen_shannon_divergence.threshold = limit
            # With buckets of one width, a single huge value would put all others into one of them.
            source = comparator.jensen_shannon_divergence.source
            source.type = schema_pb2.HistogramSelection.QUANTILES
        else:
            comparator.infinity_norm.threshold = limit
    other = "previous_statistics" if pair.comparison == DRIFT else "serving_statistics"
    return tfdv.validate_statistics(pair.now, schema, **{other: pair.then})


def _type(measure: Measure) -> int:
    """Without the right one TFDV compares nothing, and says nothing."""
    if not measure.is_number:
        return int(schema_pb2.BYTES)
    is_whole = measure.what == LENGTHS or measure.kind is Kind.INTEGER
    return int(schema_pb2.INT if is_whole else schema_pb2.FLOAT)


def _values(anomalies: anomalies_pb2.Anomalies) -> dict[str, float]:
    """Derived column -> how far apart."""
    return {
        info.path.step[0]: measured.value
        for info in anomalies.drift_skew_info
        for measured in (*info.drift_measurements, *info.skew_measurements)
    }


def _farthest(anomalies: anomalies_pb2.Anomalies) -> dict[str, str]:
    """Derived column -> the value whose share differs most; only where it is too far."""
    found = {}
    for info in anomalies.anomaly_info.values():
        if match := _FARTHEST.search(info.description):
            found[info.path.step[0]] = match[1]
    return found


def problems(findings: Sequence[Finding]) -> list[str]:
    """What is wrong, a line each."""
    return [each.problem for each in findings if not each.passed]
