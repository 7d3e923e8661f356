"""A batch of packed rows as one row an example again, for those who look for what is wrong with it."""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from components.trainer.models import segments
from transform import features

Columns: TypeAlias = Mapping[str, npt.NDArray[Any]]

_SIDES = (
    (segments.TARGET_SEGMENTS, features.TARGET_LENGTHS, (features.TARGETS, features.LOSS_WEIGHTS)),
    (segments.INPUT_SEGMENTS, features.INPUT_LENGTHS, (features.INPUTS, features.INPUT_CHARS)),
)


class Place(NamedTuple):
    """Where an example's targets are: positions `start` to `end` - 1 of a packed row, from 0."""

    row: int
    start: int
    end: int


def is_packed(batch: Columns) -> bool:
    """Whether the rows of a batch hold several examples each."""
    return segments.PACKED_EXAMPLES in batch


def unpacked(batch: Columns) -> tuple[dict[str, npt.NDArray[Any]], list[Place]]:
    """The features of the contract, a row an example, padded with 0; and where each was."""
    counts = batch[segments.PACKED_EXAMPLES].tolist()
    owners = [(row, number) for row, count in enumerate(counts) for number in range(1, count + 1)]
    found: dict[str, npt.NDArray[Any]] = {}
    places: list[Place] = []
    for numbers, lengths, values in _SIDES:
        if numbers not in batch:
            continue
        spans = [_span(batch[numbers][row] == number) for row, number in owners]
        if numbers == segments.TARGET_SEGMENTS:
            places = [Place(row, *span) for (row, _), span in zip(owners, spans, strict=True)]
        found[lengths] = np.array([end - start for start, end in spans], np.int64)
        longest = int(found[lengths].max(initial=0))
        for name in values:
            if name in batch:
                shape = (len(owners), longest, *batch[name].shape[2:])
                found[name] = np.zeros(shape, batch[name].dtype)
                for index, ((row, _), (start, end)) in enumerate(zip(owners, spans, strict=True)):
                    found[name][index, : end - start] = batch[name][row, start:end]
    return found, places


def _span(mine: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """First position, and the one after the last; an example's are neighbours."""
    at = np.flatnonzero(mine)
    return (int(at[0]), int(at[-1]) + 1) if len(at) else (0, 0)
