"""Small transformed data sets, written as Transform writes them."""

import pathlib
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import tensorflow as tf

Rows = Sequence[dict[str, list]]


@pytest.fixture(scope="session")
def write_rows() -> Callable[[pathlib.Path, Rows], str]:
    """Write rows (feature -> numbers) as one gzip TFRecord; returns its path."""

    def write(path: pathlib.Path, rows: Rows) -> str:
        with tf.io.TFRecordWriter(str(path), "GZIP") as file:
            for row in rows:
                example = tf.train.Example()
                for name, values in row.items():
                    feature = example.features.feature[name]
                    if np.asarray(values).dtype.kind == "f":
                        feature.float_list.value.extend(np.ravel(values))
                    else:
                        feature.int64_list.value.extend(np.ravel(values))
                file.write(example.SerializeToString())
        return str(path)

    return write


@pytest.fixture(scope="session")
def copy_rows() -> Callable[..., Rows]:
    """Rows of a seq2seq task: the target repeats the source. Lengths and weights are uneven."""

    def rows(count: int, *, length: int = 8, vocabulary: int = 9, seed: int = 0) -> Rows:
        random = np.random.default_rng(seed)
        made = []
        for _ in range(count):
            size = int(random.integers(2, length + 1))
            ids = np.zeros(length, int)
            ids[:size] = [*random.integers(4, vocabulary, size - 1), 3]
            weights = np.zeros(length)
            weights[:size] = random.choice([0.0, 0.5, 1.0, 2.0], size, p=[0.1, 0.2, 0.5, 0.2])
            weights[size - 1] = 1.0
            made.append(
                {
                    "targets": ids,
                    "target_lengths": [size],
                    "loss_weights": weights,
                    "inputs": ids,
                    "input_lengths": [size],
                }
            )
        return made

    return rows
