"""Invariant 3: splitting equals not splitting, for the loss, through the model and through Beam."""

import itertools
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.verify import batches, measure, sample
from pipeline.verify.case import Case, Probe, size_of
from pipeline.verify.certificate import Check
from pipeline.verify.compare import GRADIENT, Pair, close, not_exercised
from pipeline.verify.measure import Part
from pipeline.verify.oracle import REDUCTIONS

_MOST_SINGLE = 32  # rows that are run in batches of one
_BEAM_BATCH = 7
_BEAM_FILES = 3


@dataclass(frozen=True)
class Split:
    """One way to cut a number of rows in parts: the rows' places, part by part."""

    name: str
    parts: tuple[np.ndarray, ...]

    @property
    def idle(self) -> bool:
        """Whether it leaves the rows as they are: one part, in the same order."""
        return len(self.parts) == 1 and np.array_equal(self.order, np.sort(self.order))

    @property
    def order(self) -> np.ndarray:
        return np.concatenate(self.parts)


def checks(case: Case) -> Iterator[Check]:
    """Rows of invariant 3, but for Beam's."""
    yield from _of_the_loss(case)
    yield from _through_the_model(case)


def splits(count: int, random: np.random.Generator) -> list[Split]:
    """Batches of one and of seven, another order, four micro-batches, two unequal replicas."""
    rows = np.arange(count)
    first = max(1, count // 3)
    shuffled = random.permutation(count)
    if np.array_equal(shuffled, rows):
        shuffled = rows[::-1]
    return [
        Split("batches of 1", tuple(np.array([row]) for row in rows)),
        Split("batches of 7", tuple(rows[at : at + 7] for at in range(0, count, 7))),
        Split("rows in another order", (shuffled,)),
        Split("4 micro-batches, added", tuple(p for p in np.array_split(rows, 4) if len(p))),
        Split("2 unequal replicas", tuple(p for p in (rows[:first], rows[first:]) if len(p))),
    ]


def _of_the_loss(case: Case) -> Iterator[Check]:
    """Every reduction, value and gradient to the logits."""
    part = measure.part_measurer()
    probe = case.probe
    for split in splits(len(probe.weights), case.random()):
        if split.idle:
            yield not_exercised(3, f"every reduction: {split.name}", _idle(len(probe.weights)))
            continue
        used = probe
        if max(map(len, split.parts)) == 1 and len(split.parts) > _MOST_SINGLE:
            used, split = (
                probe.rows(slice(0, _MOST_SINGLE)),
                Split(split.name, split.parts[:_MOST_SINGLE]),
            )
        parts = [part(used.rows(rows)) for rows in split.parts]
        yield _compared(split.name, used, parts, part(used), np.argsort(split.order))
    longer = probe.longer(case.random())
    order = np.arange(len(probe.weights))
    yield _compared("longer padding", probe, [part(longer)], part(probe), order)


def _compared(
    name: str,
    probe: Probe,
    parts: Sequence[dict[str, Part]],
    whole: dict[str, Part],
    order: np.ndarray,
) -> Check:
    """The parts together against the whole; `order` puts their rows back in place."""
    pairs = []
    width = probe.weights.shape[1]
    for reduction in REDUCTIONS:
        value, gradient = measure.together([part[reduction] for part in parts])
        wanted, wanted_gradient = measure.together([whole[reduction]])
        value = value[order] if value.ndim else value
        if value.ndim == 2:
            value = value[:, :width]
        nats = measure.nats(probe, reduction), measure.gradient_nats(probe, reduction)
        pairs += [
            Pair(reduction, value, wanted, nats[0]),
            Pair(f"{reduction} (gradient)", gradient[order][:, :width], wanted_gradient, nats[1]),
        ]
    compared = f"every reduction: {name}"
    return close(3, compared, pairs, relative=GRADIENT, size=probe.size)


def _through_the_model(case: Case) -> Iterator[Check]:
    """The token mean and its gradient to every variable, the model run anew on each part."""
    batch = case.passes
    whole = case.model.sums_and_gradient(batch)
    for split in splits(size_of(batch).rows, case.random()):
        if split.name == "batches of 1":
            continue  # masking's "each row alone" is this, and cuts the padding too
        if split.idle:
            yield not_exercised(3, f"model: {split.name}", _idle(size_of(batch).rows))
            continue
        parts = [case.model.sums_and_gradient(batches.rows(batch, rows)) for rows in split.parts]
        yield measure.close_sums(3, f"model: {split.name}", parts, whole, size_of(batch))
    longer = case.longest(batch)
    if all(longer[name].shape == batch[name].shape for name in batch):
        yield not_exercised(3, "model: longer padding", "the model has no position for more")
        return
    parts = [case.model.sums_and_gradient(longer)]
    yield measure.close_sums(3, "model: longer padding", parts, whole, size_of(batch))


def beam_bundles(case: Case) -> Iterator[Check]:
    """The Evaluator's Beam pipeline on unequal files and small batches, against one sum."""
    size = case.size
    scores = case.model.score(case.raw.rows)
    weight = float(scores["weight_sum"].astype(np.float64).sum())
    if not weight:
        yield not_exercised(3, "Evaluator, Beam bundles", "no position has weight")
        return
    compared = f"Evaluator in Beam: {_BEAM_FILES} files, batches of {_BEAM_BATCH}"
    if len(_shares(size.rows, _BEAM_FILES)) == 1 and size.rows <= _BEAM_BATCH:
        yield not_exercised(3, compared, _idle(size.rows))
        return
    wanted = float(scores["loss_sum"].astype(np.float64).sum()) / weight
    got = evaluator_loss(case, parts=_BEAM_FILES, batch_size=_BEAM_BATCH)
    yield close(
        3,
        compared,
        [Pair("masked_token_loss", got, wanted, 1.0)],
        relative=GRADIENT,
        size=size,
    )


def _idle(rows: int) -> str:
    return f"rows: {rows}, too few to split or reorder"


def _shares(rows: int, parts: int) -> list[tuple[int, int]]:
    """Start and end of shares 1 : 2 : 4 : … of the rows; those without a row are left out."""
    ends = [rows * (2**n - 1) // (2**parts - 1) for n in range(parts + 1)]
    return [(start, end) for start, end in itertools.pairwise(ends) if end > start]


def evaluator_loss(case: Case, *, parts: int, batch_size: int) -> float:
    """The Evaluator's `masked_token_loss` of the sample, read from `parts` unequal files."""
    import apache_beam as beam

    from components.evaluator import evaluation, metrics

    rows = case.raw.rows
    with tempfile.TemporaryDirectory() as folder:
        files = [
            sample.write(rows[start:end], os.path.join(folder, f"rows-{start}.gz"))
            for start, end in _shares(len(rows), parts)
        ]
        request = evaluation.EvaluationRequest(
            example_patterns=tuple(files),
            candidate=case.model.folder,
            baseline=None,
            output=os.path.join(folder, "evaluation"),
            batch_size=batch_size,
            min_tokens=0,
        )
        found = evaluation.evaluate(request, lambda: beam.Pipeline(argv=["--runner=FnApiRunner"]))
    return found.reports[0].candidate[metrics.MASKED_TOKEN_LOSS].value
