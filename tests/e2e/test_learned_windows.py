"""Long documents, windows, pieces learned in the run: what is trained on is what sentencepiece cuts."""

import json
import pathlib
import random

import pytest
import sentencepiece
import tensorflow as tf

pytestmark = pytest.mark.pipeline

CONFIG = """
pipeline: {name: learned, root: runs}
task: lm
data:
  path: rows/span-{SPAN}
  spans: [SPANS]
  split: {train: "train*", eval: "eval*"}
  vocab_size: 340
  excess_length: EXCESS
  max_target_length: 16
transform: {target_tokenizer: sentencepiece, normalize: NFC, lowercase: true}
model: {family: gru, units: 8}
batch: {size: 32}
train: {epochs: 1, learning_rate: 0.01}
eval: {thresholds: [{metric: masked_token_loss, max: 20}]}
serving: {check: {enabled: false}}
"""
WINDOWS = "window\n  window: {stride: 9}"
DOWN_TO_THE_TRAINER = ("ExampleGen", "VocabularyGen", "Transform", "SequenceTrainer")
OLD = ["A", "long", "Text", "of", "WORDS,", "read", "in", "windows;", "café", "naïve", "שלום"]
NEW = ["other", "syllables:", "quickly,", "vexed", "jays", "😀"]


def write(folder: pathlib.Path, words: list[str], seed: int) -> None:
    dice = random.Random(seed)
    folder.mkdir(parents=True)
    for name, count in {"train-1": 30, "train-2": 25, "eval": 12}.items():
        texts = [" ".join(dice.choices(words, k=dice.randint(1, 40))) for _ in range(count)]
        rows = "".join(json.dumps({"text": text}) + "\n" for text in texts)
        (folder / f"{name}.jsonl").write_text(rows)


@pytest.fixture(scope="module")
def line(tokenline, tmp_path_factory):
    """Three runs: the first span, the same again, the second span; and the folder."""
    folder = tmp_path_factory.mktemp("learned")
    write(folder / "rows/span-1", OLD, 1)
    write(folder / "rows/span-2", [*OLD, *NEW], 2)
    runs = []
    for span in (1, 1, 2):
        text = CONFIG.replace("SPANS", str(span)).replace("EXCESS", WINDOWS)
        (folder / "pipeline_config.yaml").write_text(text)
        runs.append(tokenline("run", cwd=folder))
        assert runs[-1].code == 0, runs[-1].out + runs[-1].err
    return runs, folder


def file_of(run, name: str = "target.sentencepiece.model", node: str = "VocabularyGen") -> bytes:
    output = {"VocabularyGen": "vocabulary", "ExampleGen": "subwords"}[node]
    return pathlib.Path(run.record["outputs"][node][output], name).read_bytes()


def pieces(model: bytes, text: str) -> list[str]:
    return sentencepiece.SentencePieceProcessor(model_proto=model).encode(text, out_type=str)


def texts(folder: pathlib.Path, span: int, split: str) -> list[str]:
    files = sorted((folder / f"rows/span-{span}").glob(f"{split}*"))
    lines = [line for file in files for line in file.read_text().splitlines()]
    return [json.loads(line)["text"].lower() for line in lines]


def windows(run, split: str) -> list[tuple[str, int]]:
    """(text, tokens of context) of the raw rows."""
    files = sorted(
        tf.io.gfile.glob(run.record["outputs"]["ExampleGen"]["examples"] + f"/Split-{split}/*")
    )
    rows = tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator()
    found = [tf.train.Example.FromString(row).features.feature for row in rows]
    return [
        (row["text"].bytes_list.value[0].decode(), row["_context_length"].int64_list.value[0])
        for row in found
    ]


