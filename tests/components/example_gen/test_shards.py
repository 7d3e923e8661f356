"""The sizes of shards, and what is in them."""

import gzip

import tensorflow as tf

from components.example_gen import shards
from components.example_gen.columns import parse_columns
from components.example_gen.places import Places
from components.example_gen.records import frames


def write(folder, examples, **options):
    writer = shards.ShardWriter(str(folder), unit=3, span=7, **options)
    for line, (split, example) in enumerate(examples, 1):
        writer.write(split, example, file=2, line=line)
    writer.close()
    return writer.parts


def test_shards_double_in_size_after_64_of_a_size(tmp_path):
    parts = write(tmp_path, [("train", b"xxxxx")] * 300, shard_bytes=10)["train"]
    assert [part.rows for part in parts] == [2] * 64 + [4] * 43
    assert {(part.split, part.span) for part in parts} == {("train", 7)}
    assert [part.name for part in parts[:2]] == ["train.00003.00000.gz", "train.00003.00001.gz"]


def test_each_split_has_its_own_shards_in_order(tmp_path):
    examples = [("eval" if n % 3 == 0 else "train", b"%02d" % n) for n in range(30)]
    found, lines = {}, []
    for split, parts in write(tmp_path, examples, shard_bytes=8).items():
        assert [part.rows for part in parts][:-1] == [4] * (len(parts) - 1)
        for part in parts:
            with gzip.open(tmp_path / part.name) as stream:
                found.setdefault(split, []).extend(frames(stream))
            places = Places(str(tmp_path / part.lines), ("a", "b", "c"))
            lines += places.of(range(part.rows), of_all=part.rows).values()
    assert found == {
        name: [example for split, example in examples if split == name]
        for name in ("train", "eval")
    }
    assert lines == [
        f"c:{line}"
        for name in ("eval", "train")
        for line, (split, _) in enumerate(examples, 1)
        if split == name
    ]


def test_200_000_sentences_are_several_shards():
    # Of 17 words each: 25 MB before compression, so two processors have something to share.
    assert 25_000_000 / shards.SHARD_BYTES > 4


def test_the_features_of_an_example():
    columns = parse_columns({"text": "text", "ids": "id_list", "weight": "weight?"})
    example = tf.train.Example.FromString(shards.encode(columns, [[b"a\xc3"], [5, 6], None]))
    features = example.features.feature
    assert features["text"].bytes_list.value[:] == [b"a\xc3"]
    assert features["ids"].int64_list.value[:] == [5, 6]
    assert features["weight"].WhichOneof("kind") is None
