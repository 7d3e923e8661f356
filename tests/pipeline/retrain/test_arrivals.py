"""When a span is ready, why it is not, and that nothing is read twice or half copied."""

import dataclasses
import gzip
import hashlib
import json
import os
import pathlib
import time
from collections.abc import Callable

import pytest

from components.errors import InputError
from components.example_gen import files
from components.example_gen.row_count import row_count
from pipeline.config import Config, load_config
from pipeline.retrain import looking
from pipeline.retrain.arrivals import Arrival, Scanner
from pipeline.retrain.looking import Entry, Reading, Seen
from pipeline.retrain.readiness import reason_to_wait

ROW = '{"text": "a b"}\n'
LATER = 1e6  # seconds after the files were written: everything has settled


def configured(more: str = "", data: str = "") -> Config:
    text = "pipeline: {name: p}\ntask: lm\ndata: {path: 'data/span-{SPAN}'%s}\n"
    pathlib.Path("c.yaml").write_text(text % data + more)
    return load_config("c.yaml")


@pytest.fixture
def write(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., pathlib.Path]:
    """Writes a file of a span."""
    monkeypatch.chdir(tmp_path)
    pathlib.Path("data").mkdir()
    pathlib.Path("data/span-0").mkdir()  # so that a configuration can be read

    def call(span: int | str, name: str = "a.jsonl", text: str = ROW) -> pathlib.Path:
        path = pathlib.Path(f"data/span-{span}", name)
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    return call


def look(config: Config, known: dict | None = None, now: float = LATER) -> dict[int, Arrival]:
    """The spans but for the empty one; `now` counts from this moment."""
    found = Scanner(config).scan(known or {}, time.time() + now)
    assert [each.span for each in found] == sorted(each.span for each in found)
    return {each.span: each for each in found if each.span}


def known(found: dict[int, Arrival]) -> dict[int, tuple[str, str]]:
    return {each.span: (each.signature, each.content) for each in found.values()}


def test_a_span_is_ready_with_its_marker_and_has_the_content_that_a_run_sees(write) -> None:
    for span in (10, 9, 2):
        write(span)
    write(9, "_SUCCESS", "")
    config = configured()
    found = look(config)
    assert list(found) == [2, 9, 10]
    assert [each.ready for each in found.values()] == [False, True, False]
    assert found[2].why == "data/span-2: no _SUCCESS or manifest.json yet"
    assert (found[2].content, found[9].why) == ("", "")
    listed = files.input_files("data/span-{SPAN}", [9], "jsonl")
    assert found[9].content == files.fingerprint(listed.files)
    assert found[9].folder == "data/span-9"
    assert files.fingerprints(listed.files) == (found[9].content, {9: found[9].content})


def test_a_span_without_marker_settles(write) -> None:
    write(1)
    config = configured("retrain: {ready: settle, settle_seconds: 60}")
    early = look(config, now=55)[1]
    assert early.why == "data/span-1: changed in the last 60 s (retrain.settle_seconds)"
    assert look(config, now=50)[1] == early  # the same line, however long it waits
    assert look(config, now=65)[1].ready
    write(1, "_SUCCESS", "")
    assert look(config, now=0)[1].ready


def test_what_is_copied_beside_the_files_keeps_a_span_waiting_though_it_is_never_read(
    write,
) -> None:
    """rsync and cp -p give a file its old time; what they cannot give it is the inode's."""
    old = write(1)
    os.utime(old, (1e9, 1e9))
    [entry] = looking.look_at(1, "data/span-1").entries
    assert entry.changed == old.stat().st_ctime > 1e9
    config = configured("retrain: {ready: settle}")
    content = look(config)[1].content
    assert not look(config, now=30)[1].ready
    for name in (".b.jsonl.Xq3f7a", "b.jsonl.tmp"):
        write(1, name, '{"te')
    found = look(config)[1]
    assert (found.content, look(config, now=30)[1].ready) == (content, False)
    listed = files.input_files("data/span-{SPAN}", [1], "jsonl")
    assert [file.name for file in listed.files] == ["a.jsonl"]


def seen(*entries: tuple[str, float], changed: float = 0.0) -> Seen:
    made = tuple(Entry(name, 1, time, "") for name, time in entries)
    return Seen(1, "s", made, changed)