@pytest.mark.parametrize(("number", "span"), [(0, 1), (2, 2)])
def test_each_piece_that_the_library_counts_is_trained_on_once(line, number, span) -> None:
    runs, folder = line
    model = file_of(runs[number])
    for split in ("train", "eval"):
        expected = [piece for text in texts(folder, span, split) for piece in pieces(model, text)]
        read = [
            piece
            for text, context in windows(runs[number], split)
            for piece in pieces(model, text.lower())[context:]
        ]
        assert read == expected
        row = runs[number].record["ledger"]["splits"][split]["target"]
        assert row["trained"] == len(expected) + len(texts(folder, span, split))  # and eos
        assert (row["truncated"], row["dropped"], row["out_of_vocabulary"]) == (0, 0, 0)
        assert row["context"] == sum(context for _, context in windows(runs[number], split)) > 0


def test_both_components_cut_with_the_pieces_that_were_learned_once(line) -> None:
    runs, _ = line
    learned = file_of(runs[0], node="ExampleGen")
    assert learned == file_of(runs[0])
    trained_on = sentencepiece.SentencePieceProcessor(model_proto=learned)
    assert 256 < trained_on.get_piece_size() - 1 <= 340 - 4


def test_the_same_again_is_cached(line) -> None:
    runs, _ = line
    states = runs[1].states()
    assert {states[node] for node in DOWN_TO_THE_TRAINER} == {"cached"}


def test_a_new_span_keeps_all_ids_and_is_cut_with_the_old_pieces(line) -> None:
    runs, _ = line
    assert runs[2].states()["ExampleGen"] == "done"
    assert "subwords" not in runs[2].record["outputs"]["ExampleGen"]
    assert file_of(runs[2]) == file_of(runs[0])
    assert file_of(runs[2], "target.jsonl") == file_of(runs[0], "target.jsonl")


def test_windows_with_token_weights_train_on_each_token_with_its_own(tokenline, tmp_path) -> None:
    dice = random.Random(5)
    sums, positive, rows = 0.0, 0, 0
    for split, count in {"train": 30, "eval": 8}.items():
        folder = tmp_path / "rows/span-1"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{split}.jsonl").open("w") as file:
            for _ in range(count):
                weights = dice.choices([0, 0.5, 1, 3], k=dice.randint(1, 50))
                text = " ".join(dice.choices(OLD, k=len(weights)))
                file.write(json.dumps({"text": text, "w": weights}) + "\n")
                sums, rows = sums + sum(weights), rows + 1
                positive += sum(weight > 0 for weight in weights)
    text = CONFIG.replace("SPANS", "1").replace("EXCESS", WINDOWS).replace("sentencepiece", "regex")
    text = text.replace("lowercase: true", r"target_pattern: '\S+'")
    text = text.replace("vocab_size: 340", "columns: {weights: w}")
    (tmp_path / "pipeline_config.yaml").write_text(text)
    run = tokenline("run", cwd=tmp_path)
    assert run.code == 0, run.out + run.err
    ledger = run.record["ledger"]["splits"]
    assert sum(split["target"]["trained"] for split in ledger.values()) == positive + rows  # eos
    files = tf.io.gfile.glob(
        run.record["outputs"]["Transform"]["transformed_examples"] + "/Split-*/*"
    )
    found = 0.0
    for row in tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator():
        features = tf.train.Example.FromString(row).features.feature
        found += sum(features["loss_weights"].float_list.value)
    assert found == pytest.approx(sums + rows)


def test_too_few_ids_are_one_line(tokenline, tmp_path) -> None:
    write(tmp_path / "rows/span-1", OLD, 1)
    text = CONFIG.replace("SPANS", "1").replace("EXCESS", "drop").replace("340", "200")
    (tmp_path / "pipeline_config.yaml").write_text(text)
    found = tokenline("run", cwd=tmp_path)
    assert found.code == 2
    letters = len({letter for text in texts(tmp_path, 1, "train") for letter in text})
    expected = f"got 200 ids (data.vocab_size), expected at least {260 + letters} for sentencepiece"
    [line_] = [each for each in found.err.splitlines() if each]
    assert line_.startswith(f"tokenline: column 'text': {expected}: 4 reserved, 256 bytes, ")
