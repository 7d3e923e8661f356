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


class PathModel:
    """Stands in for a model: what it says depends on the row and on all that was said before.

    `features` are {"row": [B]}. Its state has a part that steps change and a part that they hand on.
    """

    def __init__(self, rows: int, size: int, seed: int = 3) -> None:
        table = np.random.default_rng(seed).normal(0, 1.5, (rows, _PATHS, size))
        self.table = tf.Variable(tf.nn.log_softmax(tf.constant(table, tf.float32)))
        self.steps = tf.Variable(0)

    def script(self, probabilities: dict[tuple[int, ...], list[float]]) -> None:
        """Say these after these ids, in all rows; after any others no matter what."""
        for ids, said in probabilities.items():
            logits = np.log(np.maximum(said, 1e-30)).astype(np.float32)
            self.table[:, self._path(ids)].assign(tf.tile([logits], [self.table.shape[0], 1]))

    def log_probability(self, row: int, ids: tuple[int, ...], given: int = 0) -> float:
        """Of a sequence, but for the first `given` ids."""
        said = self.table.numpy()[row].astype(np.float64)
        return sum(said[self._path(ids[:place]), ids[place]] for place in range(given, len(ids)))

    def _path(self, ids: tuple[int, ...]) -> int:
        path = 0
        for one in (2, *ids):  # the first is bos
            path = (path * 7 + one + 1) % _PATHS
        return path

    def initial_state(self, features, max_length):
        del max_length
        rows = tf.cast(features["row"], tf.int64)
        return {"position": tf.constant(0), "row": rows, "path": tf.zeros_like(rows)}

    def step(self, ids, state):
        self.steps.assign_add(1)
        path = (state["path"] * 7 + ids + 1) % _PATHS
        said = tf.gather_nd(self.table, tf.stack([state["row"], path], axis=1))
        return said, {"position": state["position"] + 1, "row": state["row"], "path": path}

    def logits(self, hidden):
        return hidden + 1.0  # a constant changes no probability


_PATHS = 4099


@pytest.fixture
def path_model() -> type[PathModel]:
    return PathModel
