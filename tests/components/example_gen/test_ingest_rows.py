"""Reading and checking rows: every kind of bad input is read right or named, never lost."""

import gzip
import json
import struct

import google_crc32c
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from components.errors import InputError
from components.example_gen.checking import checked_rows
from components.example_gen.columns import FLOAT32_MAX
from components.example_gen.files import input_files

TAGGING = {"tokens": "text_list", "tags": "text_list", "weights": "float_list?"}
ALIGNED = [["tokens", "tags", "weights"]]


def outcome(request):
    """Return (good rows as [values], bad rows as {line: reason}, the fault's message or '')."""
    good, bad, fault = [], {}, ""
    try:
        for file in input_files(request.input_base, request.spans, request.format).files:
            for row in checked_rows(file, request):
                if row.problem:
                    bad[row.line] = row.problem
                else:
                    good.append(row.values)
    except InputError as error:
        fault = str(error)
    return good, bad, fault


CSV_GOOD = {
    "plain": (b"text\na\n", ["a"]),
    "byte order mark": (b"\xef\xbb\xbftext\na\n", ["a"]),
    "CRLF": (b"text\r\na\r\n", ["a"]),
    "no final newline": (b"text\na", ["a"]),
    "numeric-looking text stays text": (b"text\n007\n1e5\nnan\n", ["007", "1e5", "nan"]),
    "NUL": (b"text\na\0b\n", ["a\0b"]),
    "outer spaces": (b"text\n a \n", [" a "]),
    "U+2028": ("text\na\u2028b\n".encode(), ["a\u2028b"]),
    "quoted newlines": (b'text\n"a\nb\r\nc\rd"\ne\n', ["a\nb\r\nc\rd", "e"]),
    "quoted comma, doubled quote": (b'text\n"a, ""b"""\n', ['a, "b"']),
    "an inch sign in an unquoted cell": (b'text\nthe 5" disk\n', ['the 5" disk']),
    "10 MB cell": (b"text\n" + b"x" * 10**7 + b"\n", ["x" * 10**7]),
}


@pytest.mark.parametrize("name", CSV_GOOD)
@pytest.mark.parametrize("zipped", [False, True])
def test_csv_is_read_right(name, zipped, tmp_path, make_request):
    content, expected = CSV_GOOD[name]
    path = tmp_path / ("a.csv.gz" if zipped else "a.csv")
    path.write_bytes(gzip.compress(content, 1) if zipped else content)
    good, bad, fault = outcome(make_request(format="csv"))
    assert (bad, fault) == ({}, "")
    assert [row[0][0].decode() for row in good] == expected


