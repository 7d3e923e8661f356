"""What the candidate makes of the samples, through the signature that serves text."""

import json

import pytest
import tensorflow as tf

from components.evaluator.samples import with_generated

SAMPLES = [
    {"key": "a.jsonl:1", "source": "one", "text": "un deux trois"},
    {"key": "a.jsonl:2", "source": "two", "text": "chat"},
]


class _Echo(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def text(self, text):
        return {"text": tf.strings.join(["<", text, ">"])}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def tags(self, text):
        rows = tf.size(text)
        return {
            "tags": tf.tile([["NOUN", "VERB", ""]], [rows, 1]),
            "lengths": tf.range(1, rows + 1, dtype=tf.int64),
        }


def save(folder, task, *, signature="text"):
    model = _Echo()
    name = "other" if signature == "none" else "serving_text"
    function = model.tags if signature == "tags" else model.text
    tf.saved_model.save(model, str(folder), signatures={name: function})
    if task:
        (folder / "assets.extra").mkdir()
        (folder / "assets.extra" / "tokenline.json").write_text(json.dumps({"task": task}))
    return str(folder)


@pytest.mark.parametrize(
    ("task", "signature", "generated", "prompts"),
    [
        ("seq2seq", "text", ["<one>", "<two>"], [None, None]),
        # The first half of the words; of a single one, of its characters.
        ("lm", "text", ["<un>", "<ch>"], ["un", "ch"]),
        ("tagging", "tags", ["NOUN", "NOUN VERB"], [None, None]),
        # A model that cannot generate fails nothing.
        ("seq2seq", "none", [None, None], [None, None]),
        ("", "text", [None, None], [None, None]),
    ],
)
def test_what_is_generated(tmp_path, task, signature, generated, prompts):
    model = save(tmp_path / "model", task, signature=signature)
    found = with_generated(SAMPLES, model)
    assert [sample["generated"] for sample in found] == generated
    assert [sample.get("prompt") for sample in found] == prompts
    assert [{name: row[name] for name in SAMPLES[0]} for row in found] == SAMPLES


def test_without_samples_no_model_is_loaded():
    assert with_generated([], "nowhere") == []
