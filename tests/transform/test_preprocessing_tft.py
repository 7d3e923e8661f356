"""One graph, three ways in: TFT's Beam pass, the plain function, the saved transform graph."""

import functools
import hashlib

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from apache_beam.options.pipeline_options import PipelineOptions
from tensorflow_transform import beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

from transform import preprocessing
from transform.settings import CONTEXT_LENGTH, CONTINUES, SPAN, Settings, Side
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


def _sparse(rows, columns=COLUMNS):
    return {
        name: tf.ragged.constant([row[name] for row in rows], dtype, ragged_rank=1).to_sparse()
        for name, dtype in columns.items()
    }


def _eager(rows, settings=SETTINGS, vocabularies=VOCABULARIES, columns=COLUMNS):
    tables = {name: side.token_table() for name, side in vocabularies.sides.items()}
    found = preprocessing.transform(_sparse(rows, columns), settings, vocabularies, tables)
    return {name: value.numpy() for name, value in found.items()}


def _collect(row, *, path):
    """One file a row: rows of a pass have no order."""
    np.savez(f"{path}/{_content(row).hex()}.npz", **row)


def _content(row):
    values = b"".join(np.ascontiguousarray(row[name]).tobytes() for name in sorted(row))
    return hashlib.blake2b(values, digest_size=16).digest()


@pytest.fixture(scope="module")
def passed(tmp_path_factory):
    """Runs TFT once; returns the folder of the transform graph and the transformed rows."""
    return _run_tft(tmp_path_factory.mktemp("tft"), SETTINGS, VOCABULARIES, COLUMNS, ROWS)


def _run_tft(work, settings, vocabularies, columns, rows_in):
    vocabularies.write(str(work / "vocabulary"))
    custom_config = {
        preprocessing.SETTINGS: settings.to_json(),
        preprocessing.VOCABULARY: str(work / "vocabulary"),
    }
    function = functools.partial(preprocessing.preprocessing_fn, custom_config=custom_config)
    spec = {name: tf.io.VarLenFeature(dtype) for name, dtype in columns.items()}
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
    (work / "rows").mkdir()
    with (
        beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as pipeline,
        tft_beam.Context(temp_dir=str(work / "temp"), force_tf_compat_v1=False),
    ):
        raw = pipeline | beam.Create(rows_in)
        (rows, _), graph = (raw, metadata) | tft_beam.AnalyzeAndTransformDataset(function)
        _ = graph | tft_beam.WriteTransformFn(str(work / "graph"))
        _ = rows | beam.Map(_collect, path=str(work / "rows"))
    return str(work / "graph"), [dict(np.load(path)) for path in (work / "rows").iterdir()]


def test_eager_is_as_written_down():
    found = _eager(ROWS)
    # 4 reserved ids and one more out-of-vocabulary id: tokens start at 5. "?" falls into bucket 1.
    assert found["targets"].tolist() == [[6, 5, 5, 3], [4, 3, 0, 0], [3, 0, 0, 0]]
    assert found["inputs"][0].tolist() == [5, 6, 7, 3]
    assert found["loss_weights"].tolist() == [[1.5, 6, 0, 3], [1, 1, 0, 0], [1, 0, 0, 0]]
    assert found["target_lengths"].tolist() == [4, 2, 1]
    assert found["input_chars"][0, 1].tolist() == [5, 6]
    assert found["input_chars"][1, 0].tolist() == [7, 0]


def _assert_same_rows(materialised, expected):
    """Rows in any order against arrays [B, ...]."""
    names = expected.keys()
    assert all(row.keys() == names for row in materialised)
    wanted = [dict(zip(names, row, strict=True)) for row in zip(*expected.values(), strict=True)]
    assert len(materialised) == len(wanted)
    pairs = zip(sorted(materialised, key=_content), sorted(wanted, key=_content), strict=True)
    for found, row in pairs:
        for name in names:
            np.testing.assert_array_equal(found[name], row[name], err_msg=name)


def test_tft_materialises_what_the_function_returns(passed):
    _assert_same_rows(passed[1], _eager(ROWS))


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


# Everything at once on text that breaks things: bos, cutting on the left, windows, all factors that
# need no column of numbers for each token.
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
ALL = Settings(
    "lm",
    Side("text", "whitespace", 6, prepend_bos=True, truncate="left"),
    weights=("mask", "example", "inverse_frequency", "region", "class", "span_age"),
    example_weights="row",
    regions=(("<b>", 2.0), (FAMILY, 0.25)),
    region_before=0.5,
    class_weights=(("שלום", 3.0), ("a\0b", 0.0)),
    newest_span=4,
    span_half_life=3.0,
    excess_length="window",
)
ALL_VOCABULARIES = Vocabularies(
    {
        "target": Vocabulary(
            (b"a", b"a\0b", "שלום".encode(), "e\u0301".encode(), FAMILY.encode(), b"<b>"),
            counts=(0, 3, 0, 9, 5, 1, 1, 2, 0, 4),
        )
    },
    ALL.token_identity(),
)
ALL_COLUMNS = {
    "text": tf.string,
    "row": tf.float32,
    CONTEXT_LENGTH: tf.int64,
    CONTINUES: tf.int64,
    SPAN: tf.int64,
}
NASTY = [
    "a <b> e\u0301 \u00e9",  # combining and composed
    f"{FAMILY} a {FAMILY}",
    "שלום a عربي שלום",
    "a\0b \0 a\0b a",
    'a "quoted\nline"\r\n<b>\ta',
    b"a \xff\xfe <b>",
    "",
    " \n ",
    "a " * 500_000,  # 1 MB
    "x" * 1_000_000,
]
ALL_ROWS = [
    {
        "text": [text if isinstance(text, bytes) else text.encode()],
        "row": [0.5 + number],
        CONTEXT_LENGTH: [number % 3] if number % 4 else [],
        CONTINUES: [number % 2],
        SPAN: [number] if number != 1 else [],
    }
    for number, text in enumerate(NASTY)
] + [{name: [] for name in ALL_COLUMNS}]


def test_nasty_text_is_the_same_however_the_graph_is_run(tmp_path):
    graph, materialised = _run_tft(tmp_path, ALL, ALL_VOCABULARIES, ALL_COLUMNS, ALL_ROWS)
    expected = _eager(ALL_ROWS, ALL, ALL_VOCABULARIES, ALL_COLUMNS)
    _assert_same_rows(materialised, expected)
    layer = tft.TFTransformOutput(graph).transform_features_layer()
    found = layer(_sparse(ALL_ROWS, ALL_COLUMNS))
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name].numpy(), value, err_msg=name)
    # "a\0b \0 a\0b a" goes on and has no context: bos, "a\0b" twice with weight 0, unknown, "a".
    assert expected["targets"][3].tolist() == [2, 5, 1, 5, 4, 0]
    assert (expected["loss_weights"][3] > 0).tolist() == [False, False, True, False, True, False]