READING = Reading("jsonl", looking.parse_split({"train": 1, "eval": 1}))
MARKED = ("_SUCCESS", 100.0)
WAITS = {  # (what is there, marker needed, now, the same as at the last look) -> whether it waits
    "marker after the files": (seen(("a.jsonl", 100.0), MARKED), True, 100.0, False, ""),
    "a late file": (seen(("a.jsonl", 101.0), MARKED), True, 160.0, True, "a.jsonl is newer than"),
    "a late file that has settled": (seen(("a.jsonl", 101.0), MARKED), True, 161.0, False, ""),
    "a late note": (seen(("a.jsonl", 90.0), ("notes.md", 150.0), MARKED), True, 151.0, False, ""),
    "a manifest": (seen(("a.jsonl", 90.0), ("manifest.json", 90.0)), True, 91.0, False, ""),
    "a file that went": (seen(("a.jsonl", 1.0), changed=90.0), False, 100.0, True, "changed in"),
    "the folder has settled": (seen(("a.jsonl", 1.0), changed=40.0), False, 100.0, False, ""),
    "clock set back": (seen(("a.jsonl", 9999.0)), False, 100.0, False, "dated in the future"),
    "clock set back, next look": (seen(("a.jsonl", 9999.0)), False, 100.0, True, ""),
    "clock a little off": (seen(("a.jsonl", 102.0)), False, 100.0, True, "changed in the last"),
    "settled, no marker": (seen(("a.jsonl", 1.0)), True, 1e9, True, "no _SUCCESS or manifest.json"),
}


@pytest.mark.parametrize(("there", "needed", "now", "unchanged", "said"), WAITS.values(), ids=WAITS)
def test_why_a_span_waits(there, needed: bool, now: float, unchanged: bool, said: str) -> None:
    why = reason_to_wait(
        there, READING, marker_needed=needed, settle_seconds=60.0, now=now, unchanged=unchanged
    )
    assert why.startswith("s: " if said else "")
    assert (said in why) == bool(why or not said)


