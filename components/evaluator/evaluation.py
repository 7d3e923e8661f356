"""The lean Beam pipeline: raw examples in, sums per slice and bucket out, then plain functions.

Per batch both models score the same serialized examples; what they give is added into one array
per slice, [G, M, C]: G buckets, M models, C sums (`metrics.SUMS`). Arrays add up to the same sums,
to the bit, whatever the bundles and files were (see `exact`). Nothing in the pipeline raises: what
goes wrong is collected as an incident and judged afterwards, in one line.
"""

import dataclasses
import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow as tf

from components import model_facts
from components.errors import InputError
from components.evaluator import (
    adding,
    combining,
    decoded,
    exact,
    extras,
    metrics,
    ranking,
    slicing,
    validation,
)
from components.evaluator.adding import ScoreAndAdd
from components.evaluator.batches import Limits, ReadBatches
from components.evaluator.blessing import Blessing
from components.evaluator.comparability import Comparability, comparability
from components.evaluator.exact import Array
from components.evaluator.models import ModelError
from components.evaluator.places import places
from components.evaluator.scoring import BY_POSITION, check_signature
from components.evaluator.slicing import OVERALL, SliceKey
from components.evaluator.thresholds import Threshold
from components.evaluator.token_slices import TokenSlices, make_token_slices
from transform.vocabulary import Vocabularies

# What every number is made from: [column, value, sums [G, M, C]] per slice, [kind, text] per
# incident, [table, rows] per table, ["decoded", [sums, problem]], ["tags", kind, name, counts].
SUMS_FILE = "sums.json"
_DECODED, _TAGS = "decoded", "tags"


