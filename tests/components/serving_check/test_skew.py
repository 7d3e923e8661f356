"""The gate on real transform graphs: rows by one, the served model's by a mutant of it."""

import dataclasses
import functools

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_transform.tf_metadata import schema_utils

from components.sequence_transform import graph, wire
from components.serving_check import skew
from components.serving_check.rows import Row
from transform import preprocessing
from transform.settings import Settings, Side
from transform.vocabulary import Vocabularies, Vocabulary

SIDE = Side("text", "whitespace", 4, lowercase=True)
WORDS = (b"one", b"two", b"three", b"Two")
TEXTS = ["one two", "one Two three two", "three"]


@pytest.fixture(scope="module")
def features_by(tmp_path_factory):
    """The features of TEXTS by the transform graph of a side and a vocabulary."""

    @functools.cache
    def transform(side=SIDE, words=WORDS):
        folder = tmp_path_factory.mktemp("graph")
        settings = Settings("lm", side)
        vocabularies = Vocabularies({"target": Vocabulary(words)}, settings.token_identity())
        vocabularies.write(str(folder / "vocabulary"))
        config = {
            preprocessing.SETTINGS: settings.to_json(),
            preprocessing.VOCABULARY: str(folder / "vocabulary"),
        }
        schema = schema_utils.schema_from_feature_spec({"text": tf.io.VarLenFeature(tf.string)})
        function = functools.partial(preprocessing.preprocessing_fn, custom_config=config)
        graph.write(function, schema, str(folder / "graph"))
        found = graph.load(str(folder / "graph"))(tf.constant(_raw()))
        return {name: value.numpy() for name, value in found.items()}

    return transform


@pytest.fixture(scope="module")
def written(features_by):
    """What Transform wrote: the rows, as the component would serialize them."""
    return [
        Row(raw, made, f"data/rows.jsonl:{line}")
        for line, (raw, made) in enumerate(
            zip(_raw(), wire.serialize(features_by()), strict=True), 1
        )
    ]


def _raw():
    rows = []
    for text in TEXTS:
        example = tf.train.Example()
        example.features.feature["text"].bytes_list.value.append(text.encode())
        rows.append(example.SerializeToString())
    return rows


def test_the_same_graph_has_no_skew(written, features_by):
    assert skew.differences(written, features_by(), shown_column="text") == []


def test_another_lower_casing_is_caught(written, features_by):
    served = features_by(dataclasses.replace(SIDE, lowercase=False))
    assert skew.differences(written, served, shown_column="text") == [
        "data/rows.jsonl:2 ('one Two three two'): targets[1]: got 7 from the served model, "
        "Transform wrote 5"
    ]


def test_a_swapped_vocabulary_is_caught(written, features_by):
    served = features_by(words=(b"two", b"one", b"three", b"Two"))
    assert skew.differences(written, served, shown_column="text") == [
        "data/rows.jsonl:1 ('one two'): targets[0]: got 5 from the served model, Transform wrote 4",
        "data/rows.jsonl:2 ('one Two three two'): targets[0]: got 5 from the served model, "
        "Transform wrote 4",
    ]


@pytest.mark.parametrize("length", [3, 5])
def test_a_length_that_is_off_by_one_is_caught(written, features_by, length):
    found = skew.differences(written, features_by(dataclasses.replace(SIDE, max_length=length)))
    assert len(found) == 3
    assert found[0] == (
        f"data/rows.jsonl:1: loss_weights: got {length} values from the served model, "
        "Transform wrote 4"
    )


def test_weights_are_equal_to_the_last_bit(written, features_by):
    served = dict(features_by())
    served["loss_weights"] = served["loss_weights"].copy()
    served["loss_weights"][2, 1] = np.nextafter(np.float32(1), np.float32(2))
    assert skew.differences(written, served) == [
        "data/rows.jsonl:3: loss_weights[1]: got 1.0000001192092896 from the served model, "
        "Transform wrote 1.0"
    ]


def test_a_feature_that_one_of_them_lacks_is_named(written, features_by):
    served = dict(features_by())
    served["more"] = served.pop("target_lengths")
    found = skew.differences(written[:1], served)
    assert found == [
        "data/rows.jsonl:1: target_lengths: got it from Transform only, expected it of the served "
        "model too"
    ]


def test_only_the_first_rows_are_named(written, features_by):
    served = {name: np.concatenate([value] * 4) for name, value in features_by().items()}
    served["target_lengths"] = served["target_lengths"] + 1
    found = skew.differences(written * 4, served)
    assert len(found) == 4
    assert found[-1] == "and 9 more rows"
