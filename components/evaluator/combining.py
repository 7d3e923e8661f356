"""Beam's CombineFns: every figure is added up or ranked from parts, in any order, with one result."""

import heapq
import itertools
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import apache_beam as beam
import numpy as np

from components.evaluator.exact import Array

# (rank, who, what is told of it): the smallest rank comes first; the same who counts once.
Ranked: TypeAlias = tuple[Any, str, Any]


class AddArrays(beam.CombineFn):
    """Arrays of one shape -> their sum."""

    def create_accumulator(self) -> Array | float:
        return 0.0

    def add_input(self, total: Array | float, array: Array) -> Array | float:
        return total + array

    def merge_accumulators(self, totals: Iterable[Array | float]) -> Array | float:
        return sum(totals, start=0.0)

    def extract_output(self, total: Array | float) -> Array | float:
        return total


class AddRows(beam.CombineFn):
    """(ids [N] without repetition, rows [N, ...]) -> the sum of the rows of each id, [largest + 1, ...]."""

    def create_accumulator(self) -> Array | None:
        return None

    def add_input(self, total: Array | None, part: tuple[Array, Array]) -> Array | None:
        ids, rows = part
        if not len(ids):
            return total
        total = _at_least(total, int(ids.max()) + 1, rows)
        total[ids] += rows
        return total

    def merge_accumulators(self, totals: Iterable[Array | None]) -> Array | None:
        merged = None
        for each in totals:
            if each is not None:
                merged = _at_least(merged, len(each), each)
                merged[: len(each)] += each
        return merged

    def extract_output(self, total: Array | None) -> Array | None:
        return total


def _at_least(total: Array | None, size: int, like: Array) -> Array:
    """The total, which is changed in place from here on, with zeros appended up to `size` rows."""
    if total is None:
        return np.zeros((size, *like.shape[1:]))
    missing = size - len(total)
    return np.concatenate([total, np.zeros((missing, *like.shape[1:]))]) if missing > 0 else total


class First(beam.CombineFn):
    """Lists of `Ranked` -> the `count` first of them all, in order."""

    def __init__(self, count: int) -> None:
        self._count = count

    def create_accumulator(self) -> list[Ranked]:
        return []

    def add_input(self, first: list[Ranked], more: Sequence[Ranked]) -> list[Ranked]:
        return self.merge_accumulators([first, list(more)])

    def merge_accumulators(self, parts: Iterable[list[Ranked]]) -> list[Ranked]:
        best: dict[str, Ranked] = {}
        for one in itertools.chain.from_iterable(parts):
            if one[1] not in best or one[0] < best[one[1]][0]:
                best[one[1]] = one
        return heapq.nsmallest(self._count, best.values(), key=lambda one: one[:2])

    def extract_output(self, first: list[Ranked]) -> list[Ranked]:
        return first
