"""Which slice an example belongs to."""

import numpy as np
import pytest
import tensorflow as tf

from components.errors import InputError
from components.evaluator.slicing import (
    MAX_VALUES_PER_COLUMN,
    SliceKey,
    parse_slices,
    slice_values,
    sorted_slices,
)


def feature(kind, values):
    return tf.train.Feature(**{kind: getattr(tf.train, _LISTS[kind])(value=values)})


_LISTS = {"bytes_list": "BytesList", "int64_list": "Int64List", "float_list": "FloatList"}


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        pytest.param({"c": feature("bytes_list", ["dé".encode()])}, "dé", id="text"),
        pytest.param({"c": feature("bytes_list", [b"\xff"])}, "\\xff", id="not UTF-8"),
        pytest.param({"c": feature("int64_list", [7])}, 7, id="integer"),
        pytest.param({"c": feature("float_list", [0.5])}, 0.5, id="float"),
        # float32's nearest to 0.1 is 0.10000000149 to Python.
        pytest.param({"c": feature("float_list", [0.1])}, 0.1, id="as it was written"),
        pytest.param({"c": feature("float_list", [1e20])}, 1e20, id="large"),
        pytest.param({"c": feature("float_list", [float("nan")])}, "nan", id="not a number"),
        pytest.param({"c": feature("int64_list", [])}, "(none)", id="empty list"),
        pytest.param({"c": tf.train.Feature()}, "(none)", id="empty feature"),
        pytest.param({}, "(none)", id="missing"),
    ],
)
def test_raw_columns(features, expected):
    row = tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()
    assert slice_values([row], ["c"], np.array([3.0])) == {"c": [expected]}


def test_target_length_buckets():
    counts = [0, 1, 4, 5, 8, 9, 16, 17, 32, 33, 64, 65, 9999]
    values = slice_values([b""] * len(counts), ["target_length"], np.array(counts, float))
    assert values["target_length"] == (
        [
            "0",
            "1-4",
            "1-4",
            "5-8",
            "5-8",
            "9-16",
            "9-16",
            "17-32",
            "17-32",
            "33-64",
            "33-64",
            "65+",
            "65+",
        ]
    )


def test_span_is_what_example_gen_wrote():
    features = {"_span": feature("int64_list", [3]), "span": feature("int64_list", [9])}
    row = tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()
    found = slice_values([row, b""], ["span", "token_position"], np.array([3.0, 3.0]))
    assert found == {"span": [3, "(none)"]}


def test_several_values_are_refused():
    features = tf.train.Features(feature={"c": feature("int64_list", [1, 2])})
    row = tf.train.Example(features=features).SerializeToString()
    with pytest.raises(InputError, match="column 'c' has 2 values in an example, expected at most"):
        slice_values([row], ["c"], np.array([1.0]))


def test_order():
    keys = [
        SliceKey("target_length", "17-32"),
        SliceKey("target_length", "5-8"),
        SliceKey("n", "(none)"),
        SliceKey("n", 10),
        SliceKey("n", 9),
        SliceKey("token_frequency", "unknown"),
        SliceKey("token_frequency", "1000-9999"),
        SliceKey("token_frequency", "10-99"),
        SliceKey("token_class", "b"),
        SliceKey("token_class", "a"),
        SliceKey(),
    ]
    ordered = sorted_slices(keys, ["n", "target_length", "token_frequency", "token_class"])
    assert [key.label for key in ordered] == [
        "overall",
        "n=9",
        "n=10",
        "n=(none)",
        "target_length=5-8",
        "target_length=17-32",
        "token_frequency=10-99",
        "token_frequency=1000-9999",
        "token_frequency=unknown",
        "token_class=a",
        "token_class=b",
    ]


def test_a_column_that_names_rows_is_refused():
    keys = [SliceKey("id", number) for number in range(MAX_VALUES_PER_COLUMN + 1)]
    with pytest.raises(
        InputError, match="column 'id' has at least 1001 different values, expected"
    ):
        sorted_slices(keys, ["id"])


@pytest.mark.parametrize("text", ["", "{}", '["a", 1]', '[""]', '"a"'])
def test_slices_that_are_no_list_of_names(text):
    with pytest.raises(InputError, match="slices: expected a JSON list of names, got"):
        parse_slices(text)


def test_slices_twice():
    with pytest.raises(InputError, match="a name occurs twice"):
        parse_slices('["a", "a"]')
    assert parse_slices('["a", "target_length"]') == ("a", "target_length")