CSV_BAD_ROWS = {
    # name: (content, columns, {line: part of the reason}, good rows)
    "too few cells": (b"text,w\na,1\nb\nc,3\n", {"text": "text"}, {3: "got 1 cells, exp"}, 2),
    "too many cells": (b"text,w\na,1,2\nb,2\n", {"text": "text"}, {2: "got 3 cells, exp"}, 1),
    "blank line": (b"text\na\n\nb\n", {"text": "text"}, {3: "got a blank line"}, 2),
    "line of blanks": (b"text,w\na,1\n  \n", {"text": "text"}, {3: "got 1 cells"}, 1),
    "empty text": (
        b"text,w\n,1\nb,2\n",
        {"text": "text"},
        {2: "column 'text': got an empty string, expected text"},
        1,
    ),
    "stray quotes": (
        b'text\n"Hello" he said\nb\n',
        {"text": "text"},
        {2: "got a stray quote in a quoted cell"},
        1,
    ),
    "unclosed quote on the last line": (
        b'text\na\n"b',
        {"text": "text"},
        {3: "got a quote that is never closed"},
        1,
    ),
    "lone CR": (b"text\na\rb\nc\n", {"text": "text"}, {2: "lone carriage return"}, 1),
    "Latin-1": (
        b"text\ncaf\xe9\nb\n",
        {"text": "text"},
        {2: "column 'text': got invalid UTF-8 (the byte 0xe9 at character 4)"},
        1,
    ),
    "line number after a cell of three lines": (
        b'text,w\n"a\nb\nc",1\nd,x\n',
        {"text": "text", "w": "integer"},
        {5: "column 'w': got text 'x', expected an integer"},
        1,
    ),
    "numbers": (
        b"n,i\n1.5,7\nnan,7\ninf,7\n1,7.0\n1,99999999999999999999\n1_0,1\n,1\n",
        {"n": "number", "i": "integer"},
        {
            3: "column 'n': got NaN",
            4: "column 'n': got Infinity",
            5: "column 'i': got text '7.0'",
            6: "column 'i': got the integer 99999999999999999999",
            7: "column 'n': got text '1_0'",
            8: "column 'n': got an empty string",
        },
        1,
    ),
    "white space": (
        "text\n  \t\n\u2003\nb\n".encode(),
        {"text": "text"},
        {
            2: "column 'text': got only white space, expected text",
            3: "column 'text': got only white space, expected text",
        },
        1,
    ),
    "white space in an optional column": (
        b"text,more\na, \nb,\n",
        {"text": "text", "more": "text?"},
        {2: "column 'more': got only white space, expected text"},
        1,
    ),
    "weights": (
        b"w\n0\n-1\n-0.0\n1e39\n1_0\n2.5\n",
        {"w": "weight"},
        {
            3: "column 'w': got float -1.0, expected a finite number >= 0 that float32 can hold",
            5: "column 'w': got float 1e+39",
            6: "column 'w': got text '1_0'",
        },
        3,
    ),
    "lists are JSON": (
        b'l\n"[1, 2]"\n1 2\n"{}"\n7\n',
        {"l": "id_list"},
        {3: "got text '1 2', expected a list", 4: "got an object", 5: "got the integer 7"},
        1,
    ),
}


@pytest.mark.parametrize("name", CSV_BAD_ROWS)
def test_csv_bad_rows_are_named_and_the_others_read(name, tmp_path, make_request):
    content, columns, expected, good_rows = CSV_BAD_ROWS[name]
    (tmp_path / "a.csv").write_bytes(content)
    good, bad, fault = outcome(make_request(format="csv", columns=columns))
    assert fault == ""
    assert list(bad) == list(expected)
    for line, reason in expected.items():
        assert reason in bad[line]
    assert len(good) == good_rows


CSV_FAULTS = {
    "empty": (b"", "a.csv: got an empty file (0 bytes), expected rows"),
    "only a byte order mark": (b"\xef\xbb\xbf", "a.csv:1: got a header with no column"),
    "header only": (b"text,w\n", "a.csv: got a header line only, expected rows after it"),
    "missing column": (b"txt,w\na,1\n", "got a header with 'txt', 'w', expected 'text'; missing"),
    "no header": (b"a b c d,0\ne,1\n", "The first line must name the columns"),
    "TSV": (b"text\tw\na\t1\n", r"Are cells separated by '\t'? Then set data.delimiter"),
    "semicolons": (b"text;w\na;1\n", "Are cells separated by ';'? Then set data.delimiter"),
    "duplicate header": (b"text,text\na,b\n", "got column 'text' more than once in the header"),
    "UTF-16": ("text\na\n".encode("utf-16"), "a.csv:1: got UTF-16, expected UTF-8"),
    "gzip without .gz": (gzip.compress(b"text\na\n"), "got gzip data, expected plain data"),
    "quote that swallows lines": (
        b'text\na\n"b\nc\nd\n',
        "a.csv:3: got a quote that is never closed",
    ),
    "stray quote that swallows lines": (b'text\n"b\nc" d\ne\n', "it takes in lines 2 to 3"),
}


@pytest.mark.parametrize("name", CSV_FAULTS)
def test_csv_file_faults(name, tmp_path, make_request):
    content, expected = CSV_FAULTS[name]
    (tmp_path / "a.csv").write_bytes(content)
    _, _, fault = outcome(make_request(format="csv"))
    assert expected in fault
    assert "\n" not in fault


