"""Serialized examples: what protobuf itself writes, for any shape and number."""

import hypothesis
import hypothesis.extra.numpy as arrays
import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow as tf

from components.sequence_transform import wire


def by_protobuf(features: dict[str, np.ndarray], row: int) -> bytes:
    example = tf.train.Example()
    for name, values in features.items():
        kind = example.features.feature[name]
        found = kind.float_list if values.dtype == np.float32 else kind.int64_list
        found.value.extend(values[row].reshape(-1).tolist())
        found.SetInParent()  # an empty list is there too
    return example.SerializeToString(deterministic=True)


def test_one_row_byte_by_byte() -> None:
    (found,) = wire.serialize({"t": np.array([[7, 300]]), "a": np.array([0.5], np.float32)})
    assert found == (
        b"\n\x1d"  # features, 29 bytes
        b"\n\x0c\n\x01t\x12\x07\x1a\x05\n\x03\x07\xac\x02"  # "t": 300 is 0b10 0101100
        b"\n\x0d\n\x01a\x12\x08\x12\x06\n\x04\x00\x00\x00\x3f"  # "a": a list of floats
    )


@st.composite
def rows(draw: st.DrawFn) -> dict[str, np.ndarray]:
    count = draw(st.integers(1, 4))
    names = draw(st.lists(st.text(max_size=200), min_size=1, max_size=3, unique=True))
    shapes = st.lists(st.integers(1, 9), max_size=2).map(lambda sizes: (count, *sizes))
    kinds = st.sampled_from([np.int64, np.float32])
    return {name: draw(arrays.arrays(draw(kinds), draw(shapes))) for name in names}


@hypothesis.given(rows())
@hypothesis.settings(max_examples=200, deadline=None)
def test_rows_are_those_of_protobuf(features: dict[str, np.ndarray]) -> None:
    # Equal but for the order of features.
    for row, found in enumerate(wire.serialize(features)):
        expected = by_protobuf(features, row)
        assert len(found) == len(expected)
        back = tf.train.Example.FromString(found)
        assert back.SerializeToString(deterministic=True) == expected


@pytest.mark.parametrize("top", [0, 1, 127, 128, 2**14, 2**31, 2**32 - 1, 2**32, 2**63 - 1, -1])
@pytest.mark.parametrize("width", [1, 13, 40, 3000])
def test_numbers_and_lengths_of_every_size(top: int, width: int) -> None:
    values = np.array([np.full(width, top), np.arange(width), np.zeros(width)], np.int64)
    features = {"targets": values, "weights": values.astype(np.float32)}
    for row, found in enumerate(wire.serialize(features)):
        back = tf.train.Example.FromString(found)
        assert back.SerializeToString(deterministic=True) == by_protobuf(features, row)


def test_a_row_does_not_depend_on_the_others() -> None:
    values = np.array([[1, 2], [2**40, -5], [3, 0]])
    together = wire.serialize({"a": values})
    assert together == [wire.serialize({"a": values[row : row + 1]})[0] for row in range(3)]


@pytest.mark.parametrize("kind", [np.int32, np.float64, np.bool_, np.dtype(">f4"), np.dtype("S2")])
def test_other_types_are_refused(kind: type) -> None:
    with pytest.raises(TypeError, match=r"b: got .*, expected float32 or int64"):
        wire.serialize({"a": np.zeros(1, np.int64), "b": np.zeros(1, kind)})


def test_no_rows_no_records() -> None:
    assert wire.serialize({"a": np.zeros((0, 3), np.int64)}) == []
