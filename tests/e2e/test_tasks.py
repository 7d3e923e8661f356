"""The other tasks and families, CSV, and pad ids that are not 0, each through the whole line once."""

import csv
import gzip
import json
import random

import numpy as np
import pytest
import tensorflow as tf

pytestmark = pytest.mark.pipeline

TAGGING = """
pipeline: {name: tags, root: runs}
task: tagging
data:
  path: rows
  split: {train: "train*.jsonl.gz", eval: "dev*.jsonl.gz"}
  columns: {tokens: words, tags: kinds, weights: importance}
  max_target_length: 12
  pad_id: 3
  eos_id: 0
transform: {input_chars: 5}
model: {family: transformer, units: 32, heads: 2, feed_forward: 64, layers: 1}
batch: {size: 16}
train: {epochs: 6, learning_rate: 0.005}
eval: {thresholds: [{metric: token_accuracy, min: 0.8}, {metric: tag_macro_f1, min: 0.8}]}
"""
LANGUAGE_MODEL = """
pipeline: {name: words, root: runs}
task: lm
data:
  path: rows
  format: csv
  columns: {text: line, example_weight: trust}
  extra_columns: {year: integer}
  max_target_length: 10
  pad_id: 3
  eos_id: 3
  max_lost_tokens: 0.5
model: {family: lstm, units: 32, tie_embeddings: true}
batch: {size: 16}
train: {epochs: 6, learning_rate: 0.01}
eval: {slices: [year], thresholds: [{metric: perplexity, max: 12}]}
"""


@pytest.fixture(scope="module")
def tagged(tokenline, tmp_path_factory):
    """Words of letters (tag: L) and of digits (tag: D); some words count for more, some not at all."""
    folder = tmp_path_factory.mktemp("tagged")
    (folder / "rows").mkdir()
    (folder / "pipeline_config.yaml").write_text(TAGGING)
    dice = random.Random(5)
    for name, count in (("train.jsonl.gz", 400), ("dev.jsonl.gz", 80)):
        with gzip.open(folder / "rows" / name, "wt") as file:
            for _ in range(count):
                size = dice.randint(1, 11)
                kinds = [dice.choice("LD") for _ in range(size)]
                words = [
                    "".join(dice.choices("abcdef" if kind == "L" else "123456", k=3))
                    for kind in kinds
                ]
                weights = [dice.choice([0.0, 0.5, 1, 2]) for _ in range(size)]
                row = {"words": words, "kinds": kinds, "importance": weights}
                file.write(json.dumps(row) + "\n")
    return folder, tokenline("run", cwd=folder)


