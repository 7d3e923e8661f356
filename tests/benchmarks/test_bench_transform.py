"""The benchmark compares what is the same: every candidate's rows on a few sentences."""

import copy

import numpy as np
import pytest
import tensorflow as tf
import tfx.components  # noqa: F401  (before TFDV)

from benchmarks import sentences, transform, transform_candidates
from transform.features import Lengths, feature_spec

COUNT = 300
SPLITS = ("train", "eval")


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> transform.Folders:
    """A few sentences, and what the candidates wrote of them."""
    made = transform.Folders(str(tmp_path_factory.mktemp("bench")))
    sentences.write(made.data(COUNT), COUNT)
    transform_candidates.prepare(made.data(COUNT), made.output("prepared"))
    for name in (transform.STOCK, transform.OURS, transform.ROWS, transform.PLAIN, transform.RARE):
        transform_candidates.CANDIDATES[name](made.data(COUNT), made.output(name))
    return made


def written(folders: transform.Folders, name: str, split: str) -> dict[str, np.ndarray]:
    pattern = f"{folders.output(name)}/transformed/Split-{split}/*.gz"
    files = sorted(tf.io.gfile.glob(pattern))
    records = list(tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator())
    spec = feature_spec(Lengths(transform_candidates.LENGTH))
    return {name: value.numpy() for name, value in tf.io.parse_example(records, spec).items()}


def test_sentences_are_seeded_and_as_long_as_said() -> None:
    found = sentences.texts(20_000, 1)
    assert found[:100] == sentences.texts(20_000, 1)[:100]
    assert found[:100] != sentences.texts(20_000, 2)[:100]
    tokens = [text.split(b" ") for text in found]
    assert np.mean([len(each) for each in tokens]) == pytest.approx(16.5, abs=0.1)
    words, counts = np.unique(np.concatenate(tokens), return_counts=True)
    assert 10_000 < len(words) <= sentences.WORDS
    top = np.sort(counts)[::-1]
    assert top[0] / top[99] == pytest.approx(102.7 / 2.7, rel=0.2)  # Zipf


@pytest.mark.parametrize("split", SPLITS)
def test_the_stock_transform_computes_the_same_contract(folders, split: str) -> None:
    stock, ours = (written(folders, name, split) for name in (transform.STOCK, transform.OURS))
    assert len(ours["targets"]) == {"train": 285, "eval": 15}[split]
    for name in ("target_lengths", "loss_weights"):
        np.testing.assert_array_equal(stock[name], ours[name], err_msg=name)
    # Words equally frequent have their ids in another order: the same ones are unknown, eos, padding.
    fixed = np.where(ours["targets"] < 4, ours["targets"], 4)
    np.testing.assert_array_equal(np.where(stock["targets"] < 4, stock["targets"], 4), fixed)
    pairs = set(zip(stock["targets"].flat, ours["targets"].flat, strict=True))
    assert len(pairs) == len(np.unique(ours["targets"]))


def test_the_others_write_the_bytes_that_ours_writes(folders) -> None:
    digest = transform_candidates.digest
    assert digest(folders.output(transform.ROWS)) == digest(folders.output(transform.OURS))
    assert digest(folders.output(transform.PLAIN)) == digest(folders.output(transform.OURS))
    assert digest(folders.output(transform.RARE)) != digest(folders.output(transform.OURS))


def test_inverse_frequency_weighs_rare_tokens_more(folders) -> None:
    found = written(folders, transform.RARE, "train")
    real = found["loss_weights"] > 0
    ids, weights = found["targets"][real], found["loss_weights"][real]
    assert weights[ids == 4].max() < weights[ids == 2000].min()


def test_stored_sizes(folders) -> None:
    found = transform_candidates.stored_bytes(folders.output(transform.OURS))
    files = tf.io.gfile.glob(folders.output(transform.OURS) + "/transformed/*/*.gz")
    assert found["padded"] == sum(tf.io.gfile.stat(file).length for file in files)
    assert 0.5 * found["padded"] < found["ragged"] < 2 * found["padded"]
    (record, *_) = tf.data.TFRecordDataset(files[:1], "GZIP").as_numpy_iterator()
    example = tf.train.Example.FromString(transform_candidates._without_padding(record))
    lengths = {
        len(f.int64_list.value or f.float_list.value) for f in example.features.feature.values()
    }
    whole = tf.train.Example.FromString(record).features.feature["target_lengths"]
    assert lengths == set(whole.int64_list.value)
    assert set(example.features.feature) == {"targets", "loss_weights"}


def test_a_worker_answers_times_and_memory(folders) -> None:
    with transform.workers([transform.OURS]) as made:
        found = transform.run(made[transform.OURS], folders, COUNT, threads=1)
        assert set(found) == {"cpu", "wall"}
        assert found["cpu"] > 0
        assert made[transform.OURS].ask("peak") > 10**8


def record(beyond: float, wall: float) -> dict:
    """What a run would have written, with TFX at 10 s beyond its start."""

    def runs(cpu: float, wall: float = 1.0) -> list[dict[str, float]]:
        return [{"cpu": cpu, "wall": wall}]

    rows = {transform.ROWS: runs(1.4), transform.PLAIN: runs(1.0)}
    return {
        "first": {transform.OURS: {"cpu": 3.0, "wall": 3.5}},
        "few": {name: runs(2.0) for name in (transform.STOCK, transform.OURS, transform.RARE)}
        | rows,
        "full": rows
        | {
            transform.STOCK: runs(12.0, 12.0),
            transform.OURS: runs(2.0 + beyond, wall),
            transform.RARE: runs(2.0 + 1.05 * beyond, wall),
        },
        "digests": {"1 threads": "a", "2 threads": "a"},
        "stored": {"padded": 105, "ragged": 100},
        "peaks": {"1": 100, "10": 120},
    }


def test_verdicts_are_computed_from_the_times() -> None:
    good = transform.verdicts(record(beyond=4.0, wall=3.0))
    assert [row[0] for row in good if not row[3]] == []
    assert good[0][2] == "2.50x"
    assert good[1][2] == "4.00x"
    slow = record(beyond=6.0, wall=6.0)
    slow["full"][transform.ROWS][0]["cpu"] = 1.6
    slow["full"][transform.RARE][0]["cpu"] = 9.0
    slow["first"][transform.OURS] = {"cpu": 4.1, "wall": 4.2}
    slow["stored"]["padded"] = 130
    slow["digests"]["4 threads"] = "b"
    slow["peaks"]["10"] = 140
    assert [row[3] for row in transform.verdicts(slow)] == [False] * len(good)
    without_peaks = copy.deepcopy(record(beyond=4.0, wall=3.0)) | {"peaks": {}}
    assert len(transform.verdicts(without_peaks)) == len(good) - 1
