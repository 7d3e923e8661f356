"""The lean Beam pipeline: raw examples in, sums per slice and bucket out, then plain functions.

Per batch of fixed size both models score the same serialized examples; what they give is added into
one array per slice, [G, M, C]: G buckets, M models, C sums (`metrics.SUMS`). Arrays add up to the
same sums whatever the batches, bundles and files were. Nothing in the pipeline raises: what goes
wrong is collected as an incident and judged afterwards, in one line.
"""

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow as tf

from components.errors import InputError
from components.evaluator import metrics, slicing, validation
from components.evaluator.scoring import ModelError, Scorer, check_signature
from components.evaluator.slicing import OVERALL, SliceKey

# What every number is made from: [column, value, sums [G, M, C]] per slice, [kind, text] per
# incident.
SUMS_FILE = "sums.json"

# Kinds of incident.
_CANDIDATE_FAILED, _BASELINE_FAILED, _BAD_SLICE = "candidate_failed", "baseline_failed", "bad_slice"
_NON_FINITE = "non_finite"

# Inside Beam a slice key is a pair (column, value): tuples have a deterministic coder.
_Pair = tuple[str, slicing.SliceValue]


@dataclasses.dataclass(frozen=True)
class EvaluationRequest:
    """What to evaluate: TFRecord patterns of raw examples, SavedModel folders, the rules."""

    example_patterns: tuple[str, ...]
    candidate: str
    baseline: str | None
    output: str
    slices: tuple[str, ...] = ()
    thresholds: tuple[validation.Threshold, ...] = ()
    batch_size: int = 64
    confidence: float = 0.95
    min_tokens: int = 1000

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
          InputError: one is out of range.
        """
        if self.batch_size < 1:
            raise InputError(f"batch_size: got {self.batch_size}, expected at least 1")
        if not 0 < self.confidence < 1:
            raise InputError(f"confidence: got {self.confidence}, expected between 0 and 1")
        if self.min_tokens < 0:
            raise InputError(f"min_tokens: got {self.min_tokens}, expected at least 0")


def parse_splits(text: str) -> tuple[str, ...]:
    """Return the splits of a JSON list of names.

    Raises:
      InputError: not a JSON list of at least one name.
    """
    try:
        splits = json.loads(text)
    except json.JSONDecodeError:
        splits = None
    if not isinstance(splits, list) or not splits or not all(isinstance(s, str) for s in splits):
        raise InputError(f"example_splits: expected a JSON list of split names, got {text!r}")
    return tuple(splits)


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What came out: the reports (overall first) and the verdict."""

    reports: tuple[metrics.SliceReport, ...]
    verdict: validation.Verdict


@dataclasses.dataclass(frozen=True)
class _Sums:
    by_slice: Mapping[SliceKey, metrics.Array]  # [G, M, C]
    incidents: Mapping[str, str]


def evaluate(request: EvaluationRequest, make_pipeline: Callable[[], beam.Pipeline]) -> Evaluation:
    """Score the examples with the candidate and, if it can be used, the baseline; judge them.

    Raises:
      ModelError: the candidate has no proper `score` signature or refuses an example.
      InputError: a slice column is not fit for slicing.
    """
    _check_candidate(request.candidate)
    baseline = _check_baseline(request.baseline)
    models = [request.candidate]
    if baseline.status == validation.BASELINE_USED and request.baseline:
        models.append(request.baseline)
    sums = _collect(request, models, make_pipeline)
    if _CANDIDATE_FAILED in sums.incidents:
        raise ModelError(f"candidate model {sums.incidents[_CANDIDATE_FAILED]}")
    if _BAD_SLICE in sums.incidents:
        raise InputError(sums.incidents[_BAD_SLICE])
    if _BASELINE_FAILED in sums.incidents:
        problem = sums.incidents[_BASELINE_FAILED]
        baseline = validation.Baseline(validation.BASELINE_UNUSABLE, problem)
    return _judge(request, sums, baseline)


def _check_candidate(path: str) -> None:
    try:
        check_signature(path)
    except ModelError as error:
        raise ModelError(f"candidate model {error}") from error


