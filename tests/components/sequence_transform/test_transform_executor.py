"""The Transform executor against TFX's own: the same graph, the same rows; and its own promises."""

import dataclasses
import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from transform_cases import SETTINGS, Done, row

from components import shards
from components.errors import InputError
from components.sequence_transform import materialise
from transform import features
from transform.features import Lengths
from transform.settings import Settings, Side

TRAIN = [
    [
        row("a b new É x\0y", [0.5, 2.0, 0.0, 1.0, 3.0], [2.0]),
        row(""),
        row("a b a b a b a b", [float(n) for n in range(8)]),
        row("😀 שלום e\u0301 \0"),
    ],
    [row("b" * 100_000), row("a", [], [0.25])],
]
EVAL = [[row("a"), row("b a")]]


@pytest.fixture(scope="module")
def inputs(make_inputs):
    return make_inputs({"train": TRAIN, "eval": EVAL})


@pytest.fixture(scope="module")
def ours(inputs) -> Done:
    return inputs.ours()


@pytest.fixture(scope="module")
def by_tfx(inputs) -> Done:
    return inputs.by_tfx()


def parsed(found: list[bytes]) -> dict[str, np.ndarray]:
    spec = features.feature_spec(Lengths(5, 5, 3))
    return {name: value.numpy() for name, value in tf.io.parse_example(found, spec).items()}


def in_order(record: bytes) -> bytes:
    """The record with its features by name: TFX writes them in another order each time."""
    return tf.train.Example.FromString(record).SerializeToString(deterministic=True)


def files(folder: pathlib.Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("split", ["train", "eval"])
def test_rows_are_those_of_tfx(ours: Done, by_tfx: Done, split: str) -> None:
    found, expected = ours.records(split), by_tfx.records(split)
    assert len(found) == len(expected) == {"train": 6, "eval": 2}[split]
    # TFX keeps no order over shards.
    assert sorted(map(in_order, found)) == sorted(map(in_order, expected))


def test_rows_keep_their_order_and_their_shard(ours: Done) -> None:
    assert files(ours.examples) == [
        "Split-eval/transformed_examples-00000-of-00001.gz",
        "Split-train/transformed_examples-00000-of-00002.gz",
        "Split-train/transformed_examples-00001-of-00002.gz",
    ]
    found = parsed(ours.records("train"))
    assert found["target_lengths"].tolist() == [5, 1, 5, 5, 2, 2]
    # 4 reserved ids, one more out-of-vocabulary id: words start at 5. eos is never cut.
    assert found["inputs"][[1, 2, 5]].tolist() == [
        [3, 0, 0, 0, 0],
        [5, 6, 5, 6, 3],
        [5, 3, 0, 0, 0],
    ]
    assert found["loss_weights"][[0, 2, 5]].tolist() == [
        [1.0, 4.0, 0.0, 2.0, 2.0],
        [0.0, 1.0, 2.0, 3.0, 1.0],
        [0.25, 0.25, 0.0, 0.0, 0.0],
    ]
    assert parsed(ours.records("eval"))["targets"].tolist() == [[5, 3, 0, 0, 0], [5, 5, 3, 0, 0]]


def test_the_artifacts_are_those_of_tfx(ours: Done, by_tfx: Done) -> None:
    assert files(pathlib.Path(ours.graph)) == files(pathlib.Path(by_tfx.graph))
    assert sorted(json.loads(ours.split_names)) == sorted(json.loads(by_tfx.split_names))
    for name in (
        tft.TFTransformOutput.RAW_METADATA_DIR,
        tft.TFTransformOutput.TRANSFORMED_METADATA_DIR,
    ):
        ours_schema = pathlib.Path(ours.graph, name, "schema.pbtxt").read_text()
        assert ours_schema == pathlib.Path(by_tfx.graph, name, "schema.pbtxt").read_text()


def test_the_graph_is_read_as_that_of_tfx(ours: Done, by_tfx: Done, inputs) -> None:
    mine, theirs = tft.TFTransformOutput(ours.graph), tft.TFTransformOutput(by_tfx.graph)
    assert mine.raw_feature_spec() == theirs.raw_feature_spec()
    assert mine.transformed_feature_spec() == theirs.transformed_feature_spec()
    assert mine.transformed_feature_spec() == features.feature_spec(Lengths(5, 5, 3))
    raw = next(shards.batches(str(inputs.folder / "raw/Split-train/data_tfrecord-00000.gz"), 9))
    found, expected = (
        output.transform_features_layer()(tf.io.parse_example(raw, output.raw_feature_spec()))
        for output in (mine, theirs)
    )
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name].numpy(), value.numpy(), err_msg=name)