@pytest.fixture(scope="module")
def language(tokenline, tmp_path_factory):
    folder = tmp_path_factory.mktemp("language")
    (folder / "rows").mkdir()
    (folder / "pipeline_config.yaml").write_text(LANGUAGE_MODEL)
    dice = random.Random(6)
    with open(folder / "rows" / "lines.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["line", "trust", "year", "unused"])
        for at in range(500):
            start = dice.randint(0, 4)
            words = [f"w{(start + step) % 5}" for step in range(dice.randint(1, 14))]
            rows.writerow(
                [f"{' '.join(words)} n{at}", dice.choice(["0.5", "1"]), 1990 + at % 3, ""]
            )
    return folder, tokenline("run", cwd=folder)


def scores_of(run, signature: str) -> dict[str, np.ndarray]:
    outputs = run.record["outputs"]
    files = tf.io.gfile.glob(outputs["ExampleGen"]["examples"] + "/Split-eval/*")
    rows = list(tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator())
    model = tf.saved_model.load(outputs["SequenceTrainer"]["model"] + "/Format-Serving")
    found = model.signatures[signature](tf.constant(rows))
    return {name: value.numpy() for name, value in found.items()}


def test_tagging_runs_to_a_pushed_model(tagged) -> None:
    folder, run = tagged
    assert run.code == 0, run.out + run.err
    assert (folder / "runs/tags/serving/1/saved_model.pb").exists()


def test_tagging_weights_reach_the_loss_and_the_ledger(tagged) -> None:
    _, run = tagged
    scores = scores_of(run, "score")
    assert set(np.unique(scores["position_weight"])) == {0.0, 0.5, 1.0, 2.0}
    ledger = run.record["ledger"]["splits"]["eval"]["target"]
    assert ledger["zero_weight"] > 0
    assert ledger["trained"] == scores["token_count"].sum()
    real = scores["position_region"] != 0
    assert ledger["kept"] == real.sum()
    assert (scores["position_weight"][~real] == 0).all()


def test_tags_are_counted_with_their_weights(tagged) -> None:
    folder, _ = tagged
    weights: dict[str, float] = {}
    with gzip.open(folder / "rows" / "dev.jsonl.gz", "rt") as file:
        for row in map(json.loads, file):
            for kind, weight in zip(row["kinds"], row["importance"], strict=True):
                weights[kind] = weights.get(kind, 0.0) + weight
    (found,) = folder.glob("runs/tags/artifacts/SequenceEvaluator/evaluation/*/tags.json")
    counted = json.loads(found.read_text())
    tags = counted["tokens"]["tags"]
    assert {each["tag"]: each["actual"] for each in tags} == pytest.approx(weights)
    metrics = json.loads((found.parent / "metrics.json").read_text())["slices"][0]["candidate"]
    assert counted["tokens"]["micro"]["recall"] == pytest.approx(metrics["token_accuracy"])
    assert metrics["tag_macro_f1"] == pytest.approx(np.mean([each["f1"] for each in tags]))
    assert counted["spans"] is None


def test_tagging_predicts_a_tag_for_each_token(tagged, tokenline) -> None:
    folder, _ = tagged
    out = tokenline("predict", cwd=folder, text="abc 123 fed\n456\n").out.splitlines()
    assert out == ["abc/L 123/D fed/L", "456/D"]


def test_what_is_longer_than_the_model_reads_is_said_and_not_left_out(tagged, tokenline) -> None:
    folder, _ = tagged
    long = tokenline("predict", cwd=folder, text="one\u00a0token b\n" + "abc " * 13 + "\n")
    first, second = long.out.splitlines()
    assert first.count("/") == 2  # a no-break space does not separate tokens
    assert second == " ".join(["abc/L"] * 12 + ["abc"])
    assert long.err.startswith("tokenline: standard input:2: longer than the model reads")


def test_language_model_runs_to_a_pushed_model(language) -> None:
    folder, run = language
    assert run.code == 0, run.out + run.err
    assert (folder / "runs/words/serving/1/saved_model.pb").exists()
    slices = [each["slice"] for each in run.record["metrics"]["slices"]]
    assert slices == ["overall", "year=1990", "year=1991", "year=1992"]
    assert run.record["ingest"]["unconfigured_columns"] == {"unused": 500}


def test_pad_equal_to_eos_still_scores_the_end(language) -> None:
    """The last real position is eos with weight; padding, which has the same id, has none."""
    _, run = language
    scores = scores_of(run, "score")
    lengths = (scores["position_region"] != 0).sum(axis=1)
    for row, length in enumerate(lengths):
        assert scores["target_ids"][row, length - 1] == 3
        assert scores["position_weight"][row, length - 1] > 0
        assert (scores["position_weight"][row, length:] == 0).all()
    assert run.record["ledger"]["splits"]["eval"]["target"]["truncated"] > 0


def test_language_model_continues_a_prompt(language, tokenline) -> None:
    folder, _ = language
    out = tokenline("predict", cwd=folder, text="w0 w1 w2\n").out.strip()
    assert out.startswith("w0 w1 w2 w3 w4")


def test_validation_loss_is_the_evaluators_in_every_task(tagged, language) -> None:
    for _, run in (tagged, language):
        validation = run.record["history"]["validation"]["masked_token_loss"]
        evaluated = run.record["metrics"]["slices"][0]["candidate"]["masked_token_loss"]
        assert evaluated == pytest.approx(validation, rel=1e-6)