def _check_baseline(path: str | None) -> validation.Baseline:
    if path is None:
        return validation.Baseline()
    try:
        check_signature(path)
    except ModelError as error:
        return validation.Baseline(validation.BASELINE_UNUSABLE, str(error))
    return validation.Baseline(validation.BASELINE_USED)


def _judge(request: EvaluationRequest, sums: _Sums, baseline: validation.Baseline) -> Evaluation:
    if baseline.status == validation.BASELINE_USED:
        baseline = _comparable(sums.by_slice[OVERALL], baseline)
    compared = baseline.status == validation.BASELINE_USED
    reports = tuple(
        metrics.report(
            key,
            sums.by_slice[key][:, 0],
            sums.by_slice[key][:, 1] if compared else None,
            confidence=request.confidence,
        )
        for key in slicing.sorted_slices(list(sums.by_slice), request.slices)
    )
    verdict = validation.decide(
        reports,
        request.thresholds,
        min_tokens=request.min_tokens,
        baseline=baseline,
        non_finite_key=sums.incidents.get(_NON_FINITE, ""),
        notes=_slice_notes(reports, request.slices),
    )
    return Evaluation(reports, verdict)


def _comparable(overall: metrics.Array, baseline: validation.Baseline) -> validation.Baseline:
    """The baseline, unusable if it scores other tokens than the candidate: [G, M, C] sums.

    Then it was made for another task, column, tokenizer or length, or with other weights, and a
    difference of the two losses per token means nothing.
    """
    totals = overall.sum(axis=0)
    for name in ("token_count", "weight_sum"):
        ours, theirs = totals[:, metrics.SUMS.index(name)]
        if not np.isclose(ours, theirs, rtol=1e-6, equal_nan=True):
            problem = f"it scores other tokens: {name} {theirs:.10g} against {ours:.10g}"
            return validation.Baseline(validation.BASELINE_UNUSABLE, problem)
    return baseline


def _slice_notes(reports: Sequence[metrics.SliceReport], columns: Sequence[str]) -> list[str]:
    return [
        f"slice column {column!r} is in no example"
        for column in columns
        if {report.key.value for report in reports if report.key.column == column}
        <= {slicing.MISSING}
    ]


def _collect(
    request: EvaluationRequest, models: Sequence[str], make_pipeline: Callable[[], beam.Pipeline]
) -> _Sums:
    path = os.path.join(request.output, SUMS_FILE)
    tf.io.gfile.makedirs(request.output)
    with make_pipeline() as pipeline:
        examples = [
            pipeline | f"Read[{index}]" >> beam.io.ReadFromTFRecord(pattern)
            for index, pattern in enumerate(request.example_patterns)
        ] | beam.Flatten()
        scored = (
            examples
            | beam.BatchElements(
                min_batch_size=request.batch_size, max_batch_size=request.batch_size
            )
            | beam.ParDo(_ScoreAndAdd(tuple(models), request.slices)).with_outputs(
                _ScoreAndAdd.INCIDENTS, main=_ScoreAndAdd.SUMS
            )
        )
        sums = scored[_ScoreAndAdd.SUMS] | "AddArrays" >> beam.CombinePerKey(_AddArrays())
        incidents = scored[_ScoreAndAdd.INCIDENTS] | "OneOfAKind" >> beam.CombinePerKey(min)
        _ = (
            [sums | beam.MapTuple(lambda pair, array: (*pair, array.tolist())), incidents]
            | "Together" >> beam.Flatten()
            | beam.combiners.ToList()
            | "Write" >> beam.Map(_write_json, path)
        )
    return _read(path, models)


def _write_json(value: object, path: str) -> None:
    with tf.io.gfile.GFile(path, "w") as file:
        json.dump(value, file)


def _read(path: str, models: Sequence[str]) -> _Sums:
    with tf.io.gfile.GFile(path) as file:
        records = json.load(file)
    shape = (metrics.BUCKETS, len(models), len(metrics.SUMS))
    by_slice = {OVERALL: np.zeros(shape)}
    by_slice |= {SliceKey(r[0], r[1]): np.asarray(r[2]) for r in records if len(r) == 3}
    return _Sums(by_slice, {record[0]: record[1] for record in records if len(record) == 2})


