"""The one step that sees examples: a batch in, its sums, its worst and its incidents out."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import apache_beam as beam
import numpy as np

from components.errors import InputError
from components.evaluator import exact, identity, metrics, ranking, slicing, tags
from components.evaluator.exact import Array, Ints
from components.evaluator.models import ModelError
from components.evaluator.positions import Scores, Tokens, cells_of, scores_of, tokens_of
from components.evaluator.scoring import Scorer, graphs_as_written
from components.evaluator.slicing import OVERALL
from components.evaluator.token_slices import TokenSlices

# Kinds of incident.
CANDIDATE_FAILED, BASELINE_FAILED, BAD_SLICE = "candidate_failed", "baseline_failed", "bad_slice"
NON_FINITE, OTHER_TOKENS = "non_finite", "other_tokens"

# Inside Beam a slice key is a pair (column, value): tuples have a deterministic coder.
_Pair = tuple[str, slicing.SliceValue]


@dataclasses.dataclass(frozen=True)
class Plan:
    """What to do with a batch.

    Attributes:
      models: the candidate's SavedModel and, if there is one, the baseline's.
      columns: slice columns.
      token_slices: those of tokens among them.
      limits: of the tables.
      tags: the tags by id, where precision and recall are wanted.
    """

    models: tuple[str, ...]
    columns: tuple[str, ...]
    token_slices: TokenSlices
    limits: ranking.Limits
    tags: tuple[str, ...] = ()


class ScoreAndAdd(beam.DoFn):
    """A batch of serialized examples -> ((column, value), [G, M, C, 2]), and what the tags name.

    INCIDENTS: (kind, text). TABLES: (table, list of `combining.Ranked`). TOKENS: (0, (ids, sums)).
    TAGS: ((kind, name), [G, M, 3]).
    """

    SUMS, INCIDENTS, TABLES, TOKENS, TAGS = "sums", "incidents", "tables", "tokens", "tags"

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._models = dict(zip((CANDIDATE_FAILED, BASELINE_FAILED), plan.models, strict=False))

    def setup(self) -> None:
        self._scorers: dict[str, Scorer] = {}
        self._failures: dict[str, str] = {}
        self._seen: dict[str, set[slicing.SliceValue]] = {c: set() for c in self._plan.columns}
        for kind, path in self._models.items():
            try:
                self._scorers[kind] = Scorer(path, predicted=bool(self._plan.tags))
            except ModelError as error:
                self._failures[kind] = str(error)
        # A thread a model: one's small steps fill the cores while the other's wait.
        self._threads = ThreadPoolExecutor(
            len(self._models), "score", initializer=graphs_as_written
        )

    def teardown(self) -> None:
        self._threads.shutdown()

    def start_bundle(self) -> None:
        # A bundle can be thrown away and run again, so each tells what it met, once.
        self._told: set[str] = set()

    # Beam takes a narrower annotation for the type of the untagged output alone.
    def process(self, batch: list[bytes]) -> Iterator[Any]:
        # A slice column that is not fit fails the evaluation, so the rest need not be scored.
        if BAD_SLICE not in self._failures:
            yield from self._score_and_add(batch)
        for kind, text in self._failures.items():
            if kind not in self._told:
                self._told.add(kind)
                yield beam.pvalue.TaggedOutput(self.INCIDENTS, (kind, text))

    def _score_and_add(self, batch: list[bytes]) -> Iterator[Any]:
        digests = [identity.digest(row) for row in batch]
        buckets = np.array([identity.bucket(digest) for digest in digests])
        found = list(
            self._threads.map(lambda kind: self._score(kind, batch, digests), self._models)
        )
        tokens = [tokens_of(each.positions) if each and each.positions else None for each in found]
        rows = np.stack([_rows(*pair, len(batch)) for pair in zip(found, tokens, strict=True)], 1)
        values = self._slice_values(batch, rows[:, 0])
        finite = ~metrics.column(rows[:, 0], "non_finite_examples").astype(bool)
        for index in np.flatnonzero(~finite):
            yield beam.pvalue.TaggedOutput(self.INCIDENTS, (NON_FINITE, digests[index].hex()))
        yield from _add_up(rows, buckets, values)
        yield from self._token_slices(tokens, buckets, digests)
        yield from self._tables(batch, digests, rows[:, 0], found[0], tokens[0])
        yield from self._tags(found, buckets)

    def _score(self, kind: str, batch: list[bytes], digests: list[bytes]) -> Scores | None:
        """Return what the model says of the examples; None once it has failed."""
        if kind not in self._failures:
            try:
                return self._scorers[kind](batch)
            except ModelError as error:
                where = f"in a batch of {len(batch)} that starts with example {digests[0].hex()}"
                self._failures[kind] = f"{error} {where}"
        return None

    def _slice_values(
        self, batch: list[bytes], candidate: Array
    ) -> dict[str, list[slicing.SliceValue]]:
        try:
            token_counts = metrics.column(candidate, "token_count")
            values = slicing.slice_values(batch, self._plan.columns, token_counts)
            for column, members in values.items():
                self._count_values(column, members)
            return values
        except InputError as error:
            self._failures[BAD_SLICE] = str(error)
            return {}

    def _count_values(self, column: str, members: Sequence[slicing.SliceValue]) -> None:
        self._seen[column].update(members)
        slicing.check_value_count(column, len(self._seen[column]))

    def _token_slices(
        self, tokens: Sequence[Tokens | None], buckets: Ints, digests: list[bytes]
    ) -> Iterator[Any]:
        """Sums of the slices of tokens; the candidate's say which slice the baseline's are in."""
        ours = tokens[0]
        if ours is None or not self._plan.token_slices.columns:
            return
        compared = []
        for theirs in tokens:
            problem = _other_tokens(ours, theirs, digests)
            compared.append(None if problem else theirs)
            if problem:
                yield beam.pvalue.TaggedOutput(self.INCIDENTS, (OTHER_TOKENS, problem))
        try:
            slices = self._plan.token_slices.codes(ours.position, ours.ids, ours.region)
            for column, codes in slices.items():
                present, places = np.unique(codes, return_inverse=True)
                labels = [self._plan.token_slices.label(column, int(code)) for code in present]
                self._count_values(column, labels)
                nothing = np.zeros((len(labels), metrics.BUCKETS, len(metrics.SUMS), 2))
                cells = [
                    nothing if each is None else cells_of(ours, each, places, buckets, len(labels))
                    for each in compared
                ]
                for place, label in enumerate(labels):
                    yield (column, label), np.stack([each[place] for each in cells], axis=1)
        except InputError as error:
            self._failures[BAD_SLICE] = str(error)

    def _tables(
        self,
        batch: list[bytes],
        digests: list[bytes],
        rows: Array,
        found: Scores | None,
        tokens: Tokens | None,
    ) -> Iterator[Any]:
        if found is None:
            return
        names = [digest.hex() for digest in digests]
        for table, ranked in ranking.ranked(batch, names, rows, found, self._plan.limits).items():
            if ranked:
                yield beam.pvalue.TaggedOutput(self.TABLES, (table, ranked))
        if tokens is not None and self._plan.limits.worst:
            yield beam.pvalue.TaggedOutput(self.TOKENS, (0, ranking.sums_by_id(tokens)))

    def _tags(self, found: Sequence[Scores | None], buckets: Ints) -> Iterator[Any]:
        if not self._plan.tags:
            return
        size = metrics.BUCKETS
        counts = [
            tags.counts(each.positions, buckets, self._plan.tags, size)
            if each and each.positions
            else {}
            for each in found
        ]
        nothing = np.zeros((size, len(tags.COUNTS)))
        for key in dict.fromkeys(key for each in counts for key in each):
            stacked = np.stack([each.get(key, nothing) for each in counts], axis=1)
            yield beam.pvalue.TaggedOutput(self.TAGS, (key, stacked))


def _rows(found: Scores | None, tokens: Tokens | None, count: int) -> Array:
    """What the examples add to the sums, [B, C]; zeros of a model that has failed."""
    if found is None:
        return np.zeros((count, len(metrics.SUMS)))
    return metrics.sums_of_examples(scores_of(found, tokens))


def _other_tokens(ours: Tokens, theirs: Tokens | None, digests: Sequence[bytes]) -> str:
    """Why the models' tokens cannot be compared one by one; "" where they can."""
    if theirs is None:
        return "the baseline's score gives no values by position"
    counts = [np.bincount(each.example, minlength=len(digests)) for each in (ours, theirs)]
    different = np.flatnonzero(counts[0] != counts[1]).tolist()
    if not different:
        return ""
    # Of several examples the first by name, so that the text is the same in every run.
    index = min(different, key=lambda place: digests[place])
    return (
        f"the baseline scores other tokens: {counts[1][index]} against {counts[0][index]}, "
        f"for instance in example {digests[index].hex()}"
    )


def _add_up(
    rows: Array, buckets: Ints, values: Mapping[str, Sequence[slicing.SliceValue]]
) -> Iterator[tuple[_Pair, Array]]:
    """Add rows [B, M, C] up per slice and bucket."""
    halves = exact.split(rows)
    yield (OVERALL.column, OVERALL.value), exact.add_by(buckets, halves, metrics.BUCKETS)
    for column, members in values.items():
        places = {value: place for place, value in enumerate(dict.fromkeys(members))}
        groups = np.array([places[value] for value in members]) * metrics.BUCKETS + buckets
        sums = exact.add_by(groups, halves, len(places) * metrics.BUCKETS)
        for value, place in places.items():
            yield (column, value), sums[place * metrics.BUCKETS :][: metrics.BUCKETS]
