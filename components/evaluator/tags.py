"""Precision, recall and F1 of tags, and of spans in BIO tags, from counts that add up.

Tags are counted at positions of weight w > 0, each with w. Spans are those of conlleval (Tjong Kim Sang
and Buchholz, "Introduction to the CoNLL-2000 Shared Task: Chunking", 2000): an I- that does not go on
with what is before it begins a span of its own. A span counts once, whatever the weights, if all its
positions have some.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from components.evaluator.exact import Array, Ints
from components.evaluator.positions import Positions

CLASS, SPAN = "tokens", "spans"
Counts: TypeAlias = dict[tuple[str, str], Array]
# Of a class or a span type: weight in both, in the prediction, in the targets.
COUNTS = ("right", "predicted", "actual")
_OTHER = "<other>"
Span = tuple[str, int, int]  # type, first position, the one after the last


def counts(found: Positions, buckets: Ints, texts: Sequence[str], size: int) -> Counts:
    """`COUNTS` of B examples by kind and name, [size, 3] each: a row for each bucket.

    Args:
      found: with the ids that the model predicted; without, there is nothing to count.
      buckets: [B], below `size`.
      texts: by id. Where they mark spans, these are counted too.
      size: number of buckets.
    """
    if found.predicted is None:
        return {}
    # A baseline may know tags that the candidate does not: they are one more, in no row.
    texts = [*texts, _OTHER]
    targets, predicted = (np.minimum(ids, len(texts) - 1) for ids in (found.ids, found.predicted))
    classes = class_counts(found, targets, predicted, buckets, (size, len(texts)))
    there = np.flatnonzero(classes[:, :-1].any(axis=(0, 2))).tolist()
    by_name = {(CLASS, texts[number]): classes[:, number] for number in there}
    if is_bio([text for text in texts if not text.startswith("<")]):
        names = np.asarray(texts, object)
        for row, bucket in enumerate(buckets.tolist()):
            real = found.region[row] != 0
            sides = names[targets[row, real]], names[predicted[row, real]]
            for kind, added in span_counts(*sides, found.weight[row, real]).items():
                by_name.setdefault((SPAN, kind), np.zeros((size, len(COUNTS))))[bucket] += added
    return by_name


def class_counts(
    found: Positions, targets: Ints, predicted: Ints, buckets: Ints, shape: tuple[int, int]
) -> Array:
    """`COUNTS` by bucket and class, [*shape, 3], of ids [B, T] below the number of classes.

    A position of weight 0 counts for nothing, whatever its ids; an unknown tag is never right.
    """
    counted = found.weight > 0
    weights, right = found.weight[counted], found.correct[counted] > 0
    place = np.broadcast_to(buckets[:, None], targets.shape)[counted] * shape[1]
    actual, guessed = place + targets[counted], place + predicted[counted]
    columns = [
        np.bincount(actual[right], weights[right], minlength=math.prod(shape)),
        np.bincount(guessed, weights, minlength=math.prod(shape)),
        np.bincount(actual, weights, minlength=math.prod(shape)),
    ]
    return np.stack(columns, axis=1).reshape(*shape, len(COUNTS))


def is_bio(tags: Sequence[str]) -> bool:
    """Whether these tags mark spans: B-x and I-x, and O for none."""
    marked = [tag for tag in tags if tag != "O"]
    return bool(marked) and all(tag[:2] in ("B-", "I-") and len(tag) > 2 for tag in marked)


def spans(tags: Sequence[str]) -> Iterator[Span]:
    """The spans of one sequence, in order."""
    kind, start = "", 0
    for position, tag in enumerate([*tags, "O"]):
        mark, _, name = tag.partition("-")
        if kind and (mark != "I" or name != kind):
            yield kind, start, position
            kind = ""
        if not kind and mark in ("B", "I"):
            kind, start = name, position


def span_counts(
    targets: Sequence[str], predicted: Sequence[str], weights: Sequence[float] | Array
) -> dict[str, Array]:
    """`COUNTS` by type, [3], of one sequence."""

    def counted(tags: Sequence[str]) -> set[Span]:
        return {span for span in spans(tags) if all(w > 0 for w in weights[span[1] : span[2]])}

    ours, theirs = counted(predicted), counted(targets)
    found: dict[str, Array] = {}
    for column, group in enumerate((ours & theirs, ours, theirs)):
        for kind, _, _ in group:
            found.setdefault(kind, np.zeros(len(COUNTS)))[column] += 1
    return found


def f1(counts: Array) -> Array:
    """From `COUNTS` [..., 3]; 0 where there is nothing, as conlleval has it."""
    both = counts[..., 1] + counts[..., 2]
    return np.divide(2 * counts[..., 0], both, out=np.zeros_like(both), where=both > 0)


def macro_f1(counts: Array) -> Array:
    """Mean F1 of the classes that are in the targets: [..., N, 3] -> [...]; NaN without one."""
    there = counts[..., 2] > 0
    classes = there.sum(axis=-1)
    total = np.where(there, f1(counts), 0.0).sum(axis=-1)
    return np.divide(total, classes, out=np.full(total.shape, np.nan), where=classes > 0)


def scores(counts: Mapping[str, Array]) -> dict[str, Any] | None:
    """As `tags.json` has it, from `COUNTS` [3] by name: each, all together, and the mean F1."""
    if not counts:
        return None
    stacked = np.stack(list(counts.values()))
    mean = float(macro_f1(stacked))
    return {
        "tags": [{"tag": name} | _measures(found) for name, found in counts.items()],
        "micro": _measures(stacked.sum(axis=0)),
        "macro_f1": mean if math.isfinite(mean) else None,
    }


def _measures(counts: Array) -> dict[str, float | None]:
    """Precision and recall are None where there is nothing to divide by."""
    right, predicted, actual = counts.tolist()
    return {
        "precision": right / predicted if predicted else None,
        "recall": right / actual if actual else None,
        "f1": float(f1(counts)),
        "right": right,
        "predicted": predicted,
        "actual": actual,
    }