class _ScoreAndAdd(beam.DoFn):
    """A batch of serialized examples -> ((column, value), [G, M, C]) and incidents."""

    SUMS, INCIDENTS = "sums", "incidents"

    def __init__(self, models: tuple[str, ...], columns: tuple[str, ...]) -> None:
        self._models = dict(zip((_CANDIDATE_FAILED, _BASELINE_FAILED), models, strict=False))
        self._columns = columns

    def setup(self) -> None:
        self._scorers: dict[str, Scorer] = {}
        self._failures: dict[str, str] = {}
        self._seen: dict[str, set[slicing.SliceValue]] = {column: set() for column in self._columns}
        for kind, path in self._models.items():
            try:
                self._scorers[kind] = Scorer(path)
            except ModelError as error:
                self._failures[kind] = str(error)

    def start_bundle(self) -> None:
        # A bundle can be thrown away and run again, so each tells what it met, once.
        self._told: set[str] = set()

    # Beam takes a narrower annotation for the type of the untagged output alone.
    def process(self, batch: list[bytes]) -> Iterator[Any]:
        # A slice column that is not fit fails the evaluation, so the rest need not be scored.
        if _BAD_SLICE not in self._failures:
            yield from self._score_and_add(batch)
        for kind, text in self._failures.items():
            if kind not in self._told:
                self._told.add(kind)
                yield beam.pvalue.TaggedOutput(self.INCIDENTS, (kind, text))

    def _score_and_add(self, batch: list[bytes]) -> Iterator[Any]:
        digests = [hashlib.blake2b(row, digest_size=16).digest() for row in batch]
        rows = np.stack([self._score(kind, batch, digests) for kind in self._models], axis=1)
        values = self._slice_values(batch, rows[:, 0])
        buckets = np.array([int.from_bytes(digest[:8]) % metrics.BUCKETS for digest in digests])
        non_finite = rows[:, 0, metrics.SUMS.index("non_finite_examples")].astype(bool)
        for index in np.flatnonzero(non_finite):
            yield beam.pvalue.TaggedOutput(self.INCIDENTS, (_NON_FINITE, digests[index].hex()))
        yield from _add_up(rows, buckets, values)

    def _score(self, kind: str, batch: list[bytes], digests: list[bytes]) -> metrics.Array:
        """Return what the examples add to the sums, [B, C]; zeros once the model has failed."""
        if kind not in self._failures:
            try:
                return metrics.sums_of_examples(self._scorers[kind](batch))
            except ModelError as error:
                where = f"in a batch of {len(batch)} that starts with example {digests[0].hex()}"
                self._failures[kind] = f"{error} {where}"
        return np.zeros((len(batch), len(metrics.SUMS)))

    def _slice_values(
        self, batch: list[bytes], candidate: metrics.Array
    ) -> dict[str, list[slicing.SliceValue]]:
        try:
            token_counts = metrics.column(candidate, "token_count")
            values = slicing.slice_values(batch, self._columns, token_counts)
            for column, members in values.items():
                self._seen[column].update(members)
                slicing.check_value_count(column, len(self._seen[column]))
            return values
        except InputError as error:
            self._failures[_BAD_SLICE] = str(error)
            return {}


def _add_up(
    rows: metrics.Array, buckets: np.ndarray, values: Mapping[str, Sequence[slicing.SliceValue]]
) -> Iterator[tuple[_Pair, metrics.Array]]:
    """Add rows [B, M, C] up per slice and bucket."""
    shape = (metrics.BUCKETS, *rows.shape[1:])
    overall = np.zeros(shape)
    np.add.at(overall, buckets, rows)
    yield (OVERALL.column, OVERALL.value), overall
    for column, members in values.items():
        places = {value: place for place, value in enumerate(dict.fromkeys(members))}
        sums = np.zeros((len(places), *shape))
        np.add.at(sums, (np.array([places[value] for value in members]), buckets), rows)
        for value, place in places.items():
            yield (column, value), sums[place]


class _AddArrays(beam.CombineFn):
    def create_accumulator(self) -> metrics.Array | float:
        return 0.0

    def add_input(self, total: metrics.Array | float, array: metrics.Array) -> metrics.Array:
        return total + array

    def merge_accumulators(self, totals: Iterable[metrics.Array | float]) -> metrics.Array | float:
        return sum(totals, start=0.0)

    def extract_output(self, total: metrics.Array | float) -> metrics.Array | float:
        return total
