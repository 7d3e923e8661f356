"""The served model under every option of the contract: bos, both ends, windows, weight factors."""

import dataclasses
import functools

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
from apache_beam.options.pipeline_options import PipelineOptions
from tensorflow_transform import beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils

from components.trainer import export, training
from components.trainer.models import build_model
from components.trainer.request import (
    BatchOptions,
    LossOptions,
    ModelOptions,
    TrainOptions,
    TrainRequest,
)
from transform import preprocessing
from transform.settings import CONTEXT_LENGTH, CONTINUES, SPAN, Settings, Side
from transform.vocabulary import Vocabularies, Vocabulary

# a to f are the ids 4 to 9; 2 is bos, 3 is eos.
WORDS = ("a", "bb", "ccc", "é", "<m>", "ffffff")
TEXT = Side("text", "whitespace", 6, prepend_bos=True, truncate="left")
WINDOWS = Settings(
    "lm",
    TEXT,
    weights=("mask", "example", "inverse_frequency", "region", "class", "span_age"),
    example_weights="row",
    regions=(("<m>", 2.0),),
    region_before=1.0,
    class_weights=(("é", 0.0), ("a", 0.5)),
    newest_span=3,
    excess_length="window",
)
PAIR = Settings(
    "seq2seq",
    Side("target", "whitespace", 5, prepend_bos=True),
    Side("source", "character", 6, prepend_bos=True, truncate="left"),
)
COUNTS = (0, 1, 0, 1, 1, 1, 1, 1, 1, 1)  # all alike, so that the weights can be read
COLUMNS = {
    WINDOWS: {
        "text": tf.io.VarLenFeature(tf.string),
        "row": tf.io.VarLenFeature(tf.float32),
        # As a schema has it where each row has one value; a request need not.
        CONTEXT_LENGTH: tf.io.FixedLenFeature([1], tf.int64),
        CONTINUES: tf.io.FixedLenFeature([], tf.int64),
        SPAN: tf.io.FixedLenFeature([1], tf.int64),
    },
    PAIR: {name: tf.io.VarLenFeature(tf.string) for name in ("source", "target")},
}


def _vocabularies(settings):
    side = Vocabulary(tuple(word.encode() for word in WORDS), settings.special, counts=COUNTS)
    return Vocabularies(dict.fromkeys(settings.sides, side), settings.token_identity())


def serialized(**columns) -> bytes:
    example = tf.train.Example()
    for name, value in columns.items():
        feature = example.features.feature[name]
        if isinstance(value, str):
            feature.bytes_list.value.append(value.encode())
        elif isinstance(value, float):
            feature.float_list.value.append(value)
        else:
            feature.int64_list.value.append(value)
    return example.SerializeToString()


def _served(settings, work):
    """Transform graph, model and SavedModel of these settings; the loaded SavedModel."""
    vocabularies = _vocabularies(settings)
    vocabularies.write(str(work / "vocabulary"))
    config = {
        preprocessing.SETTINGS: settings.to_json(),
        preprocessing.VOCABULARY: str(work / "vocabulary"),
    }
    function = functools.partial(preprocessing.preprocessing_fn, custom_config=config)
    spec = COLUMNS[settings]
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
    row = {
        name: np.zeros(one.shape, np.int64) if hasattr(one, "shape") else []
        for name, one in spec.items()
    }
    options = PipelineOptions(["--runner=FnApiRunner"])
    with beam.Pipeline(options=options) as pipeline, tft_beam.Context(str(work / "tmp")):
        data = pipeline | beam.Create([row])
        _, made = (data, metadata) | tft_beam.AnalyzeAndTransformDataset(function)
        _ = made | tft_beam.WriteTransformFn(str(work / "graph"))
    metadata_io.write_metadata(metadata, str(work / "graph" / "metadata"))  # as TFX adds it
    request = TrainRequest(
        train_files=(),
        eval_files=(),
        transform_graph=str(work / "graph"),
        vocabulary="",
        serving_folder=str(work / "model"),
        settings=settings,
        model=ModelOptions(units=8),
        loss=LossOptions(),
        batch=BatchOptions(),
        train=TrainOptions(decode_length=8),
    )
    model = build_model(training.model_spec(request, vocabularies))
    for variable in model.trainable_variables:
        if variable.name == "projection_bias":  # says "a", whatever it is given
            variable.assign(np.eye(variable.shape[0])[4] * 99)
    export.export(model, request, vocabularies)
    return tf.saved_model.load(request.serving_folder)


@pytest.fixture(scope="module")
def windows(tmp_path_factory):
    return _served(WINDOWS, tmp_path_factory.mktemp("windows"))


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return _served(PAIR, tmp_path_factory.mktemp("pairs"))


def call(model, signature: str, rows: list) -> dict[str, np.ndarray]:
    outputs = model.signatures[signature](tf.constant(rows, tf.string))
    return {name: value.numpy() for name, value in outputs.items()}


ROWS = [
    serialized(text="a bb ccc é", **{CONTEXT_LENGTH: 0, CONTINUES: 1, SPAN: 3}),
    serialized(text="ccc é <m> a", **{CONTEXT_LENGTH: 2, CONTINUES: 0, SPAN: 2}, row=4.0),
    # As a request has it: neither a window nor of a span. Cut on the left, the marker too.
    serialized(text="<m> a a x bb é", row=0.5),
    serialized(),
]


