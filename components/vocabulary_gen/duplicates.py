"""Rows that are in the training split and in another one too: evaluation on them is no test.

Rows are compared by 63-bit fingerprints of their texts; 8 bytes a row of the other splits are held,
and of the training split no more than one shard at a time.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Fingerprints: TypeAlias = npt.NDArray[np.int64]


def count_shared(
    train: Iterable[Fingerprints], others: Mapping[str, Sequence[Fingerprints]]
) -> dict[str, dict[str, int]]:
    """How many rows of each other split are in the training split.

    Args:
      train: the fingerprints of the training split, shard by shard; read once.
      others: the same of the other splits, by name.

    Returns:
      By split, its `rows` and how many of them are `in_train`; a row that is there twice counts
      twice.
    """
    joined = {
        name: np.concatenate([np.empty(0, np.int64), *parts]) for name, parts in others.items()
    }
    distinct = {name: np.unique(rows, return_counts=True) for name, rows in joined.items()}
    shared: dict[str, npt.NDArray[np.bool_]] = {
        name: np.zeros(len(values), bool) for name, (values, _) in distinct.items()
    }
    for part in train:
        for name, (values, _) in distinct.items():
            shared[name] |= np.isin(values, part)
    return {
        name: {"rows": len(joined[name]), "in_train": int(counts[shared[name]].sum())}
        for name, (_, counts) in distinct.items()
    }
