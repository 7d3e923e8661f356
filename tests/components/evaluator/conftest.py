"""A model whose scores are features of the raw example, so that any oracle can add them up."""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence

import apache_beam as beam
import pytest
import tensorflow as tf

# Positions; padding to the longest row of a batch would make float32 sums depend on the batch.
T = 40


@dataclasses.dataclass(frozen=True)
class Row:
    """A raw example: per token a loss, a weight and whether it is right."""

    losses: tuple[float, ...]
    weights: tuple[float, ...]
    correct: tuple[int, ...]
    lang: str = ""
    grade: int | None = None

    def serialize(self) -> bytes:
        """Return it as a serialized tf.Example; features without a value are left out."""
        features = {
            "losses": tf.train.Feature(float_list=tf.train.FloatList(value=self.losses)),
            "weights": tf.train.Feature(float_list=tf.train.FloatList(value=self.weights)),
            "correct": tf.train.Feature(int64_list=tf.train.Int64List(value=self.correct)),
        }
        if self.lang:
            lang = tf.train.BytesList(value=[self.lang.encode()])
            features["lang"] = tf.train.Feature(bytes_list=lang)
        if self.grade is not None:
            grade = tf.train.Int64List(value=[self.grade])
            features["grade"] = tf.train.Feature(int64_list=grade)
        example = tf.train.Example(features=tf.train.Features(feature=features))
        return example.SerializeToString(deterministic=True)


class _FakeModel(tf.Module):
    """loss_sum = scale · Σ w·loss, with the whole output contract of `score`."""

    def __init__(self, scale: float, refuse_grade: int, weight_scale: float) -> None:
        super().__init__()
        self.weight_scale = weight_scale
        self.scale = tf.Variable(scale)
        self.refuse_grade = refuse_grade

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def score(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return the sums of B examples, [B] each, and one output per position."""
        spec = {
            name: tf.io.RaggedFeature(dtype, row_splits_dtype=tf.int64)
            for name, dtype in {
                "losses": tf.float32,
                "weights": tf.float32,
                "correct": tf.int64,
                "grade": tf.int64,
            }.items()
        }
        parsed = tf.io.parse_example(examples, spec)
        grade = parsed["grade"].to_tensor(shape=[None, 1])[:, 0]
        with tf.control_dependencies(
            [tf.debugging.assert_none_equal(grade, tf.constant(self.refuse_grade, tf.int64))]
        ):
            losses, weights = (
                tf.identity(parsed["losses"].to_tensor(shape=[None, T])),
                self.weight_scale * parsed["weights"].to_tensor(shape=[None, T]),
            )
        correct = tf.cast(parsed["correct"].to_tensor(shape=[None, T]), tf.float32)
        counted = tf.cast(weights > 0, tf.int64)
        wrong = tf.reduce_sum(counted * tf.cast(correct < 1, tf.int64), -1)
        lengths = parsed["losses"].row_lengths()
        return {
            "loss_sum": self.scale * tf.reduce_sum(losses * weights, -1),
            "weight_sum": tf.reduce_sum(weights, -1),
            "token_count": tf.reduce_sum(counted, -1),
            "correct_sum": tf.reduce_sum(correct * weights, -1),
            "sequence_correct": tf.cast(tf.equal(wrong, 0), tf.float32),
            "target_bytes": 4 * lengths,
            "target_words": lengths,
            "position_loss": losses,
        }


def save_fake_model(
    folder: pathlib.Path,
    *,
    scale: float = 1.0,
    drop: Sequence[str] = (),
    refuse_grade: int = -1,
    weight_scale: float = 1.0,
) -> str:
    """Save a model under `folder`/Format-Serving and return that path."""
    model = _FakeModel(scale, refuse_grade, weight_scale)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def score(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return {name: value for name, value in model.score(examples).items() if name not in drop}

    path = str(folder / "Format-Serving")
    name = "other" if "score" in drop else "score"
    tf.saved_model.save(model, path, signatures={name: score})
    return path


def save_examples(path: pathlib.Path, rows: Sequence[Row]) -> str:
    """Write rows as gzipped TFRecords."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for row in rows:
            writer.write(row.serialize())
    return str(path)


@pytest.fixture(scope="session")
def make_row() -> type[Row]:
    return Row


@pytest.fixture(scope="session")
def make_model() -> Callable[..., str]:
    return save_fake_model


@pytest.fixture(scope="session")
def make_examples() -> Callable[[pathlib.Path, Sequence[Row]], str]:
    return save_examples


@pytest.fixture
def make_pipeline() -> Callable[[], beam.Pipeline]:
    return lambda: beam.Pipeline(argv=["--runner=FnApiRunner"])
