"""Words are counted in parts, and the parts add up to the whole."""

from collections import Counter

import tensorflow as tf

from components.subwords import words
from transform.settings import Side


def _column(*texts):
    return tf.ragged.constant([[text] for text in texts], tf.string, ragged_rank=1)


def test_a_word_is_what_its_tokenizer_learns_from():
    texts = _column("Don't do", "do", "")
    found = words.count(texts, Side("t", "wordpiece", 9))
    assert found == Counter({b"do": 2, b"Don": 1, b"'": 1, b"t": 1})
    found = words.count(texts, Side("t", "sentencepiece", 9, lowercase=True))
    assert found == Counter({b"don't": 1, b" do": 1, b"do": 1})


def test_parts_add_up_by_side(tmp_path):
    word = "\u05e9\u05dc \U0001f600\n\0".encode()
    parts = [
        {"source": Counter({b"a": 2, word: 1})},
        {"source": Counter({b"a": 3}), "target": Counter({b"a": 7})},
        {"target": Counter()},
    ]
    paths = [str(tmp_path / str(number)) for number in range(3)]
    for path, part in zip(paths, parts, strict=True):
        words.write(path, part)
    assert words.total(paths) == {
        "source": Counter({b"a": 5, word: 1}),
        "target": Counter({b"a": 7}),
    }
    assert words.total([]) == {}
