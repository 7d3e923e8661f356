"""One graph, three ways in: TFT's Beam pass, the plain function, the saved transform graph."""

import functools

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from apache_beam.options.pipeline_options import PipelineOptions
from tensorflow_transform import beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

from transform import preprocessing
from transform.settings import Settings, Side
from transform.vocabulary import Vocabularies, Vocabulary

SETTINGS = Settings(
    "tagging",
    Side("tags", "pretokenized", 4),
    Side("tokens", "pretokenized", 4, lowercase=True),
    oov_buckets=2,
    input_chars=2,
    weights=("mask", "token", "example"),
    token_weights="token_weight",
    example_weights="example_weight",
)
VOCABULARIES = Vocabularies(
    {
        "source": Vocabulary((b"a", b"a\0", b"x\ny"), oov_buckets=2),
        "target": Vocabulary((b"N", b"V"), oov_buckets=2),
        "characters": Vocabulary((b"a", b"\0", "é".encode()), oov_buckets=2),
    },
    SETTINGS.token_identity(),
)
COLUMNS = {
    "tokens": tf.string,
    "tags": tf.string,
    "token_weight": tf.float32,
    "example_weight": tf.float32,
}
ROWS = [
    {
        "tokens": [b"A", b"a\0", b"x\ny", b"new", b"a"],
        "tags": [b"V", b"N", b"N", b"V", b"N"],
        "token_weight": [0.5, 2.0, 0.0, 1.0, 1.0],
        "example_weight": [3.0],
    },
    {"tokens": ["É".encode()], "tags": [b"?"], "token_weight": [], "example_weight": []},
    # As served: the target column and all that goes with it are absent.
    {"tokens": [b"a", b"a"], "tags": [], "token_weight": [], "example_weight": []},
]


def _sparse(rows):
    return {
        name: tf.ragged.constant([row[name] for row in rows], dtype, ragged_rank=1).to_sparse()
        for name, dtype in COLUMNS.items()
    }


def _eager(rows):
    tables = {name: side.token_table() for name, side in VOCABULARIES.sides.items()}
    found = preprocessing.transform(_sparse(rows), SETTINGS, VOCABULARIES, tables)
    return {name: value.numpy() for name, value in found.items()}


def _collect(row, *, path):
    """One file a row, named by its number of source tokens: rows of a pass have no order."""
    np.savez(f"{path}/{row['input_lengths']}.npz", **row)


@pytest.fixture(scope="module")
def passed(tmp_path_factory):
    """Runs TFT once; returns the folder of the transform graph and the transformed rows."""
    work = tmp_path_factory.mktemp("tft")
    VOCABULARIES.write(str(work / "vocabulary"))
    custom_config = {
        preprocessing.SETTINGS: SETTINGS.to_json(),
        preprocessing.VOCABULARY: str(work / "vocabulary"),
    }
    function = functools.partial(preprocessing.preprocessing_fn, custom_config=custom_config)
    spec = {name: tf.io.VarLenFeature(dtype) for name, dtype in COLUMNS.items()}
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
    (work / "rows").mkdir()
    with (
        beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as pipeline,
        tft_beam.Context(temp_dir=str(work / "temp"), force_tf_compat_v1=False),
    ):
        raw = pipeline | beam.Create(ROWS)
        (rows, _), graph = (raw, metadata) | tft_beam.AnalyzeAndTransformDataset(function)
        _ = graph | tft_beam.WriteTransformFn(str(work / "graph"))
        _ = rows | beam.Map(_collect, path=str(work / "rows"))
    kept = sorted((work / "rows").iterdir(), reverse=True)
    return str(work / "graph"), [dict(np.load(path)) for path in kept]


def test_eager_is_as_written_down():
    found = _eager(ROWS)
    # 4 reserved ids and one more out-of-vocabulary id: tokens start at 5. "?" falls into bucket 1.
    assert found["targets"].tolist() == [[6, 5, 5, 3], [4, 3, 0, 0], [3, 0, 0, 0]]
    assert found["inputs"][0].tolist() == [5, 6, 7, 3]
    assert found["loss_weights"].tolist() == [[1.5, 6, 0, 3], [1, 1, 0, 0], [1, 0, 0, 0]]
    assert found["target_lengths"].tolist() == [4, 2, 1]
    assert found["input_chars"][0, 1].tolist() == [5, 6]
    assert found["input_chars"][1, 0].tolist() == [7, 0]


def test_tft_materialises_what_the_function_returns(passed):
    _, materialised = passed
    expected = _eager(ROWS)
    order = sorted(range(len(ROWS)), key=lambda row: -expected["input_lengths"][row])
    assert len(materialised) == len(ROWS)
    for row, found in zip(order, materialised, strict=True):
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name], value[row], err_msg=name)


@pytest.mark.parametrize(
    "rows", [ROWS, ROWS[2:], []], ids=["all rows", "only one without a target", "no row"]
)
def test_the_saved_graph_computes_the_same(passed, rows):
    graph, _ = passed
    layer = tft.TFTransformOutput(graph).transform_features_layer()
    found = layer(_sparse(rows))
    expected = _eager(rows)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name].numpy(), value, err_msg=name)


def test_the_saved_graph_refuses_a_wrong_number_of_weights(passed):
    graph, _ = passed
    layer = tft.TFTransformOutput(graph).transform_features_layer()
    with pytest.raises(tf.errors.InvalidArgumentError, match="expected one for each token"):
        layer(_sparse([ROWS[0] | {"token_weight": [1.0]}]))


def test_a_vocabulary_that_was_tampered_with_stops_the_graph_from_being_built(tmp_path):
    VOCABULARIES.write(str(tmp_path))
    file = tmp_path / "target.jsonl"
    file.write_text(file.read_text().replace("V", "W"))
    custom_config = {
        preprocessing.SETTINGS: SETTINGS.to_json(),
        preprocessing.VOCABULARY: str(tmp_path),
    }
    with pytest.raises(ValueError, match="permuted, truncated or edited"):
        preprocessing.preprocessing_fn(_sparse(ROWS), custom_config)
