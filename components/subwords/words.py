"""The words that pieces are learned from: counted in parts, the parts added in order."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping

import tensorflow as tf

from transform import tokenizers
from transform.settings import Side


def count(values: tf.RaggedTensor, side: Side) -> Counter:
    """How often each word occurs in a raw column, string [B, (N)]."""
    found = tf.unique_with_counts(tokenizers.words(values, side).flat_values, out_idx=tf.int64)
    return Counter(dict(zip(found.y.numpy().tolist(), found.count.numpy().tolist(), strict=True)))


def write(path: str, counts: Mapping[str, Counter]) -> None:
    """Write the counts of some rows, by side. Words are UTF-8, as the tokenizer makes them."""
    plain = {
        name: {word.decode(): number for word, number in found.items()}
        for name, found in counts.items()
    }
    with tf.io.gfile.GFile(path, "w") as stream:
        stream.write(json.dumps(plain))


def total(paths: Iterable[str]) -> dict[str, Counter]:
    """The sum of what was written to these files, by side; one file is held at a time."""
    sums: dict[str, Counter] = {}
    for path in paths:
        with tf.io.gfile.GFile(path) as stream:
            counts = json.loads(stream.read())
        for name, found in counts.items():
            into = sums.setdefault(name, Counter())
            for word, number in found.items():
                into[word.encode()] += number
    return sums