def test_csv_with_another_delimiter(tmp_path, make_request):
    (tmp_path / "a.tsv").write_bytes(b"text\tw\na, b\t1\n")
    good, bad, fault = outcome(make_request(format="csv", delimiter="\t"))
    assert (good, bad, fault) == ([[[b"a, b"]]], {}, "")


def test_csv_files_may_order_their_columns_differently(tmp_path, make_request):
    (tmp_path / "a.csv").write_bytes(b"text,w\na,1\n")
    (tmp_path / "b.csv").write_bytes(b"w,text\n2,b\n")
    good, _, _ = outcome(make_request(format="csv", columns={"text": "text", "w": "integer"}))
    assert good == [[[b"a"], [1]], [[b"b"], [2]]]


JSON_BAD_ROWS = {
    # name: (line, columns, part of the reason)
    "invalid JSON": (b'{"text": "a"', {"text": "text"}, "got invalid JSON (Expecting ',' delim"),
    "tab in text": (
        b'{"text": "a\tb"}',
        {"text": "text"},
        "Invalid control character at character",
    ),
    "list": (b'["a"]', {"text": "text"}, "got a list of 1, expected a JSON object"),
    "number": (b"3", {"text": "text"}, "got the integer 3, expected a JSON object"),
    "duplicate key": (b'{"text": "a", "text": "b"}', {"text": "text"}, "the key 'text' more than"),
    "blank line": (b"", {"text": "text"}, "got a blank line"),
    "invalid UTF-8": (b'{"text": "\xe9"}', {"text": "text"}, "(the byte 0xe9 at byte 11)"),
    "lone surrogate": (b'{"text": "\\ud800"}', {"text": "text"}, "(\\ud800 at character 1)"),
    "deep": (b"[" * 100_000, {"text": "text"}, "nested too deeply"),
    "5000 digits": (b'{"n": ' + b"9" * 5000 + b"}", {"n": "number"}, "a number too long"),
    "missing key": (b'{"txt": "a"}', {"text": "text"}, "got nothing (the row has 'txt')"),
    "null": (b'{"text": null}', {"text": "text"}, "column 'text': got null, expected text"),
    "empty": (b'{"text": ""}', {"text": "text?"}, "got an empty string, expected text"),
    "integer as text": (b'{"text": 3}', {"text": "text"}, "got the integer 3, expected text"),
    "text as number": (b'{"n": "3"}', {"n": "number"}, "got text '3', expected a finite number"),
    "NaN": (b'{"n": NaN}', {"n": "number"}, "got NaN"),
    "1e999": (b'{"n": 1e999}', {"n": "number"}, "got Infinity"),
    "beyond float32": (b'{"n": 1e39}', {"n": "number"}, "got float 1e+39"),
    "huge integer": (b'{"n": ' + b"9" * 400 + b"}", {"n": "number"}, "an integer over 128 bits"),
    "boolean": (b'{"i": true}', {"i": "integer"}, "got true (a boolean), expected an integer"),
    "float as integer": (b'{"i": 1.0}', {"i": "integer"}, "got float 1.0, expected an integer"),
    "int64 overflow": (b'{"i": 9223372036854775808}', {"i": "integer"}, "9223372036854775808"),
    "text as list": (b'{"l": "a b"}', {"l": "text_list"}, "got text 'a b', expected a list of"),
    "empty list": (b'{"l": []}', {"l": "text_list"}, "got an empty list, expected a list of texts"),
    "empty item": (b'{"l": ["a", ""]}', {"l": "text_list"}, "'l', item 2: got an empty string"),
    "null item": (b'{"l": ["a", null]}', {"l": "text_list"}, "item 2: got null, expected text"),
    "infinite weight": (b'{"w": [1, -Infinity]}', {"w": "float_list"}, "item 2: got -Infinity"),
    "negative weight": (
        b'{"w": [1, -1, 1e-9]}',
        {"w": "weight_list"},
        "'w', item 2: got the integer -1, expected a finite number >= 0 that float32 can hold",
    ),
    "NaN among weights": (b'{"w": [NaN]}', {"w": "weight_list"}, "item 1: got NaN, expected a fin"),
    "one weight for a list": (b'{"w": 2}', {"w": "weight_list"}, "expected a list of numbers >= 0"),
    "no weights": (b'{"w": []}', {"w": "weight_list"}, "got an empty list, expected a list of num"),
    "negative optional weight": (b'{"e": -0.5}', {"e": "weight?"}, "'e': got float -0.5, expected"),
    "text as weight": (b'{"e": "1"}', {"e": "weight?"}, "'e': got text '1', expected a finite num"),
    "blank": (b'{"text": " \\n\\u2003"}', {"text": "text"}, "got only white space, expected text"),
    "boolean weight": (b'{"w": [true]}', {"w": "float_list"}, "item 1: got true (a boolean)"),
    "negative id": (b'{"l": [3, -1]}', {"l": "id_list"}, "item 2: got the integer -1, expected"),
    "unequal": (
        b'{"tokens": ["a", "b"], "tags": ["X"], "weights": [1, 2]}',
        TAGGING,
        "got items 'tokens' 2, 'tags' 1, 'weights' 2, expected equally many",
    ),
}


