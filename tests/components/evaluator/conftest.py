"""A model whose scores are features of the raw example, so that any oracle can add them up."""

import dataclasses
import json
import pathlib
from collections.abc import Callable, Sequence

import apache_beam as beam
import pytest
import tensorflow as tf

# Positions; padding to the longest row of a batch would make float32 sums depend on the batch.
T = 40


@dataclasses.dataclass(frozen=True)
class Row:
    """A raw example: per token a loss, a weight, whether it is right, how sure the model is, its id."""

    losses: tuple[float, ...]
    weights: tuple[float, ...]
    correct: tuple[int, ...]
    lang: str = ""
    grade: int | None = None
    sure: tuple[float, ...] = ()
    ids: tuple[int, ...] = ()
    unknown_bytes: int = 0

    def serialize(self) -> bytes:
        """Return it as a serialized tf.Example; features without a value are left out."""
        features = {
            "losses": tf.train.Feature(float_list=tf.train.FloatList(value=self.losses)),
            "weights": tf.train.Feature(float_list=tf.train.FloatList(value=self.weights)),
            "correct": tf.train.Feature(int64_list=tf.train.Int64List(value=self.correct)),
            "sure": tf.train.Feature(float_list=tf.train.FloatList(value=self.sure)),
            "ids": tf.train.Feature(int64_list=tf.train.Int64List(value=self.ids)),
            "unknown": tf.train.Feature(int64_list=tf.train.Int64List(value=[self.unknown_bytes])),
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

    def __init__(self, scale: float, refuse_grade: int, weight_scale: float, shift: bool) -> None:
        super().__init__()
        self.shift = shift
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
                "sure": tf.float32,
                "ids": tf.int64,
                "unknown": tf.int64,
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
        if self.shift:  # the same tokens in all, but of other examples
            weights = tf.roll(weights, 1, axis=0)
        correct = tf.cast(parsed["correct"].to_tensor(shape=[None, T]), tf.float32)
        losses = self.scale * losses
        counted = tf.cast(weights > 0, tf.int64)
        wrong = tf.reduce_sum(counted * tf.cast(correct < 1, tf.int64), -1)
        lengths = parsed["losses"].row_lengths()
        real = tf.cast(tf.sequence_mask(lengths, T), tf.int64)
        return {
            "loss_sum": tf.reduce_sum(tf.math.multiply_no_nan(losses, weights), -1),
            "weight_sum": tf.reduce_sum(weights, -1),
            "token_count": tf.reduce_sum(counted, -1),
            "correct_sum": tf.reduce_sum(correct * weights, -1),
            "sequence_correct": tf.cast(tf.equal(wrong, 0), tf.float32),
            "target_bytes": 4 * lengths,
            "target_words": lengths,
            "unknown_bytes": parsed["unknown"].to_tensor(shape=[None, 1])[:, 0],
            "position_loss": losses,
            "position_weight": weights,
            "position_correct": correct,
            "position_confidence": parsed["sure"].to_tensor(shape=[None, T]),
            "target_ids": parsed["ids"].to_tensor(shape=[None, T]),
            "position_region": real,
        }


def save_fake_model(
    folder: pathlib.Path,
    *,
    scale: float = 1.0,
    drop: Sequence[str] = (),
    refuse_grade: int = -1,
    weight_scale: float = 1.0,
    shift: bool = False,
    task: str = "",
) -> str:
    """Save a model under `folder`/Format-Serving and return that path."""
    model = _FakeModel(scale, refuse_grade, weight_scale, shift)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def score(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return {name: value for name, value in model.score(examples).items() if name not in drop}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def tagger(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """One that takes the tag 5 for a 4."""
        outputs = score(examples)
        ids = outputs["target_ids"]
        taken = tf.where(ids == 5, tf.constant(4, tf.int64), ids)
        right = outputs["position_correct"] * tf.cast(taken == ids, tf.float32)
        return outputs | {"predicted_ids": taken, "position_correct": right}

    path = str(folder / "Format-Serving")
    name = "other" if "score" in drop else "score"
    tf.saved_model.save(model, path, signatures={name: tagger if task else score})
    if task:
        (folder / "Format-Serving" / "assets.extra").mkdir()
        facts = folder / "Format-Serving" / "assets.extra" / "tokenline.json"
        facts.write_text(json.dumps({"task": task}))
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
