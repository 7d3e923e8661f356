"""The execution parameters: what is refused, and how it is said; the quick look at the input."""

import re
import subprocess
import sys

import pytest

from components.errors import InputError
from components.example_gen.preflight import preflight

ERRORS = {
    "kind": ({"columns": {"a": "string"}}, "column 'a': got kind 'string', expected one of text,"),
    "no column": ({"columns": {}}, "data.columns: got no column"),
    "not JSON": ({"columns": "text"}, "data.columns: got 'text', expected a JSON object"),
    "list for object": ({"split": []}, "data.split: got '[]', expected a JSON object"),
    "mixed split": ({"split": {"a": 1, "b": "x*"}}, "data.split: got {'a': 1, 'b': 'x*'}"),
    "zero buckets": ({"split": {"a": 1, "b": 0}}, "expected a number of 1 or more"),
    "boolean buckets": ({"split": {"a": True}}, "expected a number of 1 or more"),
    "split name": ({"split": {"a/b": 1}}, "data.split: got names ['a/b']"),
    "split_by": ({"split_by": ["b"]}, "data.split_by: got column 'b', expected one of ['text']"),
    "aligned scalar": ({"aligned": [["text", "text"]]}, "'text' of kind text, expected a list col"),
    "aligned alone": ({"aligned": [["text"]]}, "expected lists of two columns or more"),
    "span": ({"spans": [-1]}, "data.spans: got -1"),
    "delimiter": ({"delimiter": "ab"}, "data.delimiter: got 'ab', expected one character"),
    "bad rows": ({"max_bad_rows": -1}, "data.max_bad_rows: got -1"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_parameters_that_are_refused(name, make_request):
    parameters, expected = ERRORS[name]
    with pytest.raises(InputError, match=re.escape(expected)):
        make_request(**parameters)


def test_unknown_format(make_request):
    with pytest.raises(InputError, match=r"data\.format: got 'json', expected one of jsonl, csv"):
        preflight(make_request(format="json"))


def test_preflight_finds_bad_first_rows_and_a_wrong_column(tmp_path, make_request):
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n{"text": 3}\n')
    with pytest.raises(InputError, match=r"a\.jsonl:2: column 'text': got the integer 3, expected"):
        preflight(make_request())
    assert [file.name for file in preflight(make_request(max_bad_rows=1)).files] == ["a.jsonl"]
    with pytest.raises(InputError, match="column 'source': got nothing"):
        preflight(make_request(columns={"source": "text"}))


def test_preflight_looks_at_the_frames_of_a_tfrecord(tmp_path, make_request):
    (tmp_path / "a.tfrecord").write_text("no TFRecord at all")
    with pytest.raises(InputError, match=r"a\.tfrecord:1: got a wrong length checksum"):
        preflight(make_request(format="tfrecord"))


def test_preflight_loads_neither_tensorflow_nor_tfx():
    heavy = "{'tensorflow', 'tfx', 'apache_beam', 'numpy', 'pyarrow'}"
    code = (
        "import sys, components.example_gen.preflight, components.example_gen.files\n"
        f"print(sorted({heavy} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
