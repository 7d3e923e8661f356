"""Finding files: spans, formats, split patterns, fingerprints; what is said when they are absent."""

import os
import re

import pytest

from components.errors import InputError
from components.example_gen.files import fingerprint, input_files, list_spans
from components.example_gen.splits import parse_split


@pytest.fixture
def spans(tmp_path, monkeypatch):
    """Spans 1, 2 and 10 under `data/`, and the working folder beside them."""
    for name in ("span-1", "span-2", "span-10", "span-x", "spans"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "a.jsonl").write_text('{"text": "a"}\n')
    (tmp_path / "data" / "span-3").write_text("a file")
    monkeypatch.chdir(tmp_path)


def test_spans_are_numbers_in_order(spans):
    assert list_spans("data/span-{SPAN}") == [1, 2, 10]
    assert list_spans("data/span-{SPAN}/") == [1, 2, 10]
    assert list_spans(os.path.abspath("data") + "/span-{SPAN}") == [1, 2, 10]
    assert list_spans("data/span-1") == [0]


def test_span_in_the_first_and_in_a_middle_folder(spans, tmp_path, monkeypatch):
    (tmp_path / "data" / "span-2" / "raw").mkdir()
    assert list_spans("data/span-{SPAN}/raw") == [2]
    monkeypatch.chdir("data")
    assert list_spans("span-{SPAN}") == [1, 2, 10]


def test_files_are_shown_as_the_user_gave_them(spans):
    listing = input_files("data/span-{SPAN}", [10, 2], "jsonl")
    assert [(file.span, file.path) for file in listing.files] == [
        (2, "data/span-2/a.jsonl"),
        (10, "data/span-10/a.jsonl"),
    ]


FORMATS = {
    "jsonl": ["a.jsonl", "b.jsonl.gz"],
    "csv": ["a.csv", "b.csv.gz", "c.tsv"],
    "parquet": ["a.parquet"],
    "tfrecord": ["a.tfrecord", "b.tfrecord.gz", "c.tfrecord-00000-of-00002"],
}


FORMATS["tfrecord"].append("data_tfrecord-00000-of-00001.gz")  # as TFX writes it


@pytest.mark.parametrize("format", FORMATS)
def test_other_files_are_listed_as_unread(format, tmp_path):
    others = ["README.md", ".a.jsonl.swp", ".b.jsonl", "a.jsonl~", "a.jsonl.tmp", "success"]
    everything = sorted({name for names in FORMATS.values() for name in names} | set(others))
    for name in [*everything, "_SUCCESS", "manifest.json"]:  # which are no rows, and wanted
        (tmp_path / name).write_text("x")
    (tmp_path / "folder.jsonl").mkdir()
    listing = input_files(str(tmp_path), [], format)
    assert [file.name for file in listing.files] == FORMATS[format]
    unread = [os.path.basename(path) for path in listing.unread]
    assert unread == sorted(({*everything} | {"folder.jsonl"}) - set(FORMATS[format]))


ERRORS = {
    "no folder": ("data/nothing", [], "data/nothing: no such folder"),
    "no parent": ("nothing/{SPAN}", [1], "nothing: no such folder"),
    "a file": ("data/span-3", [], "data/span-3: got Not a directory, expected a folder"),
    "span missing": (
        "data/span-{SPAN}",
        [1, 4],
        r"data/span-{SPAN}: no span 4 (spans there: 1, 2, 10)",
    ),
    "no span asked for": ("data/span-{SPAN}", [], "no span to read (spans there: 1, 2, 10)"),
    "twice": ("data/span-{SPAN}", [1, 1], "got [1, 1], expected each span once"),
    "spans without pattern": ("data/span-1", [1], "got [1], but 'data/span-1' has no {SPAN}"),
    "two patterns": ("data/{SPAN}/{SPAN}", [1], "got {SPAN} more than once"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_say_what_is_there(name, spans):
    input_base, numbers, expected = ERRORS[name]
    with pytest.raises(InputError, match=re.escape(expected)):
        input_files(input_base, numbers, "jsonl")


def test_two_folders_for_one_span(spans):
    os.mkdir("data/span-01")
    with pytest.raises(InputError, match="span-1: span 1 is also in data/span-01"):
        list_spans("data/span-{SPAN}")


def test_no_file_of_the_format(spans):
    expected = "data/span-1: no file to read: got a.jsonl, expected .parquet"
    with pytest.raises(InputError, match=re.escape(expected)):
        input_files("data/span-1", [], "parquet")


def test_split_by_file_name(tmp_path):
    for name in ("train-1.jsonl", "train-2.jsonl", "dev.jsonl", "test.jsonl"):
        (tmp_path / name).write_text("x")
    rule = parse_split({"train": "train*", "eval": "dev*"})
    listing = input_files(str(tmp_path), [], "jsonl", split=rule)
    assert [(file.name, file.split) for file in listing.files] == [
        ("dev.jsonl", "eval"),
        ("train-1.jsonl", "train"),
        ("train-2.jsonl", "train"),
    ]
    assert listing.unread == (str(tmp_path / "test.jsonl"),)


def test_a_file_that_fits_two_patterns_is_refused(tmp_path):
    (tmp_path / "train-dev.jsonl").write_text("x")
    rule = parse_split({"train": "train*", "eval": "*dev*"})
    with pytest.raises(InputError, match=r"'train-dev\.jsonl' fits the patterns of train and eval"):
        input_files(str(tmp_path), [], "jsonl", split=rule)


def test_the_fingerprint_follows_names_and_contents_not_times(tmp_path):
    path = tmp_path / "a.jsonl"

    def digest():
        return fingerprint(input_files(str(tmp_path), [], "jsonl").files)

    path.write_text("one")
    first, status = digest(), os.stat(path)
    os.utime(path, (1, 1))
    assert digest() == first
    path.write_text("two")  # same size, and then the same time
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert digest() != first
    path.write_text("one")
    assert digest() == first
    path.rename(tmp_path / "b.jsonl")
    assert digest() != first
