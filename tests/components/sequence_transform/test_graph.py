"""Graphs that Transform writes: what they refuse, and that they carry any resource."""

import functools
import shutil
from collections import Counter

import pytest
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform.tf_metadata import schema_utils

from components.sequence_transform import graph
from components.subwords import learning
from transform import preprocessing
from transform.settings import SUBWORDS, Settings, Side, subword_file
from transform.vocabulary import Vocabularies, Vocabulary

SCHEMA = schema_utils.schema_from_feature_spec({"words": tf.io.VarLenFeature(tf.string)})


def examples(*rows: list[bytes]) -> tf.Tensor:
    found = []
    for row in rows:
        example = tf.train.Example()
        example.features.feature["words"].bytes_list.value.extend(row)
        found.append(example.SerializeToString())
    return tf.constant(found)


def test_an_analyser_is_refused(tmp_path) -> None:
    def function(columns):
        return {"scaled": tft.scale_to_0_1(tf.strings.length(columns["words"].values))}

    with pytest.raises(RuntimeError, match="TFT analyzers found"):
        graph.write(function, SCHEMA, str(tmp_path))


@pytest.mark.parametrize("default", [-1, 9])
def test_tables_travel_with_the_graph(tmp_path, default: int) -> None:
    def function(columns):
        table = tft.make_and_track_object(
            lambda: tf.lookup.StaticHashTable(
                tf.lookup.KeyValueTensorInitializer([b"a", b"b"], tf.constant([4, 5], tf.int64)),
                default_value=default,
            ),
            name="table",
        )
        words = tf.RaggedTensor.from_sparse(columns["words"])
        ids = tf.ragged.map_flat_values(table.lookup, words)
        return {"ids": ids.to_tensor(-7, shape=[None, 2])}

    graph.write(function, SCHEMA, str(tmp_path))
    transform = graph.load(str(tmp_path))
    found = transform(examples([b"a", b"new"], [], [b"b"]))
    assert found["ids"].numpy().tolist() == [[4, default], [-7, -7], [5, -7]]
    spec = tft.TFTransformOutput(str(tmp_path)).transformed_feature_spec()
    assert spec == {"ids": tf.io.FixedLenFeature([2], tf.int64)}


@pytest.mark.parametrize("tokenizer", SUBWORDS)
def test_subwords_travel_with_the_graph(tmp_path, tokenizer: str) -> None:
    side = Side("words", tokenizer, 12)
    content = learning.learn(Counter({b"low": 5, b"lower": 3, b"new": 4, b"newer": 2}), side, 310)
    settings = Settings("lm", side)
    name = subword_file("target", side)
    pieces = tuple(learning.pieces(content, side))
    target = Vocabulary(pieces, subword_file=name, subwords=content)
    vocabularies = Vocabularies({"target": target}, settings.token_identity())
    vocabularies.write(str(tmp_path / "vocabulary"))
    config = {"settings": settings.to_json(), "vocabulary": str(tmp_path / "vocabulary")}
    function = functools.partial(preprocessing.preprocessing_fn, custom_config=config)
    graph.write(function, SCHEMA, str(tmp_path / "graph"))
    shutil.rmtree(tmp_path / "vocabulary")  # the graph needs no file
    found = graph.load(str(tmp_path / "graph"))(examples([b"lower"], [b"newest"], []))
    lengths = found["target_lengths"].numpy()
    ids = [row[:length] for row, length in zip(found["targets"].numpy(), lengths, strict=True)]
    assert lengths[2] == 1
    assert [row[-1] for row in ids] == [settings.special.eos] * 3
    first = target.first_id
    text = b"".join(pieces[number - first] for number in ids[0][:-1])
    assert text.replace(b"##", b"").replace("▁".encode(), b"") == b"lower"