def test_unchanged_files_are_not_read_again(write, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.jsonl", "_SUCCESS"):
        write(1, name)
    config = configured()
    first = look(config)
    monkeypatch.setattr(looking, "verified_content", lambda *_: pytest.fail("read again"))
    assert look(config, known(first)) == first


def test_another_byte_is_another_content_though_size_and_time_are_kept(write) -> None:
    path = write(1)
    write(1, "_SUCCESS", "")
    config = configured()
    first = look(config)
    before = path.stat()
    path.write_text(ROW.replace("b", "c"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    later = look(config, known(first))
    assert later[1].ready
    assert later[1].signature != first[1].signature
    assert later[1].content != first[1].content
    path.write_text(ROW)  # touched, but the same again
    assert look(config, known(later))[1].content == first[1].content


def manifest(span: int, **changed: object) -> dict:
    """A right manifest for a span's files, but for what is changed."""
    folder = pathlib.Path(f"data/span-{span}")
    entries = {}
    for path in sorted(folder.glob("*.jsonl*")):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        entries[path.name] = {"rows": 2, "sha256": digest} | changed
    return {"files": entries}


def test_a_manifest_that_fits_makes_a_span_ready(write) -> None:
    write(1, text=ROW * 2)
    pathlib.Path("data/span-1/b.jsonl.gz").write_bytes(gzip.compress((ROW * 2).encode()))
    write(1, "manifest.json", json.dumps(manifest(1)))
    assert look(configured())[1].ready


FORM = 'expected {"files": {name: {"rows": number, "sha256": 64 hex digits}}}'
WRONG = {
    "rows": (
        lambda: manifest(1, rows=3),
        "data/span-1/a.jsonl: got 2 rows, expected 3 as in manifest.json",
    ),
    "sha256": (
        lambda: manifest(1, sha256="0" * 64),
        "expected " + "0" * 64 + " as in manifest.json",
    ),
    "cut off": (lambda: '{"files": {"a.j', "data/span-1/manifest.json: got no JSON ("),
    "a list": (lambda: ["a.jsonl"], f"data/span-1/manifest.json: got another form, {FORM}"),
    "other keys": (lambda: manifest(1) | {"version": 2}, "got another form"),
    "nothing listed": (lambda: {"files": {}}, "got no file, expected one or more"),
    "no rows": (
        lambda: {"files": {"a.jsonl": {"sha256": "0" * 64}}},
        "'a.jsonl': got another form",
    ),
    "rows as text": (lambda: manifest(1, rows="2"), "rows: got '2', expected a whole number"),
    "no digest": (lambda: manifest(1, sha256="abc"), "sha256: got 'abc', expected 64 hex digits"),
    "unlisted": (
        lambda: {"files": {"b.jsonl": {"rows": 1, "sha256": "0" * 64}}},
        "data/span-1/manifest.json: got no entry for 'a.jsonl', expected each file that is read",
    ),
    "missing": (
        lambda: {"files": manifest(1)["files"] | {"b.jsonl": {"rows": 1, "sha256": "0" * 64}}},
        "data/span-1/b.jsonl: got no such file, expected it as manifest.json lists it",
    ),
    "outside": (
        lambda: {"files": manifest(1)["files"] | {"../b.jsonl": {"rows": 1, "sha256": "0" * 64}}},
        "entry '../b.jsonl': got a path",
    ),
    "not read": (
        lambda: {"files": manifest(1)["files"] | {"_SUCCESS": {"rows": 0, "sha256": "0" * 64}}},
        "got the entry '_SUCCESS', expected jsonl files only",
    ),
}


@pytest.mark.parametrize(("make", "said"), WRONG.values(), ids=WRONG)
def test_a_manifest_that_does_not_fit_keeps_a_span_waiting_and_says_why(write, make, said) -> None:
    write(1, text=ROW * 2)
    write(1, "_SUCCESS", "")
    made = make()
    write(1, "manifest.json", made if isinstance(made, str) else json.dumps(made))
    write(2)
    write(2, "_SUCCESS", "")
    found = look(configured())
    assert (found[1].ready, found[1].content, found[2].ready) == (False, "", True)
    assert said in found[1].why
    assert "\n" not in found[1].why


def test_what_a_manifest_refused_is_verified_again_only_when_it_changed(write, monkeypatch) -> None:
    path = write(1, text=ROW)
    write(1, "manifest.json", json.dumps(manifest(1)))  # says 2 rows
    scanner = Scanner(configured())
    now = time.time()

    def arrival() -> Arrival:
        return next(each for each in scanner.scan({}, now) if each.span)

    why = arrival().why
    assert "got 1 rows, expected 2" in why
    with monkeypatch.context() as patched:
        patched.setattr(looking, "verified_content", lambda *_: pytest.fail("read again"))
        assert arrival().why == why
    path.write_text(ROW * 2)
    write(1, "manifest.json", json.dumps(manifest(1)))
    assert arrival().ready


def test_what_cannot_be_read_is_named_and_the_others_go_on(write) -> None:
    for span in ("1", "01", "2", "3", "4"):
        write(span)
        write(span, "_SUCCESS", "")
    pathlib.Path("data/span-2/a.jsonl").unlink()
    os.symlink("nowhere", "data/span-3/b.jsonl")  # as a share that is not mounted
    found = look(configured(), now=LATER)
    assert found[1].why == "data/span-1: span 1 is also in data/span-01, expected one folder"
    assert "data/span-2: no file to read: got nothing, expected .jsonl" in found[2].why
    assert (found[2].signature, found[4].ready) == ("", True)
    named = "data/span-3/b.jsonl: got a link to what is not there, expected a file"
    assert (found[3].ready, found[3].why) == (False, named)  # half of it is not the span


def test_a_link_to_nothing_that_is_not_read_holds_nothing_up(write) -> None:
    write(1)
    for name in (".#a.jsonl", "notes.txt"):  # the first as an editor makes it
        os.symlink("nowhere", f"data/span-1/{name}")
    write(1, "_SUCCESS", "")
    assert look(configured())[1].ready


def test_a_file_that_changes_while_it_is_read_is_not_ready(write, monkeypatch) -> None:
    path = write(1)
    write(1, "_SUCCESS", "")
    real = looking.verified_content

    def while_it_grows(*args) -> str:
        content = real(*args)
        path.write_text(ROW * 2)
        return content

    monkeypatch.setattr(looking, "verified_content", while_it_grows)
    assert look(configured())[1].why == "data/span-1: changed while it was read"


def test_files_of_no_split_count_for_nothing(write) -> None:
    for name in ("train.jsonl", "dev.jsonl", "_SUCCESS"):
        write(1, name)
    config = configured(data=", split: {train: 'train*', eval: 'dev*'}")
    first = look(config)
    write(1, "test.jsonl")
    assert look(config)[1] == first[1]
    both = dataclasses.replace(config.data, split={"train": "*", "eval": "dev*"})
    assert "fits the patterns of" in look(dataclasses.replace(config, data=both))[1].why


def test_without_span_in_the_path_there_is_nothing_to_wait_for(write) -> None:
    config = configured()
    data = dataclasses.replace(config.data, path="data")
    with pytest.raises(InputError, match=r"data: got \{SPAN\} nowhere, expected once"):
        Scanner(dataclasses.replace(config, data=data))


def test_rows_are_counted_as_example_gen_counts_them(tmp_path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq
    import tensorflow as tf

    (tmp_path / "a.csv").write_text('text\n"two\nlines"\n\nlast\n')  # a blank line is a bad row
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\nnot JSON\n\n{"text": "b"}')
    pq.write_table(pa.table({"text": ["a", "b", "c"]}), tmp_path / "a.parquet")
    with tf.io.TFRecordWriter(str(tmp_path / "a.tfrecord.gz"), "GZIP") as writer:
        for _ in range(5):
            writer.write(b"x")
    counts = {"a.csv": 3, "a.jsonl": 4, "a.parquet": 3, "a.tfrecord.gz": 5}
    for name, rows in counts.items():
        assert row_count(str(tmp_path / name), files.format_of(name)) == rows
    (tmp_path / "b.parquet").write_text("no")
    with pytest.raises(InputError, match=r"b\.parquet: got a file that is damaged or not Parquet"):
        row_count(str(tmp_path / "b.parquet"), "parquet")