@pytest.mark.parametrize("name", JSON_BAD_ROWS)
def test_jsonl_bad_rows_are_named_and_the_others_read(name, tmp_path, make_request):
    line, columns, expected = JSON_BAD_ROWS[name]
    good_line = json.dumps(
        {"text": "a", "n": 1, "i": -1, "l": [1] if columns.get("l") == "id_list" else ["a"]}
        | {"w": [0.5], "tokens": ["a"], "tags": ["X"]}
    ).encode()
    (tmp_path / "a.jsonl").write_bytes(good_line + b"\n" + line + b"\n" + good_line + b"\n")
    aligned = ALIGNED if columns is TAGGING else []
    good, bad, fault = outcome(make_request(columns=columns, aligned=aligned))
    assert (len(good), fault, list(bad)) == (2, "", [2])
    assert expected in bad[2]
    assert "\n" not in bad[2]
    assert len(bad[2]) < 250


def test_weights_of_0_and_up_are_read(tmp_path, make_request):
    (tmp_path / "a.jsonl").write_text('{"w": [0, 0.5, 2], "e": 0}\n{"w": null, "e": 3.5}\n')
    columns = {"w": "weight_list?", "e": "weight?"}
    good, bad, fault = outcome(make_request(columns=columns, aligned=[["w", "w"]]))
    assert (bad, fault) == ({}, "")
    assert good == [[[0.0, 0.5, 2.0], [0.0]], [None, [3.5]]]


def test_jsonl_is_read_right(tmp_path, make_request):
    (tmp_path / "a.jsonl").write_bytes(
        b'\xef\xbb\xbf{"tokens": ["007", "\\u0000\xe2\x80\xa8"], "tags": ["X", "Y"]}\r\n'
        b'{"tokens": ["a"], "tags": ["X"], "weights": [2], "more": NaN}'
    )
    good, bad, fault = outcome(make_request(columns=TAGGING, aligned=ALIGNED))
    assert (bad, fault) == ({}, "")
    assert good == [
        [[b"007", b"\0\xe2\x80\xa8"], [b"X", b"Y"], None],
        [[b"a"], [b"X"], [2.0]],
    ]


def test_the_largest_float32_is_kept(tmp_path, make_request):
    (tmp_path / "a.jsonl").write_text(json.dumps({"w": [FLOAT32_MAX, -FLOAT32_MAX]}))
    good, bad, _ = outcome(make_request(columns={"w": "float_list"}))
    assert (good, bad) == ([[[FLOAT32_MAX, -FLOAT32_MAX]]], {})


def _gzip_without(end):
    rows = b"".join(b'{"text": "%d"}\n' % (n * 7919) for n in range(500))
    return gzip.compress(rows)[:-end]


GZIP_FAULTS = {
    "cut in the middle": (_gzip_without(700), "gzip data that is cut off or damaged"),
    "cut in its checksum": (_gzip_without(5), "gzip data that is cut off or damaged"),
    "not gzip": (b'{"text": "a"}\n', "got a file that is not gzip"),
    "empty": (b"", "got an empty file (0 bytes)"),
    "of nothing": (gzip.compress(b""), "a.jsonl.gz: got no row, expected at least one"),
}