def targets(record: bytes) -> list[int]:
    return list(tf.train.Example.FromString(record).features.feature["targets"].int64_list.value)


def again(inputs, ours: Done, folder: pathlib.Path, batch: int) -> list[bytes]:
    """The transformed training shards, written once more by the graph that is there."""
    raw = shards.files(str(inputs.folder / "raw" / "Split-train"))
    outputs = materialise.output_paths(raw, str(folder))
    for path in raw:
        job = materialise.Job(ours.graph, outputs, shown_column="words", batch=batch)
        materialise.materialise(path, job)
    return [pathlib.Path(path).read_bytes() for path in outputs.values()]


@pytest.mark.parametrize(("threads", "batch"), [(1, 1024), (1, 1), (2, 2), (4, 3)])
def test_the_bytes_depend_on_neither_threads_nor_batches(
    monkeypatch, inputs, ours: Done, tmp_path, threads: int, batch: int
) -> None:
    monkeypatch.setattr(shards, "THREADS", threads)
    expected = sorted((ours.examples / "Split-train").iterdir())
    found = again(inputs, ours, tmp_path, batch)
    assert found == [path.read_bytes() for path in expected]


def test_a_row_that_the_graph_refuses_is_named(make_inputs) -> None:
    good, bad = row("a b", [1.0, 2.0]), row("a b " + "b" * 50, [1.0])
    inputs = make_inputs({"train": [[good] * 3 + [bad, good, row("b", [1.0, 1.0])]], "eval": EVAL})
    with pytest.raises(InputError) as raised:
        inputs.ours()
    first, second = str(raised.value).splitlines()
    start = f"train split, row {'a b ' + 'b' * 35 + '…'!r}: token weights: expected one for each"
    assert first.startswith(start)
    assert second.startswith("train split, row 'b': token weights: expected one for each")
    assert "1" in first.partition("weights:")[2]
    assert "node" not in first
    assert "[" not in first
    assert files(inputs.folder / "ours" / "transformed") == [
        "Split-eval/transformed_examples-00000-of-00001.gz",
        "Split-train/.transformed_examples-00000-of-00001.gz",
    ]


def test_an_empty_shard_gives_an_empty_shard(make_inputs) -> None:
    done = make_inputs({"train": [[], [row("a")]], "eval": EVAL}).ours()
    assert len(files(done.examples)) == 3
    assert len(done.records("train")) == 1


def test_memory_holds_a_few_rows_whatever_the_shard(monkeypatch, inputs, ours, tmp_path) -> None:
    """Batches of one row: no more of them are read and not yet written than there are threads."""
    alive, most = 0, 0
    whole = shards.batches

    def counted(path: str, size: int):
        nonlocal alive, most
        for batch in whole(path, size):
            alive += 1
            most = max(most, alive)
            yield batch

    class Writer(tf.io.TFRecordWriter):
        def write(self, record: bytes) -> None:
            nonlocal alive
            alive -= 1
            super().write(record)

    monkeypatch.setattr(shards, "THREADS", 2)
    monkeypatch.setattr(shards, "batches", counted)
    monkeypatch.setattr(tf.io, "TFRecordWriter", Writer)
    again(inputs, ours, tmp_path, batch=1)
    assert alive == 0
    assert most == 3


def test_a_second_graph_of_the_same_name_is_the_one_that_is_used(make_inputs) -> None:
    inputs = make_inputs({"train": EVAL, "eval": [[]]})
    first = inputs.ours().records("train")
    shorter = dataclasses.replace(SETTINGS, target=Side("tags", "pretokenized", 2))
    second = inputs.ours(settings=shorter).records("train")
    assert len(first) == len(second) == 2
    assert [len(targets(record)) for record in first + second] == [5, 5, 2, 2]


@pytest.mark.parametrize(
    ("target", "source", "characters", "expected"),
    [(32, 0, 0, 1024), (512, 0, 0, 256), (64, 64, 16, 215), (10**6, 0, 0, 1)],
)
def test_wide_rows_make_small_batches(target, source, characters, expected) -> None:
    side = Side("text", "whitespace", target)
    other = Side("other", "whitespace", source) if source else None
    settings = Settings("lm", side, other, input_chars=characters)
    assert materialise.batch_size(settings) == expected