def test_score_counts_what_is_scored(windows) -> None:
    """bos, context and classes of weight 0 are neither tokens nor bytes nor words."""
    scores = call(windows, "score", ROWS)
    np.testing.assert_array_equal(
        scores["target_ids"],
        [[2, 4, 5, 6, 7, 0], [2, 6, 7, 8, 4, 3], [2, 4, 1, 5, 7, 3], [2, 3, 0, 0, 0, 0]],
    )
    np.testing.assert_allclose(
        scores["position_weight"],
        [
            [0, 0.5, 1, 1, 0, 0],
            # row 4 * age 0.5, and after the marker 2: "<m>", "a" (class 0.5), eos
            [0, 0, 0, 2, 2, 4],
            # row 0.5 * region 2: "a" (class 0.5), unknown, "bb", "é" (class 0), eos
            [0, 0.5, 1, 1, 0, 1],
            [0, 1, 0, 0, 0, 0],
        ],
    )
    np.testing.assert_array_equal(
        scores["position_region"],
        # bos; what the window repeats
        [[2, 1, 1, 1, 1, 0], [2, 2, 2, 1, 1, 1], [2, 1, 1, 1, 1, 1], [2, 1, 0, 0, 0, 0]],
    )
    np.testing.assert_allclose(scores["token_count"], [3, 3, 4, 1])
    np.testing.assert_allclose(scores["weight_sum"], [2.5, 8, 3.5, 1])
    # "a bb ccc", "<m> a", "a x bb", ""
    np.testing.assert_allclose(scores["target_bytes"], [8, 5, 6, 0])
    np.testing.assert_allclose(scores["target_words"], [3, 2, 3, 0])
    np.testing.assert_array_equal(scores["unknown_bytes"], [0, 0, 1, 0])  # "x"
    weighted = (scores["position_loss"] * scores["position_weight"]).sum(axis=1)
    np.testing.assert_allclose(scores["loss_sum"], weighted, rtol=1e-6)


def test_the_windows_of_a_text_score_it_once(windows) -> None:
    """Sums over the windows: each token and eos once, whatever the context repeats."""
    parts = [("a bb ccc ffffff", 0, 1), ("ccc ffffff bb a", 2, 1), ("bb a ccc", 2, 0)]
    rows = [serialized(text=t, **{CONTEXT_LENGTH: c, CONTINUES: g, SPAN: 3}) for t, c, g in parts]
    scores = call(windows, "score", rows)
    assert scores["token_count"].sum() == 8  # a bb ccc ffffff bb a ccc eos
    assert scores["target_words"].sum() == 7


def _in_process(settings, rows):
    """The contract by the plain function."""
    spec = {name: tf.io.VarLenFeature(column.dtype) for name, column in COLUMNS[settings].items()}
    vocabularies = _vocabularies(settings)
    tables = {name: side.token_table() for name, side in vocabularies.sides.items()}
    raw = tf.io.parse_example(rows, spec)
    return preprocessing.transform(raw, settings, vocabularies, tables)


NASTY = ["a\0bb é", "e\u0301 \u05e9\u05dc\u05d5\u05dd a", 'a\n"<m>\nbb"', "\n \n", "a " * 500_000]


def test_transform_features_is_the_plain_function(windows, pairs) -> None:
    by_window = ROWS + [serialized(text=text, **{CONTINUES: 1}) for text in NASTY]
    by_pair = [serialized(source=text, target=text[:4000]) for text in NASTY] + [serialized()]
    for model, settings, rows in ((windows, WINDOWS, by_window), (pairs, PAIR, by_pair)):
        found = call(model, "transform_features", rows)
        expected = _in_process(settings, rows)
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name], value.numpy(), err_msg=name)


def test_a_prompt_is_the_text_between_bos_and_eos(windows) -> None:
    texts = ["a bb", "", "a bb ccc a bb ccc"]
    found = call(windows, "generate", texts)
    assert found["ids"][0, :3].tolist() == [2, 4, 5]
    assert found["ids"][1, 0] == 2
    assert found["ids"][2, :5].tolist() == [2, 6, 4, 5, 6]  # cut on the left
    assert found["truncated"].tolist() == [False, False, True]
    rows = [serialized(text=text) for text in texts]
    for name, value in call(windows, "serving_default", rows).items():
        np.testing.assert_array_equal(value, found[name], err_msg=name)


def test_a_window_that_goes_on_is_a_prompt_to_its_last_token(windows) -> None:
    rows = [serialized(text="a bb ccc", **{CONTINUES: goes_on}) for goes_on in (0, 1)]
    found = call(windows, "serving_default", rows)
    assert found["ids"][:, :4].tolist() == [[2, 4, 5, 6]] * 2
    np.testing.assert_array_equal(found["ids"][0], found["ids"][1])


@pytest.mark.parametrize("task", ["lm", "seq2seq"])
def test_bos_is_in_the_ids_and_not_in_the_text(windows, pairs, task: str) -> None:
    model = windows if task == "lm" else pairs
    found = call(model, "generate", ["a bb", "ccc"])
    names = ["<unk>"] * 4 + list(WORDS)
    given = [[2, 4, 5, 4], [2, 6, 4, 4]] if task == "lm" else [[2, 4, 4, 4]] * 2
    assert found["ids"][:, :4].tolist() == given
    for ids, length, text in zip(found["ids"], found["lengths"], found["text"], strict=True):
        own = [i for place, i in enumerate(ids[:length]) if not (place == length - 1 and i == 3)]
        assert text.decode() == " ".join(names[i] for i in own[1:])


def test_settings_without_windows_read_no_column_of_windows() -> None:
    spec = COLUMNS[WINDOWS]
    plain = dataclasses.replace(WINDOWS, excess_length="truncate", weights=("mask",))
    assert set(export._served_columns(spec, plain)) == {"text", "row"}
    served = export._served_columns(spec, WINDOWS)
    assert set(served) == set(spec)
    assert served[SPAN].default_value.tolist() == [3]
    assert served[CONTINUES].default_value == 0