@pytest.mark.parametrize("name", GZIP_FAULTS)
def test_gzip_faults(name, tmp_path, make_request):
    content, expected = GZIP_FAULTS[name]
    (tmp_path / "a.jsonl.gz").write_bytes(content)
    _, _, fault = outcome(make_request())
    assert expected in fault
    assert "a.jsonl.gz" in fault


def _example(**features):
    kinds = {bytes: "bytes_list", float: "float_list", int: "int64_list"}
    example = tf.train.Example()
    for name, values in features.items():
        feature = example.features.feature[name]
        if values:
            getattr(feature, kinds[type(values[0])]).value.extend(values)
    return example.SerializeToString()


def _masked(data):
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _frame(payload):
    length = struct.pack("<Q", len(payload))
    return length + _masked(length) + payload + _masked(payload)


EXAMPLE_BAD_ROWS = {
    "two values": (_example(text=[b"a", b"b"]), {"text": "text"}, "'text': got 2 values, expected"),
    "no value": (_example(text=[]), {"text": "text"}, "column 'text': got null"),
    "missing": (_example(other=[b"a"]), {"text": "text"}, "got nothing (the row has 'other')"),
    "wrong kind": (_example(text=[3]), {"text": "text"}, "got a feature of kind int64_list"),
    "float ids": (_example(l=[1.0]), {"l": "id_list"}, "got a feature of kind float_list"),
    "not UTF-8": (_example(text=[b"caf\xe9"]), {"text": "text"}, "(the byte 0xe9 at byte 4)"),
    "negative weight": (
        _example(w=[1, -1]),
        {"w": "weight_list"},
        "item 2: got the integer -1, exp",
    ),
    "negative row weight": (_example(e=[-1.0]), {"e": "weight"}, "'e': got float -1.0, expected"),
    "blank": (_example(text=[b" "]), {"text": "text"}, "got only white space, expected text"),
    "NaN weight": (_example(w=[1.0, float("nan")]), {"w": "float_list"}, "item 2: got NaN"),
    "not an Example": (b"\x0a\xff", {"text": "text"}, "got a record that is not a tf.Example"),
}


@pytest.mark.parametrize("name", EXAMPLE_BAD_ROWS)
def test_tfrecord_bad_rows(name, tmp_path, make_request):
    payload, columns, expected = EXAMPLE_BAD_ROWS[name]
    good_payload = _example(text=[b"a"], l=[1], w=[0.5], e=[0])
    (tmp_path / "a.tfrecord").write_bytes(
        b"".join(map(_frame, [good_payload, payload, good_payload]))
    )
    good, bad, fault = outcome(make_request(format="tfrecord", columns=columns))
    assert (len(good), fault, list(bad)) == (2, "", [2])
    assert expected in bad[2]


FRAME = _frame(_example(text=[b"a"]))
TFRECORD_FAULTS = {
    "cut in the data": (FRAME + FRAME[:-6], "a.tfrecord:2: got a record that is cut off"),
    "cut in the length": (FRAME + FRAME[:7], "a.tfrecord:2: got a record that is cut off"),
    "data changed": (FRAME[:-6] + b"X" + FRAME[-5:], "a.tfrecord:1: got a wrong checksum"),
    "not TFRecord": (b'{"text": "a"}\n', "a.tfrecord:1: got a wrong length checksum"),
}


@pytest.mark.parametrize("name", TFRECORD_FAULTS)
def test_tfrecord_file_faults(name, tmp_path, make_request):
    content, expected = TFRECORD_FAULTS[name]
    (tmp_path / "a.tfrecord").write_bytes(content)
    _, _, fault = outcome(make_request(format="tfrecord"))
    assert expected in fault


def test_a_tfrecord_gz_that_lost_its_end_is_not_taken_for_whole(tmp_path, make_request):
    (tmp_path / "data_tfrecord-00000-of-00001.gz").write_bytes(gzip.compress(FRAME * 3)[:-4])
    _, _, fault = outcome(make_request(format="tfrecord"))
    assert "cut off or damaged" in fault


