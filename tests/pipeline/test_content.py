"""Files of the user's are kept by content: an edited one has another path."""

import dataclasses
import pathlib

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.errors import InputError
from pipeline import content
from pipeline.config import load_config
from pipeline.data_stages import _completed_schema
from pipeline.inputs import RunInputs
from pipeline.vocabulary_state import input_key
from transform.settings import ADDED_COLUMNS


def test_a_file_has_one_place_as_long_as_it_says_the_same(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "pieces.txt"
    file.write_text("a\nb\n")
    first = content.keep(str(file), str(tmp_path / "kept"))
    assert pathlib.Path(first).read_text() == "a\nb\n"
    assert content.keep(str(file), str(tmp_path / "kept")) == first
    file.write_text("a\nc\n")
    assert content.keep(str(file), str(tmp_path / "kept")) != first
    assert pathlib.Path(first).read_text() == "a\nb\n"


def test_an_edited_subword_file_makes_another_vocabulary(tmp_path: pathlib.Path) -> None:
    (tmp_path / "rows").mkdir()
    pieces = tmp_path / "pieces.txt"
    pieces.write_text("a\n")
    (tmp_path / "c.yaml").write_text(
        "pipeline: {name: p}\ntask: lm\ndata: {path: rows}\n"
        "transform: {target_tokenizer: wordpiece, target_subwords: pieces.txt}\n"
    )
    inputs = RunInputs((), {"fingerprint": "f"})
    config = load_config(tmp_path / "c.yaml")
    before = input_key(config, inputs)
    assert input_key(config, inputs) == before
    moved = tmp_path / "elsewhere.txt"
    moved.write_text("a\n")
    transform = dataclasses.replace(config.transform, target_subwords=str(moved))
    assert input_key(dataclasses.replace(config, transform=transform), inputs) == before
    pieces.write_text("a\nb\n")
    assert input_key(config, inputs) != before


def test_a_committed_schema_learns_the_columns_that_are_added(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "schema.pbtxt"
    file.write_text('feature { name: "text" type: BYTES }\nfeature { name: "_span" type: FLOAT }\n')
    schema = schema_pb2.Schema()
    text_format.Parse(_completed_schema(str(file)), schema)
    types = {feature.name: feature.type for feature in schema.feature}
    assert set(types) == {"text", *ADDED_COLUMNS}
    assert types["_span"] == schema_pb2.FLOAT  # what the user says stays
    assert types["_continues"] == schema_pb2.INT


def test_what_is_no_schema_is_one_line(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "schema.pbtxt"
    file.write_text("feature {")
    with pytest.raises(InputError, match=r"schema\.pbtxt: got no schema, expected"):
        _completed_schema(str(file))
