"""Which rows are looked at, and that a raw row is put beside what was made of it."""

import json

import pytest
import tensorflow as tf

from components.errors import InputError
from components.example_gen.places import PlaceWriter
from components.serving_check import rows


def texts_of(split):
    return [
        tf.train.Example.FromString(row.raw).features.feature["text"].bytes_list.value[0].decode()
        for row in split.rows
    ]


def test_rows_are_matched_by_shard_and_number(write_split):
    raw, transformed = write_split([["ab", "cd", "efg"], ["h", "ij"]])
    split = rows.choose(raw, transformed, count=99)
    assert texts_of(split) == ["ab", "cd", "efg", "h", "ij"]
    assert (split.available, split.faults) == (5, ())
    for row, text in zip(split.rows, texts_of(split), strict=True):
        made = tf.train.Example.FromString(row.transformed).features.feature["targets"]
        assert list(made.int64_list.value)[: len(text)] == [*text.encode()]
    assert split.rows[3].place == "Split-eval/part-1.gz, row 1"


def test_a_sample_is_the_same_each_time_and_has_the_longest_rows(write_split):
    texts = [f"row {number:04d}" for number in range(3000)]
    texts[2100] += " is by far the longest"
    texts[5] += " is long too"
    raw, transformed = write_split([texts[:2000], texts[2000:]])
    first = rows.choose(raw, transformed, count=16)
    assert first == rows.choose(raw, transformed, count=16)
    assert len(first.rows) == 16
    assert first.available == 3000
    found = texts_of(first)
    assert {texts[5], texts[2100]} <= set(found)
    numbers = [int(text[4:8]) for text in found]
    assert numbers == sorted(numbers)
    assert min(numbers[2:]) < 1500 < max(numbers[:-2])


def test_rows_that_transform_left_out_are_a_fault(write_split, tmp_path):
    raw, transformed = write_split([["a", "b"], ["c"]])
    with tf.io.TFRecordWriter(f"{transformed}/part-0.gz", "GZIP"):
        pass
    split = rows.choose(raw, transformed, count=9)
    assert texts_of(split) == ["c"]
    assert split.faults == ("got 0 transformed rows of the 2 in part-0.gz, expected all",)
    tf.io.gfile.remove(f"{transformed}/part-1.gz")
    faults = rows.choose(raw, transformed, count=9).faults
    assert faults[0] == "got 1 transformed shard(s), expected 2"


def test_rows_that_transform_made_up_are_a_fault(write_split):
    raw, transformed = write_split([["a", "b"]])
    file = f"{transformed}/part-0.gz"
    rows_there = list(tf.data.TFRecordDataset(file, "GZIP").as_numpy_iterator())
    with tf.io.TFRecordWriter(file, "GZIP") as writer:
        for row in [*rows_there, rows_there[0]]:
            writer.write(row)
    split = rows.choose(raw, transformed, count=9)
    assert split.rows == ()
    assert split.faults == ("got 3 transformed rows of the 2 in part-0.gz, expected all",)


def test_rows_are_named_by_file_and_line_where_the_report_knows_them(write_split, tmp_path):
    raw, transformed = write_split([["a", "b", "c"]])
    report = tmp_path / "report"
    report.mkdir()
    writer = PlaceWriter(str(report / "places"))
    for line in (3, 7, 9):
        writer.add(0, line)
    writer.close()
    facts = {
        "files": [{"path": "data/a.jsonl"}],
        "shards": [{"name": "Split-eval/part-0.gz", "lines": "places", "rows": 3}],
    }
    (report / "report.json").write_text(json.dumps(facts))
    split = rows.choose(raw, transformed, count=9, report=str(report))
    assert [row.place for row in split.rows] == [f"data/a.jsonl:{line}" for line in (3, 7, 9)]


def test_an_empty_split_is_refused(write_split):
    raw, transformed = write_split([[]])
    with pytest.raises(
        InputError, match=r"Split-eval: got no row in 1 file\(s\), expected an eval"
    ):
        rows.choose(raw, transformed, count=9)
