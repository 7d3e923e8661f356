"""Windows, subwords, regions and ages through the whole line: what is trained on is what was read."""

import json
import random

import numpy as np
import pytest
import tensorflow as tf

from transform.tokenizers import load_operations

pytestmark = pytest.mark.pipeline

DOCUMENTS = """
pipeline: {name: documents, root: runs}
task: lm
data:
  path: rows/span-{SPAN}
  spans: all
  excess_length: window
  max_target_length: 9
  window: {stride: 5}
transform: {span_half_life: 1, class_weights: {w3: 3}, inverse_frequency_cap: 2,
            weights: [mask, span_age, class, inverse_frequency]}
model: {family: lstm, units: 32}
batch: {size: 16}
train: {epochs: 4, learning_rate: 0.01}
eval: {thresholds: [{metric: perplexity, max: 12}]}
serving: {check: {enabled: false}}
"""
ANSWERS = """
pipeline: {name: answers, root: runs}
task: seq2seq
data:
  path: rows/span-{SPAN}
  vocab_size: 360
  max_lost_tokens: 1
  max_source_length: 60
  max_target_length: 12
  excess_length: POLICY
transform:
  SUBWORDS
  normalize: NFKC
  lowercase: true
  regions: {is: 1}
model: {family: gru, units: 32}
batch: {size: 16}
train: {epochs: 2, learning_rate: 0.01}
# Nineteen examples decide nothing about a second model, and this is about what it reads.
eval: {blessing: {compare: false}, thresholds: [{metric: masked_token_loss, max: 20}]}
"""


def documents(dice: random.Random, count: int) -> list[dict]:
    """Texts that count from some number on, most of them longer than a window."""
    starts = [(dice.randint(0, 4), dice.randint(1, 40)) for _ in range(count)]
    return [{"text": " ".join(f"w{(a + n) % 5}" for n in range(size))} for a, size in starts]


def write(path, rows: list[dict]) -> None:
    path.parent.mkdir(parents=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture(scope="module")
def windowed(tokenline, tmp_path_factory):
    folder = tmp_path_factory.mktemp("windowed")
    (folder / "pipeline_config.yaml").write_text(DOCUMENTS)
    dice = random.Random(3)
    rows = [documents(dice, 120), documents(dice, 80)]
    for span, found in enumerate(rows, 1):
        write(folder / f"rows/span-{span}/rows.jsonl", found)
    return rows, folder, tokenline("run", cwd=folder)


def examples_of(run, component: str, output: str) -> list[bytes]:
    files = sorted(tf.io.gfile.glob(run.record["outputs"][component][output] + "/Split-*/*"))
    return list(tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator())


def served(run, signature: str, rows: list[bytes]) -> dict[str, np.ndarray]:
    load_operations(["tensorflow_text"])
    model = tf.saved_model.load(
        run.record["outputs"]["SequenceTrainer"]["model"] + "/Format-Serving"
    )
    return {
        name: value.numpy()
        for name, value in model.signatures[signature](tf.constant(rows)).items()
    }


def materialised(run) -> dict[str, np.ndarray]:
    features = [
        tf.train.Example.FromString(each).features.feature
        for each in examples_of(run, "Transform", "transformed_examples")
    ]
    return {
        name: np.array([[*f[name].int64_list.value, *f[name].float_list.value] for f in features])
        for name in features[0]
    }


def test_each_token_of_a_document_is_scored_once(windowed) -> None:
    rows, _, run = windowed
    assert run.code == 0, run.out + run.err
    raw = examples_of(run, "ExampleGen", "examples")
    weights = served(run, "score", raw)["position_weight"]
    words = sum(len(row["text"].split()) for span in rows for row in span)
    assert (weights > 0).sum() == words + sum(len(span) for span in rows)  # and eos, once each
    ledger = run.record["ledger"]["splits"]
    assert sum(split["target"]["trained"] for split in ledger.values()) == (weights > 0).sum()
    by_span = run.record["ledger"]["spans"]
    for span, found in enumerate(rows, 1):
        counted = sum(split[str(span)]["target"]["trained"] for split in by_span.values())
        assert counted == sum(len(row["text"].split()) + 1 for row in found)


def test_a_row_weighs_half_of_one_a_span_newer(windowed) -> None:
    _, _, run = windowed
    raw = examples_of(run, "ExampleGen", "examples")
    weights = served(run, "transform_features", raw)
    spans = [tf.train.Example.FromString(row).features.feature["_span"] for row in raw]
    old = np.array([span.int64_list.value[0] for span in spans]) == 1
    found = weights["loss_weights"]
    targets = weights["targets"]
    for token in np.unique(targets):
        young_ones = found[~old][targets[~old] == token]
        old_ones = found[old][targets[old] == token]
        if young_ones.max(initial=0) > 0:
            np.testing.assert_allclose(old_ones.max(), young_ones.max() / 2, rtol=1e-6)


def test_windows_are_served_as_they_were_trained(windowed) -> None:
    _, _, run = windowed
    features = served(run, "transform_features", examples_of(run, "ExampleGen", "examples"))
    for name, found in materialised(run).items():
        np.testing.assert_array_equal(found, features[name].reshape(found.shape), err_msg=name)


# Pieces that are learned in the run, and pieces that are given: each letter, digit and sign.
LEARNED = "source_tokenizer: sentencepiece"
GIVEN = "source_tokenizer: wordpiece\n  source_subwords: pieces.txt"
SIGNS = [*"abcdefghijklmnopqrstuvwxyz0123456789+."]


@pytest.fixture(scope="module", params=[(LEARNED, "truncate"), (GIVEN, "drop")], ids=str)
def answered(request, tokenline, tmp_path_factory):
    """Additions in words, asked and answered; some questions are too long."""
    subwords, policy = request.param
    folder = tmp_path_factory.mktemp(policy)
    text = ANSWERS.replace("SUBWORDS", subwords).replace("POLICY", policy)
    (folder / "pipeline_config.yaml").write_text(text)
    (folder / "pieces.txt").write_text("\n".join([*SIGNS, *(f"##{sign}" for sign in SIGNS)]))
    dice = random.Random(4)
    digits = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]

    def row() -> dict:
        a, b = dice.randint(0, 9), dice.randint(0, 9)
        long = " please" * (70 if dice.random() < 0.1 else 1)
        answer = f"{digits[a]} and {digits[b]} is {a + b}"
        return {"source": f"WHAT is {digits[a]} + {digits[b]}{long}\u2026", "target": answer}

    for span in (1, 2):
        write(folder / f"rows/span-{span}/rows.jsonl", [row() for _ in range(300)])
    config = folder / "pipeline_config.yaml"
    text = config.read_text()
    config.write_text(text.replace("vocab_size", "spans: [1]\n  vocab_size"))
    first = tokenline("run", cwd=folder)
    config.write_text(text)
    return folder, first, tokenline("run", cwd=folder)