def test_tfrecord_written_by_tensorflow_is_read(tmp_path, make_request):
    with tf.io.TFRecordWriter(str(tmp_path / "a.tfrecord.gz"), "GZIP") as writer:
        writer.write(_example(text=[b"a"], n=[3], l=[0.5, 2.0], more=[1]))
    columns = {"text": "text", "n": "number", "l": "float_list", "absent": "id_list?"}
    good, bad, fault = outcome(make_request(format="tfrecord", columns=columns))
    assert (good, bad, fault) == ([[[b"a"], [3.0], [0.5, 2.0], None]], {}, "")


def _write_parquet(path, **columns):
    pq.write_table(pa.table(columns), path)


def test_parquet_is_read_right(tmp_path, make_request):
    _write_parquet(
        tmp_path / "a.parquet",
        text=pa.array(["a", "007"]).dictionary_encode(),
        l=[["x"], ["y", "z"]],
        w=pa.array([[1, 2], None], pa.list_(pa.int32())),
        more=[1, 2],
    )
    columns = {"text": "text", "l": "text_list", "w": "float_list?", "absent": "number?"}
    good, bad, fault = outcome(make_request(format="parquet", columns=columns))
    assert (bad, fault) == ({}, "")
    assert good == [[[b"a"], [b"x"], [1.0, 2.0], None], [[b"007"], [b"y", b"z"], None, None]]


PARQUET_FAULTS = {
    "missing": ({"txt": ["a"]}, {"text": "text"}, "got columns 'txt', expected also 'text'"),
    "type": ({"text": [1]}, {"text": "text"}, "'text': got type int64, expected string"),
    "list type": ({"l": [[1.5]]}, {"l": "id_list"}, "expected list of integer"),
    "scalar": ({"l": ["a"]}, {"l": "text_list"}, "got type string, expected list of string"),
    "no rows": ({"text": pa.array([], pa.string())}, {"text": "text"}, "got no row"),
}


@pytest.mark.parametrize("name", PARQUET_FAULTS)
def test_parquet_file_faults(name, tmp_path, make_request):
    data, columns, expected = PARQUET_FAULTS[name]
    _write_parquet(tmp_path / "a.parquet", **data)
    _, _, fault = outcome(make_request(format="parquet", columns=columns))
    assert expected in fault


def test_parquet_bad_rows(tmp_path, make_request):
    _write_parquet(tmp_path / "a.parquet", n=[1.0, float("nan"), None], big=pa.array([1, 2, 3]))
    _, bad, _ = outcome(make_request(format="parquet", columns={"n": "number"}))
    assert {line: reason.split(",")[0] for line, reason in bad.items()} == {
        2: "column 'n': got NaN",
        3: "column 'n': got null",
    }


def test_parquet_weights(tmp_path, make_request):
    _write_parquet(tmp_path / "a.parquet", w=[[0, 1], [2, -1], None], e=[1.5, 0.0, -1e-9])
    columns = {"w": "weight_list?", "e": "weight"}
    good, bad, fault = outcome(make_request(format="parquet", columns=columns))
    assert (good, fault) == ([[[0.0, 1.0], [1.5]]], "")
    assert {line: reason.split(",")[0] for line, reason in bad.items()} == {
        2: "column 'w'",
        3: "column 'e': got float -1e-09",
    }
    faults = {"w": "list of float or integer", "e": "float or integer"}
    for name, wanted in faults.items():
        _write_parquet(tmp_path / "a.parquet", **{"w": [["x"]], "e": ["x"], name: ["1"]})
        _, _, fault = outcome(make_request(format="parquet", columns={name: columns[name]}))
        assert f"column {name!r}: got type string, expected {wanted}" in fault


def test_parquet_damaged(tmp_path, make_request):
    _write_parquet(tmp_path / "a.parquet", text=["a"])
    (tmp_path / "b.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:-20])
    _, _, fault = outcome(make_request(format="parquet"))
    assert "b.parquet: got a file that is damaged or not Parquet" in fault
