"""Sentences of our own, as ExampleGen would write them: seeded, words as frequent as Zipf has them."""

import pathlib

import numpy as np

WORDS = 50_000
MEAN_TOKENS = 16.5
SHARD_ROWS = 500_000  # about ExampleGen's 64 MB
EVAL_SHARE = 0.05
TEXT = "text"


def texts(count: int, seed: int) -> list[bytes]:
    """Sentences of 1 to about 35 words, 16.5 on average."""
    random = np.random.default_rng(seed)
    chances = 1 / (np.arange(WORDS) + 2.7)
    words = [b"%x" % (word * 2_654_435_761 % 2**32 >> 8) for word in range(WORDS)]
    lengths = 1 + random.poisson(MEAN_TOKENS - 1, count)
    chosen = random.choice(WORDS, size=lengths.sum(), p=chances / chances.sum()).tolist()
    ends = np.cumsum(lengths).tolist()
    return [
        b" ".join([words[word] for word in chosen[start:end]])
        for start, end in zip([0, *ends[:-1]], ends, strict=True)
    ]


def write(folder: str, count: int, eval_share: float = EVAL_SHARE) -> None:
    """Splits `train` and `eval` of raw tf.Examples in gzipped TFRecord shards."""
    import tensorflow as tf

    rows = {"train": count - int(count * eval_share), "eval": int(count * eval_share)}
    for seed, (split, left) in enumerate(rows.items()):
        path = pathlib.Path(folder, f"Split-{split}")
        path.mkdir(parents=True)
        shards = -(-left // SHARD_ROWS)
        for shard in range(shards):
            name = path / f"data_tfrecord-{shard:05d}-of-{shards:05d}.gz"
            with tf.io.TFRecordWriter(str(name), "GZIP") as writer:
                for text in texts(min(SHARD_ROWS, left), 1000 * seed + shard):
                    writer.write(_example(text))
            left -= SHARD_ROWS


def _example(text: bytes) -> bytes:
    import tensorflow as tf

    value = tf.train.Feature(bytes_list=tf.train.BytesList(value=[text]))
    features = tf.train.Features(feature={TEXT: value})
    return tf.train.Example(features=features).SerializeToString()
