"""VocabularyGen takes the pieces that ExampleGen has cut with, and learns none."""

import json
import pathlib

import tensorflow as tf
from tfx.types import artifact_utils, standard_artifacts

from components.artifacts import Subwords, TokenLedger, Vocabulary
from components.vocabulary_gen import spec
from components.vocabulary_gen.executor import Executor
from transform.settings import Settings, Side
from transform.vocabulary import Vocabularies


def test_the_pieces_that_examples_were_cut_with_are_the_vocabulary(tmp_path):
    examples, subwords = standard_artifacts.Examples(), Subwords()
    vocabulary, ledger = Vocabulary(), TokenLedger()
    for name, artifact in zip("espl", (examples, subwords, vocabulary, ledger), strict=True):
        artifact.uri = str(tmp_path / name)
    examples.split_names = artifact_utils.encode_split_names(["train"])
    (tmp_path / "e/Split-train").mkdir(parents=True)
    (tmp_path / "s").mkdir()
    content = b"[UNK]\nlow\n##er\nnew\n"  # nothing learns these from what follows
    (tmp_path / "s/target.wordpiece.txt").write_bytes(content)
    example = tf.train.Example()
    example.features.feature["text"].bytes_list.value.append(b"lower newer old")
    path = str(tmp_path / "e/Split-train/data.gz")
    with tf.io.TFRecordWriter(path, tf.io.TFRecordOptions("GZIP")) as writer:
        writer.write(example.SerializeToString())
    properties = {
        spec.SETTINGS: Settings("lm", Side("text", "wordpiece", 9)).to_json(),
        spec.VOCABULARY_SIZE: 100,
        spec.MIN_FREQUENCY: 1,
        spec.MAX_LOST_TOKENS: 1.0,
        spec.MAX_OOV_RATE: 1.0,
        spec.BASE_VOCABULARY: "",
        spec.INPUT_KEY: "key",
    }
    context = Executor.Context(tmp_dir=str(tmp_path), unique_id="once")
    inputs = {spec.EXAMPLES: [examples], spec.SUBWORDS: [subwords]}
    outputs = {spec.VOCABULARY: [vocabulary], spec.LEDGER: [ledger]}
    Executor(context).Do(inputs, outputs, properties)
    found = Vocabularies.read(vocabulary.uri)["target"]
    assert (found.tokens, found.subwords) == ((b"low", b"##er", b"new"), content)
    counted = json.loads(pathlib.Path(ledger.uri, "ledger.json").read_text())
    assert counted["splits"]["train"]["target"]["out_of_vocabulary"] == 1
    assert counted["splits"]["train"]["target"]["tokens_read"] == 6