def test_subwords_are_learned_once_and_kept(answered) -> None:
    _, first, second = answered
    assert first.code == 0, first.out + first.err
    assert second.code == 0, second.out + second.err
    read = []
    for run in (first, second):
        folder = run.record["outputs"]["VocabularyGen"]["vocabulary"]
        [pieces] = tf.io.gfile.glob(f"{folder}/source.*piece.*")
        tokens = (tf.io.gfile.GFile(f"{folder}/source.jsonl").read(),)
        read.append((tf.io.gfile.GFile(pieces, "rb").read(), *tokens))
        assert len(tokens[0].splitlines()) <= 360 - 4
    assert read[0] == read[1]


def test_what_is_too_long_is_in_the_ledger(answered) -> None:
    folder, first, _ = answered
    splits = first.record["ledger"]["splits"].values()
    dropped = sum(sides["target"]["dropped"] for sides in splits)
    cut = sum(sides["source"]["truncated"] for sides in splits)
    dropping = folder.name.startswith("drop")
    assert (dropped > 0, cut > 0) == (dropping, not dropping)
    assert (first.record["ingest"]["rows"] < 300) == dropping
    for sides in splits:
        row = sides["target"]
        lost = row["truncated"] + row["dropped"]
        assert row["tokens_read"] == row["trained"] + row["zero_weight"] + lost


def test_only_the_completion_is_trained_on(answered) -> None:
    _, first, _ = answered
    features = served(first, "transform_features", examples_of(first, "ExampleGen", "examples"))
    for weights, length in zip(features["loss_weights"], features["target_lengths"], strict=True):
        assert length == 6  # a and b is c, eos
        assert weights[:7].tolist() == [0, 0, 0, 0, 1, 1, 0]


def test_subwords_are_served_as_they_were_trained(answered) -> None:
    _, _, second = answered
    features = served(second, "transform_features", examples_of(second, "ExampleGen", "examples"))
    for name, found in materialised(second).items():
        np.testing.assert_array_equal(found, features[name].reshape(found.shape), err_msg=name)


def test_the_pushed_model_reads_raw_text(answered, tokenline) -> None:
    folder, _, _ = answered
    out = tokenline("predict", cwd=folder, text="what is one + two please\u2026\n")
    assert out.code == 0, out.err
    assert len(out.out.splitlines()) == 1
