"""Precision, recall and F1 of tags, and of spans in BIO tags, from counts that add up.

Tags are counted at positions of weight w > 0, each with w. Spans are those of conlleval (Tjong Kim Sang
and Buchholz, "Introduction to the CoNLL-2000 Shared Task: Chunking", 2000): an I- that does not go on
with what is before it begins a span of its own. A span counts once, whatever the weights, if all its
positions have some.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]
# Of a class or a span type: weight in both, in the prediction, in the targets.
COUNTS = ("right", "predicted", "actual")
Span = tuple[str, int, int]  # type, first position, the one after the last


def class_counts(
    target_ids: npt.NDArray[np.int64],
    predicted_ids: npt.NDArray[np.int64],
    weights: Array,
    size: int,
) -> Array:
    """`COUNTS` by class, [size, 3], of positions of one shape, e.g. [B, T].

    A position of weight 0 counts for nothing, whatever its ids.
    """
    counted = weights > 0
    targets, predicted, given = (each[counted] for each in (target_ids, predicted_ids, weights))
    right = targets == predicted
    columns = [
        np.bincount(targets[right], given[right], minlength=size),
        np.bincount(predicted, given, minlength=size),
        np.bincount(targets, given, minlength=size),
    ]
    return np.stack(columns, axis=1)


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
    targets: Sequence[str], predicted: Sequence[str], weights: Sequence[float]
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


def table(counts: Mapping[str, Array]) -> dict[str, dict[str, float]]:
    """name -> precision, recall, f1, actual; of those that were predicted or there.

    What has no denominator is 0, as conlleval has it.
    """
    return {name: measures(found) for name, found in sorted(counts.items()) if found.any()}


def micro(counts: Mapping[str, Array]) -> dict[str, float]:
    """Of all classes together."""
    return measures(np.sum(list(counts.values()), axis=0) if counts else np.zeros(len(COUNTS)))


def macro_f1(counts: Mapping[str, Array]) -> float:
    """Mean F1 of the classes that are in the targets; 0 without one."""
    there = [measures(found)["f1"] for found in counts.values() if found[2] > 0]
    return float(np.mean(there)) if there else 0.0


def measures(counts: Array) -> dict[str, float]:
    """Of `COUNTS` [3]."""
    right, predicted, actual = (float(each) for each in counts)
    both = predicted + actual
    return {
        "precision": right / predicted if predicted else 0.0,
        "recall": right / actual if actual else 0.0,
        "f1": 2 * right / both if both else 0.0,
        "actual": actual,
    }