@dataclasses.dataclass(frozen=True)
class EvaluationRequest:
    """What to evaluate: TFRecord patterns of raw examples, SavedModel folders, the rules.

    `vocabulary` and `ingest_report` are the folders of these artifacts, or "": then tokens have no
    text and no frequency, and examples are named by a hash. `block_rows` and `block_mb` (MiB) limit what is
    held to be sorted by size. `worst` and `samples` are numbers of
    rows; by loss per token only examples of at least `worst_min_tokens` are ranked.
    """

    example_patterns: tuple[str, ...]
    candidate: str
    baseline: str | None
    output: str
    slices: tuple[str, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    blessing: Blessing = dataclasses.field(default_factory=Blessing)
    batch_size: int = 256
    block_rows: int = 16_384
    block_mb: int = 32
    confidence: float = 0.95
    min_tokens: int = 1000
    vocabulary: str = ""
    ingest_report: str = ""
    worst: int = 20
    worst_min_tokens: int = 3
    samples: int = 8
    decode_examples: int = 1000

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
          InputError: one is out of range.
        """
        if not 0 < self.confidence < 1:
            raise InputError(f"confidence: got {self.confidence}, expected between 0 and 1")
        if self.min_tokens < 0:
            raise InputError(f"min_tokens: got {self.min_tokens}, expected at least 0")
        for name, least in (
            ("batch_size", 1),
            ("block_rows", 1),
            ("block_mb", 1),
            ("worst", 0),
            ("worst_min_tokens", 1),
            ("samples", 0),
            ("decode_examples", 0),
        ):
            if (value := getattr(self, name)) < least:
                raise InputError(f"{name}: got {value}, expected at least {least}")

    @property
    def limits(self) -> Limits:
        """Of what is held at once."""
        return Limits(self.batch_size, block_rows=self.block_rows, block_bytes=self.block_mb << 20)

    @property
    def facts(self) -> dict[str, Any]:
        """What the candidate says of itself; {} of a model that does not."""
        return model_facts.read_or_nothing(self.candidate)


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
    """What came out: the reports (overall first), the verdict, and rows of tables by their name.

    `of_task` is `extras.tables`.
    """

    reports: tuple[metrics.SliceReport, ...]
    verdict: validation.Verdict
    tables: Mapping[str, Sequence[Mapping[str, Any]]] = dataclasses.field(default_factory=dict)
    of_task: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class _Sums:
    by_slice: Mapping[SliceKey, Array]  # [G, M, C]
    incidents: Mapping[str, str]
    tables: Mapping[str, list[dict[str, Any]]]
    extras: extras.Found


def evaluate(request: EvaluationRequest, make_pipeline: Callable[[], beam.Pipeline]) -> Evaluation:
    """Score the examples with the candidate and, if it can be used, the baseline; judge them.

    Raises:
      ModelError: the candidate has no proper `score` signature or refuses an example.
      InputError: a slice column is not fit for slicing.
    """
    token_slices = _token_slices(request)
    _check_candidate(request.candidate, BY_POSITION if token_slices.columns else ())
    baseline = _check_baseline(request.baseline)
    models = [request.candidate]
    if baseline.status == validation.BASELINE_USED and request.baseline:
        models.append(request.baseline)
    sums = _collect(request, models, token_slices, make_pipeline)
    if adding.CANDIDATE_FAILED in sums.incidents:
        raise ModelError(f"candidate model {sums.incidents[adding.CANDIDATE_FAILED]}")
    if adding.BAD_SLICE in sums.incidents:
        raise InputError(sums.incidents[adding.BAD_SLICE])
    if adding.BASELINE_FAILED in sums.incidents:
        problem = sums.incidents[adding.BASELINE_FAILED]
        baseline = validation.Baseline(validation.BASELINE_UNUSABLE, problem)
    return _judge(request, sums, baseline)


def _token_slices(request: EvaluationRequest) -> TokenSlices:
    """What tells a token's slices.

    Raises:
      InputError: they need what is not there, or the vocabulary is not the candidate's.
    """
    if not request.vocabulary:
        return make_token_slices(request.slices, None)
    vocabularies = Vocabularies.read(request.vocabulary)
    theirs = request.facts.get("vocabulary_hash", vocabularies.digest)
    if theirs != vocabularies.digest:
        raise InputError(
            f"vocabulary: {request.vocabulary} has the hash {vocabularies.digest[:12]}, expected "
            f"that of the model, {theirs[:12]}"
        )
    return make_token_slices(request.slices, vocabularies["target"])


def _check_candidate(path: str, outputs: Sequence[str]) -> None:
    try:
        check_signature(path, outputs)
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
    between = Comparability()
    if baseline.status == validation.BASELINE_USED:
        overall = sums.by_slice[OVERALL]
        between = comparability(overall[:, 0], overall[:, 1])
        baseline = validation.compared(between)
    compared = baseline.status == validation.BASELINE_USED
    other_tokens = sums.incidents.get(adding.OTHER_TOKENS, "")

    def reports_of(confidence: float) -> tuple[metrics.SliceReport, ...]:
        reports = (
            metrics.report(
                key,
                sums.by_slice[key][:, 0],
                sums.by_slice[key][:, 1] if compared else None,
                confidence=confidence,
                no_baseline=other_tokens if compared and key.is_of_tokens else "",
            )
            for key in slicing.sorted_slices(list(sums.by_slice), request.slices)
        )
        whole = (extras.added(report, sums.extras, confidence) for report in reports)
        return tuple(between.applied_to(report) for report in whole)

    reports = reports_of(request.confidence)
    verdict = validation.decide(
        # The verdict has a level of its own, and its bounds are one-sided.
        reports_of(request.blessing.confidence),
        request.thresholds,
        blessing=request.blessing,
        min_tokens=request.min_tokens,
        baseline=baseline,
        target_ids=model_facts.target_ids(request.facts),
        non_finite_key=sums.incidents.get(adding.NON_FINITE, ""),
        notes=_slice_notes(reports, request.slices),
    )
    tables = _with_keys(request, sums.tables)
    return Evaluation(reports, verdict, tables, extras.tables(sums.extras))


def _with_keys(
    request: EvaluationRequest, tables: Mapping[str, list[dict[str, Any]]]
) -> dict[str, list[dict[str, Any]]]:
    """The tables of examples with what the examples' owner calls them."""
    digests = {row["digest"] for rows in tables.values() for row in rows if "digest" in row}
    known = places(digests, request.example_patterns, request.ingest_report)

    def named(row: dict[str, Any]) -> dict[str, Any]:
        if "digest" not in row:
            return row
        rest = {name: value for name, value in row.items() if name != "digest"}
        return {"key": known.get(row["digest"], row["digest"])} | rest

    return {table: [named(row) for row in rows] for table, rows in tables.items()}


def _slice_notes(reports: Sequence[metrics.SliceReport], columns: Sequence[str]) -> list[str]:
    return [
        f"slice column {column!r} is in no example"
        for column in columns
        if {report.key.value for report in reports if report.key.column == column}
        <= {slicing.MISSING}
    ]


def _collect(
    request: EvaluationRequest,
    models: Sequence[str],
    token_slices: TokenSlices,
    make_pipeline: Callable[[], beam.Pipeline],
) -> _Sums:
    path = os.path.join(request.output, SUMS_FILE)
    tf.io.gfile.makedirs(request.output)
    limits = ranking.Limits(request.worst, request.worst_min_tokens, request.samples)
    task = request.facts.get("task")
    texts = token_slices.texts if task == "tagging" else ()
    plan = adding.Plan(tuple(models), request.slices, token_slices, limits, texts)
    with make_pipeline() as pipeline:
        batches = pipeline | ReadBatches(request.example_patterns, request.limits)
        scored = batches | beam.ParDo(ScoreAndAdd(plan)).with_outputs(
            ScoreAndAdd.INCIDENTS,
            ScoreAndAdd.TABLES,
            ScoreAndAdd.TOKENS,
            ScoreAndAdd.TAGS,
            main=ScoreAndAdd.SUMS,
        )
        records = _records(scored, plan, ranking.columns_of(request.facts))
        if task == "seq2seq" and request.decode_examples:
            sample = decoded.DecodeSample(models, request.decode_examples)
            records.append(
                batches
                | "Examples" >> beam.FlatMap(lambda batch: batch)
                | sample
                | "Decoded" >> beam.Map(lambda result: (_DECODED, list(result)))
            )
        _ = (
            records
            | "Together" >> beam.Flatten()
            | beam.combiners.ToList()
            | "Write" >> beam.Map(_write_json, path)
        )
    return _read(path, models)


def _records(scored: Any, plan: adding.Plan, columns: Mapping[str, str]) -> list[beam.PCollection]:
    """What is written to `sums.json`, in several collections."""
    sums = scored[ScoreAndAdd.SUMS] | "AddArrays" >> beam.CombinePerKey(combining.AddArrays())
    incidents = scored[ScoreAndAdd.INCIDENTS] | "OneOfAKind" >> beam.CombinePerKey(min)
    texts, limits = plan.token_slices.texts, plan.limits
    records = [sums | "Sums" >> beam.MapTuple(lambda pair, found: (*pair, _listed(found)))]
    records.append(incidents)
    if limits.worst or limits.samples:
        most = max(limits.worst, limits.samples)
        rows = scored[ScoreAndAdd.TABLES] | "First" >> beam.CombinePerKey(combining.First(most))

        def told(table: str, found: list[combining.Ranked]) -> tuple[str, list[dict[str, Any]]]:
            first = found[: limits.of(table)]
            return table, [ranking.told(each, columns, texts) for each in first]

        records.append(rows | "Told" >> beam.MapTuple(told))
    if limits.worst:
        tokens = scored[ScoreAndAdd.TOKENS] | "AddTokens" >> beam.CombinePerKey(combining.AddRows())
        worst = beam.MapTuple(
            lambda _, found: (ranking.TOKENS, ranking.worst_tokens(found, texts, limits))
        )
        records.append(tokens | "Worst" >> worst)
    if plan.tags:
        counts = scored[ScoreAndAdd.TAGS] | "AddTags" >> beam.CombinePerKey(combining.AddArrays())
        listed = beam.MapTuple(lambda key, found: (_TAGS, *key, found.tolist()))
        records.append(counts | "Tags" >> listed)
    return records


def _listed(array: Array) -> list[Any]:
    """Sums [..., 2] as nested lists [...]."""
    listed: list[Any] = exact.joined(array).tolist()
    return listed


def _write_json(value: object, path: str) -> None:
    with tf.io.gfile.GFile(path, "w") as file:
        file.write(json.dumps(value))  # `dump` encodes in Python, piece by piece


def _read(path: str, models: Sequence[str]) -> _Sums:
    with tf.io.gfile.GFile(path) as file:
        records = json.load(file)
    shape = (metrics.BUCKETS, len(models), len(metrics.SUMS))
    by_slice = {OVERALL: np.zeros(shape)}
    by_slice |= {SliceKey(r[0], r[1]): np.asarray(r[2]) for r in records if len(r) == 3}
    told = dict(record for record in records if len(record) == 2)
    found, problem = told.pop(_DECODED, (None, ""))
    incidents = {kind: each for kind, each in told.items() if isinstance(each, str)}
    return _Sums(
        by_slice,
        incidents,
        {table: rows for table, rows in told.items() if table not in incidents},
        extras.Found(
            np.asarray(found) if found else None,
            problem,
            {(r[1], r[2]): np.asarray(r[3]) for r in records if len(r) == 4},
        ),
    )
