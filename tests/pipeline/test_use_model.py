"""`tokenline predict` and `score`: rows as the model reads them, and one line where it refuses them."""

import json

import pytest
import tensorflow as tf

from components.errors import InputError
from pipeline import use_model
from transform.settings import CONTEXT_LENGTH, ID_LIST, Settings, Side


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
