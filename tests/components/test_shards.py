"""Reading shards in batches, and working on them through Beam and on threads."""

import functools
import os
import pathlib
import threading

import apache_beam as beam
import pytest
import tensorflow as tf
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from components import shards
from components.errors import InputError


def write(path: pathlib.Path, records: list[bytes]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for record in records:
            writer.write(record)
    return str(path)


def pipeline() -> beam.Pipeline:
    return beam.Pipeline(runner=FnApiRunner())


def copy_name(path: str, folder: str) -> None:
    pathlib.Path(folder, os.path.basename(path)).write_text(str(threading.get_ident()))


def refuse(path: str) -> None:
    if not path.endswith("b"):
        raise InputError(f"{path}: got this,\nexpected that")


def break_down(path: str) -> None:
    raise ZeroDivisionError(path)


def sizes(path: str, size: int, **options: int) -> list[list[bytes]]:
    return [batch.numpy().tolist() for batch in shards.batches(path, size, **options)]


def test_files_are_sorted_and_hidden_ones_are_none(tmp_path: pathlib.Path) -> None:
    for name in ("b-00001.gz", "a-00000.gz", ".parts"):
        (tmp_path / name).write_bytes(b"")
    assert shards.files(str(tmp_path)) == [
        str(tmp_path / "a-00000.gz"),
        str(tmp_path / "b-00001.gz"),
    ]
    assert shards.files(str(tmp_path / "nothing")) == []


def test_batches_hold_every_record_once_in_order(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path / "x.gz", [b"a", b"", b"c\0c", b"d", b"e"])
    assert sizes(path, 2) == [[b"a", b""], [b"c\0c", b"d"], [b"e"]]
    assert sizes(path, 9) == [[b"a", b"", b"c\0c", b"d", b"e"]]
    assert sizes(write(tmp_path / "none.gz", []), 2) == []


def test_long_records_make_short_batches(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path / "x.gz", [b"aaa", b"bb", b"c" * 20, b"d", b"e", b"f" * 5])
    assert sizes(path, 6, most_bytes=6) == [
        [b"aaa", b"bb"],
        [b"c" * 20],
        [b"d", b"e"],
        [b"f" * 5],
    ]


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(monkeypatch, threads: int) -> None:
    monkeypatch.setattr(shards, "THREADS", threads)
    later = threading.Event()

    def work(item: int) -> int:
        if item == 0 and threads > 1:
            assert later.wait(10)  # the second one is done before the first
        if item == 1:
            later.set()
        return item * item

    assert list(shards.in_order(work, iter(range(20)))) == [item * item for item in range(20)]


def test_few_results_wait(monkeypatch) -> None:
    monkeypatch.setattr(shards, "THREADS", 2)
    taken = []

    def items():
        for item in range(50):
            taken.append(item)
            yield item

    results = shards.in_order(lambda item: item, items())
    assert next(results) == 0
    assert len(taken) == 3


def test_what_the_work_raises_is_raised(monkeypatch) -> None:
    def work(item: int) -> int:
        if item == 3:
            raise InputError("row 3")
        return item

    results = shards.in_order(work, range(9))
    assert [next(results), next(results), next(results)] == [0, 1, 2]
    with pytest.raises(InputError, match="row 3"):
        next(results)


@pytest.mark.parametrize("count", [0, 1, 7])
def test_each_shard_is_worked_on_once(tmp_path: pathlib.Path, count: int) -> None:
    paths = [f"/somewhere/shard-{index}" for index in range(count)]
    (tmp_path / "out").mkdir()
    work = functools.partial(copy_name, folder=str(tmp_path / "out"))
    shards.each(pipeline, paths, work, label="Copy", folder=str(tmp_path / "work"))
    assert sorted(os.listdir(tmp_path / "out")) == [f"shard-{index}" for index in range(count)]
    assert os.listdir(tmp_path / "work") == []


def test_bad_input_of_all_shards_is_raised_as_it_is(tmp_path: pathlib.Path) -> None:
    with pytest.raises(InputError) as raised:
        shards.each(pipeline, ["c", "b", "a"], refuse, label="Try", folder=str(tmp_path))
    assert str(raised.value) == "c: got this,\nexpected that\na: got this,\nexpected that"


def test_other_exceptions_stop_the_pipeline(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ZeroDivisionError, match=r"^a "):
        shards.each(pipeline, ["a"], break_down, label="Break", folder=str(tmp_path))
