"""`tokenline predict` and `score`: rows as the model reads them, and one line where it refuses them."""

import json
import types

import numpy as np
import pytest
import tensorflow as tf

from components.errors import InputError
from pipeline import use_model
from transform.settings import CONTEXT_LENGTH, ID_LIST, Settings, Side
from transform.weights import token_factor


def _facts(tokenizer):
    return json.loads(Settings("lm", Side("text", tokenizer, 9)).to_json())


def _columns(row, tokenizer):
    serialized = use_model._example(json.dumps(row), _facts(tokenizer), "rows:1")
    return tf.train.Example.FromString(serialized).features.feature


def test_ids_are_written_as_numbers():
    found = _columns({"text": [5, 0, 7]}, ID_LIST)
    assert list(found["text"].int64_list.value) == [5, 0, 7]


@pytest.mark.parametrize("value", [[1.0], [-1], "5", [True], [None]])
def test_what_is_no_id_is_refused(value):
    with pytest.raises(
        InputError, match=r"rows:1: column 'text': got .*, expected whole numbers >= 0"
    ):
        _columns({"text": value}, ID_LIST)


@pytest.mark.parametrize("tokenizer", ["wordpiece", "sentencepiece", "regex"])
def test_text_that_is_cut_by_the_model_stays_text(tokenizer):
    assert list(_columns({"text": "a b"}, tokenizer)["text"].bytes_list.value) == [b"a b"]


def test_the_context_of_a_window_goes_to_the_model():
    found = _columns({"text": "a b", CONTEXT_LENGTH: 1}, "whitespace")
    assert list(found[CONTEXT_LENGTH].int64_list.value) == [1]


def test_a_refusal_says_why_on_one_line():
    served = tf.function(lambda text: tf.strings.to_number(text, tf.int64))
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        served(tf.constant(["a"]))
    found = use_model._refused("file", 3, 7, caught.value)
    assert found.startswith("file, rows 3 to 7: ")
    assert "convert string: a" in found
    assert "\n" not in found


def test_predictions_as_json():
    """Sums and means as the signature gives them; a prompt that leaves no room has no mean."""
    outputs = {
        "lengths": np.array([4, 2]),
        "generated": np.array([3, 0]),
        "log_probability": np.array([-1.5, 0.0], np.float32),
        "log_probability_per_token": np.array([-0.5, 0.0], np.float32),
        "truncated": np.array([False, True]),
    }
    assert use_model.predicted(outputs, 0, "12", "one two") == {
        "input": "12",
        "output": "one two",
        "log_probability": -1.5,
        "log_probability_per_token": -0.5,
        "tokens": 3,
        "truncated": False,
    }
    cut = use_model.predicted(outputs, 1, "12", "")
    assert (cut["log_probability_per_token"], cut["tokens"], cut["truncated"]) == (None, 0, True)
    tagged = {
        "lengths": np.array([2]),
        "confidence": np.array([[0.5, 0.25, 0.0]], np.float32),
        "truncated": np.array([False]),
    }
    found = use_model.predicted(tagged, 0, "a b", "a/X b/Y")
    assert (found["output"], found["confidence"]) == ("a/X b/Y", [0.5, 0.25])


def _weighted(examples):
    """A signature that reads the token weights as the exported one does."""
    spec = {"text": tf.io.VarLenFeature(tf.string), "w": tf.io.VarLenFeature(tf.float32)}
    row = tf.io.parse_example(examples, spec)
    text = tf.RaggedTensor.from_sparse(row["text"])
    counts = tf.strings.split(tf.strings.reduce_join(text, axis=-1)).row_lengths()
    side = Side("text", "whitespace", 9)
    factor = token_factor(tf.RaggedTensor.from_sparse(row["w"]), counts, side)
    sums = tf.reduce_sum(factor, axis=-1)
    names = ("loss_sum", "weight_sum", "token_count", "sequence_correct")
    return dict.fromkeys(names, sums)


def test_of_many_rows_the_one_with_a_wrong_number_of_weights_is_named(
    tmp_path, monkeypatch, capsys
):
    settings = Settings("lm", Side("text", "whitespace", 9), token_weights="w")
    facts = {"settings": json.loads(settings.to_json())}
    signature = tf.function(_weighted, input_signature=[tf.TensorSpec([None], tf.string)])
    model = types.SimpleNamespace(signatures={"score": signature})
    monkeypatch.setattr(use_model, "folder_of", lambda *_: "")
    monkeypatch.setattr(use_model, "load", lambda _: (model, facts))
    good, bad = {"text": "a b c", "w": [1, 1, 1]}, {"text": "a b c", "w": [1, 1]}
    file = tmp_path / "rows"
    file.write_text("\n".join(json.dumps(row) for row in (good, good, bad)))
    with pytest.raises(InputError) as caught:
        use_model.score("m", "c", str(file))
    assert str(caught.value) == (
        f"{file}:3: column 'w': got 2 weights for 3 tokens, expected one for each"
    )
    file.write_text(json.dumps(good))
    assert use_model.score("m", "c", str(file)) == 0
    assert json.loads(capsys.readouterr().out)["weight_sum"] == 9.0


def test_tags_are_as_many_as_tokens():
    sides = Side("tags", "pretokenized", 9), Side("tokens", "pretokenized", 9)
    facts = json.loads(Settings("tagging", *sides).to_json())
    row = json.dumps({"tokens": ["a", "b"], "tags": ["X"]})
    with pytest.raises(InputError) as caught:
        use_model._example(row, facts, "rows:1")
    assert str(caught.value) == (
        "rows:1: column 'tags': got 1 tags for 2 tokens, expected one for each"
    )


def test_json_with_a_control_character_is_refused_in_one_sentence():
    with pytest.raises(InputError, match=r"got invalid JSON \(Invalid control character: line 1"):
        use_model._example('{"text": "a\x01"}', _facts("whitespace"), "rows:1")
