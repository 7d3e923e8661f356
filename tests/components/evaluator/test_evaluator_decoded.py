"""The sample that is decoded, and what it adds to the scores."""

import json

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
from sacrebleu.metrics import BLEU

from components.evaluator import decoded, identity, translation

TEXTS = [
    ("a red car", "ein rotes Auto fährt"),
    ("two dogs run", "zwei Hunde rennen über das Gras"),
    ("a man", "ein Mann"),
    ("three birds fly away", "drei Vögel fliegen weg"),
    ("", ""),
]


def row(source: str, target: str) -> bytes:
    features = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[text.encode()]))
        for name, text in {"source": source, "target": target}.items()
    }
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


class _Echo(tf.Module):
    """Decodes each example to its own target, without the last `lost` bytes."""

    def __init__(self, lost: int) -> None:
        super().__init__()
        self.lost = tf.Variable(lost)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def predict(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        spec = {"target": tf.io.FixedLenFeature([], tf.string)}
        text = tf.io.parse_example(examples, spec)["target"]
        kept = tf.maximum(tf.strings.length(text) - self.lost, 0)
        return {"text": tf.strings.substr(text, tf.zeros_like(kept), kept)}


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> list[str]:
    paths = []
    for lost in (0, 5):
        path = tmp_path_factory.mktemp(f"echo{lost}")
        module = _Echo(lost)
        signatures = {decoded.SIGNATURE: module.predict}
        tf.saved_model.save(module, str(path), signatures=signatures)
        (path / "assets.extra").mkdir()
        facts = {"settings": {"target": {"column": "target"}}}
        (path / "assets.extra" / "tokenline.json").write_text(json.dumps(facts))
        paths.append(str(path))
    return paths


@pytest.fixture
def collected(tmp_path):
    """Of rows, models and a sample size: the sums and the problem."""
    file = tmp_path / "result.json"

    def collect(rows: list[bytes], models: list[str], count: int) -> tuple[np.ndarray, str]:
        with beam.Pipeline(runner="FnApiRunner") as pipeline:
            result = pipeline | beam.Create(rows) | decoded.DecodeSample(models, count)
            _ = result | beam.Map(json.dumps) | beam.Map(file.write_text)
        sums, problem = json.loads(file.read_text())
        return np.asarray(sums), problem

    return collect


def test_both_models_decode_the_same_examples(models, collected) -> None:
    rows = [row(*pair) for pair in TEXTS]
    sums, problem = collected(rows, models, 100)
    assert problem == ""
    references = [target for _, target in TEXTS]
    shortened = [target.encode()[:-5].decode("utf-8", "replace") for target in references]
    for index, texts in enumerate((references, shortened)):
        bleu, _, exact = translation.scores(sums[:, index].sum(axis=0))
        assert bleu == pytest.approx(BLEU().corpus_score(texts, [references]).score)
        same = [text == reference for text, reference in zip(texts, references, strict=True)]
        assert exact == pytest.approx(np.mean(same))
    assert (sums[..., -1].sum(axis=0) == len(TEXTS)).all()


def test_the_sample_does_not_depend_on_the_order(models, collected) -> None:
    rows = [row(*pair) for pair in TEXTS]
    sums, _ = collected(rows, models[:1], 3)
    again, _ = collected(rows[::-1], models[:1], 3)
    np.testing.assert_array_equal(sums, again)
    assert sums[..., -1].sum() == 3


def test_no_example_is_no_score(models, collected) -> None:
    sums, problem = collected([], models[:1], 3)
    assert problem == ""
    assert np.isnan(translation.scores(sums[:, 0].sum(axis=0))).all()


def test_a_model_that_refuses_is_a_problem_not_a_crash(models, collected) -> None:
    sums, problem = collected([b"no example"], models[:1], 3)
    assert sums.size == 0
    assert problem.startswith(f"{models[0]}: serving_default failed (")
    assert "\n" not in problem


def test_a_baseline_that_cannot_decode_leaves_the_candidate_its_scores(models, collected, tmp_path):
    rows = [row(*pair) for pair in TEXTS]
    sums, problem = collected(rows, [models[0], str(tmp_path)], 100)
    alone, _ = collected(rows, models[:1], 100)
    assert problem == ""
    np.testing.assert_array_equal(sums, alone)


def test_an_example_adds_to_its_own_bucket() -> None:
    rows = [row("a", f"das ist Satz {number}") for number in range(30)]
    sample = [(identity.digest(each), each) for each in rows]

    def decode(batch):
        return [decoded.reference(each, "target") for each in batch]

    buckets = [identity.bucket(name) for name, _ in sample]
    found = decoded.sums(sample, decode, "target")[:, -1]
    assert found.tolist() == np.bincount(buckets, minlength=identity.BUCKETS).tolist()
    assert len(set(buckets)) > 5


def test_a_candidate_that_names_no_target_is_a_problem_not_a_crash(collected, tmp_path) -> None:
    sums, problem = collected([row("a", "b")], [str(tmp_path)], 3)
    assert sums.size == 0
    assert problem.startswith(f"{tmp_path}: ")
