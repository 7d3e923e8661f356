"""Remote spans: a file system of Beam's that lives in memory, and the copies on this machine."""

import gzip
import hashlib
import io
import json
import os
import pathlib
import time
from collections.abc import Iterator

import pytest
from apache_beam.io.filesystem import BeamIOError, CompressionTypes, FileMetadata, FileSystem

from components.errors import InputChanged, InputError
from components.example_gen import files
from pipeline import inputs
from pipeline.config import Config, load_config
from pipeline.retrain import remote, staging
from pipeline.retrain.arrivals import Arrival, Scanner

ROW = '{"text": "a b"}\n'
Objects = dict[str, tuple[bytes, float]]
objects: Objects = {}  # address -> content, time
opened: list[str] = []


class InMemory(FileSystem):
    """An object store without folders. Found by Beam through its scheme, as gs:// is."""

    @classmethod
    def scheme(cls) -> str:
        return "memory"

    def has_dirs(self) -> bool:
        return False

    def _list(self, dir_or_prefix: str) -> Iterator[FileMetadata]:
        if "/forbidden/" in dir_or_prefix:
            raise BeamIOError("List operation failed", {dir_or_prefix: "403 Forbidden"})
        for path, (content, changed) in list(objects.items()):
            if path.startswith(dir_or_prefix):
                yield FileMetadata(path, len(content), changed)

    def open(
        self, path: str, mime_type: str = "", compression_type: str = CompressionTypes.AUTO
    ) -> io.BytesIO:
        assert compression_type == CompressionTypes.UNCOMPRESSED  # or Beam unpacks .gz
        opened.append(path)
        return io.BytesIO(objects[path][0])

    def _not_used(self, *_: object) -> None:
        raise NotImplementedError

    join = split = mkdirs = create = copy = rename = exists = size = _not_used
    last_updated = metadata = delete = _not_used


BASE = "memory://bucket/data"


def put(name: str, text: str | bytes = ROW, changed: float = 100.0) -> None:
    content = text if isinstance(text, bytes) else text.encode()
    objects[f"{BASE}/{name}"] = content, changed


@pytest.fixture
def config(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Spans 1, 2 and 10; 2 is not ready; what lies deeper or beside is of no span."""
    objects.clear()
    opened.clear()
    monkeypatch.chdir(tmp_path)
    for span in (1, 2, 10):
        put(f"span-{span}/a.jsonl", ROW * span)
        put(f"span-{span}/b.jsonl.gz", gzip.compress(ROW.encode()))
        put(f"span-{span}/c.jsonl.tmp", "half")
        put(f"span-{span}/", b"")
    for other in ("span-1/below/a.jsonl", "span-x/a.jsonl", "spans.jsonl"):
        put(other)
    for span in (1, 10):
        put(f"span-{span}/_SUCCESS", "", changed=101.0)
    path = pathlib.Path("c.yaml")
    text = f"pipeline: {{name: p, root: runs}}\ntask: lm\ndata: {{path: '{BASE}/span-{{SPAN}}'}}\n"
    path.write_text(text)
    return load_config(path)


def look(config: Config, known: dict | None = None) -> dict[int, Arrival]:
    return {each.span: each for each in Scanner(config).scan(known or {}, time.time())}


def known(found: dict[int, Arrival]) -> dict[int, tuple[str, str]]:
    return {each.span: (each.signature, each.content) for each in found.values()}


def test_a_span_that_is_ready_is_copied_and_has_the_content_it_would_have_here(config) -> None:
    found = look(config)
    assert [(each.span, each.ready) for each in found.values()] == [
        (1, True),
        (2, False),
        (10, True),
    ]
    assert found[2].why == f"{BASE}/span-2: no _SUCCESS or manifest.json yet"
    folder = f"{os.getcwd()}/runs/p/retrain/staged/span-10-{found[10].content}"
    assert found[10].folder == folder
    assert sorted(os.listdir(folder)) == ["a.jsonl", "b.jsonl.gz"]
    assert pathlib.Path(folder, "a.jsonl").read_text() == ROW * 10
    here = pathlib.Path("here/span-10")
    here.mkdir(parents=True)
    for name in os.listdir(folder):
        (here / name).write_bytes(objects[f"{BASE}/span-10/{name}"][0])
    listing = files.input_files("here/span-{SPAN}", [10], "jsonl")
    assert files.fingerprint(listing.files) == found[10].content


def test_what_has_not_changed_is_not_copied_again(config) -> None:
    first = look(config)
    opened.clear()
    assert look(config, known(first)) == first
    assert look(config) == first  # another process, that knows nothing
    assert opened == []
    put("span-1/a.jsonl", "other " * 2, changed=102.0)  # late, and has settled long since
    later = look(config, known(first))
    assert later[1].content != first[1].content
    assert later[1].ready
    assert {path.split("/")[-2] for path in opened} == {"span-1"}
    assert os.path.isdir(first[1].folder)  # a run may be reading it


def test_a_manifest_is_held_against_the_copy_and_speaks_of_the_address(config) -> None:
    entries = {}
    for name in ("a.jsonl", "b.jsonl.gz"):
        digest = hashlib.sha256(objects[f"{BASE}/span-2/{name}"][0]).hexdigest()
        entries[name] = {"rows": 2 if name == "a.jsonl" else 1, "sha256": digest}
    put("span-2/manifest.json", json.dumps({"files": entries}))
    assert look(config)[2].ready
    entries["a.jsonl"]["rows"] = 7
    put("span-2/manifest.json", json.dumps({"files": entries}), changed=103.0)
    found = look(config)[2]
    assert found.why == f"{BASE}/span-2/a.jsonl: got 2 rows, expected 7 as in manifest.json"
    assert not [name for name in os.listdir("runs/p/retrain/staged") if name.startswith(".")]


def test_a_copy_that_fails_half_way_leaves_nothing_and_stops_no_other(config, monkeypatch) -> None:
    real = InMemory.open

    def cut_off(self, path: str, *how: str, **named: str) -> io.BytesIO:
        found = real(self, path, *how, **named)
        return io.BytesIO(found.read()[:-1]) if path.endswith("span-1/b.jsonl.gz") else found

    monkeypatch.setattr(InMemory, "open", cut_off)
    found = look(config)
    size = len(objects[f"{BASE}/span-1/b.jsonl.gz"][0])
    expected = (
        f"{BASE}/span-1/b.jsonl.gz: got {size - 1} bytes, expected {size} as listed: it changed"
    )
    assert (found[1].why, found[10].ready) == (expected, True)
    names = sorted(os.listdir("runs/p/retrain/staged"))
    assert names == [f"span-10-{found[10].content}", f"span-10-{found[10].content}.source"]


def test_a_copy_appears_by_one_rename_of_all_its_files(config, monkeypatch) -> None:
    def killed(source: str, target: str) -> None:
        assert sorted(os.listdir(source)) == ["a.jsonl", "b.jsonl.gz"]
        assert not os.path.exists(target)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "rename", killed)
    with pytest.raises(KeyboardInterrupt):
        look(config)
    assert os.listdir("runs/p/retrain/staged") == []


def test_a_run_reads_copies_through_one_pattern(config, monkeypatch) -> None:
    found = look(config)
    contents = {span: found[span].content for span in (10, 1)}
    opened.clear()
    run = inputs.resolve(config, spans=contents, new=[10])
    assert opened == []
    assert (run.spans, run.new) == ((1, 10), (10,))
    assert run.what_is_read["spans"] == "[1, 10]"
    listing = files.input_files(run.example_gen["input_base"], run.spans, "jsonl")
    assert run.example_gen["fingerprint"] == files.fingerprint(listing.files)
    with monkeypatch.context() as patched:
        patched.setattr(remote, "look", lambda _: pytest.fail("not asked: every copy is here"))
        again = inputs.resolve(config, spans=contents)
    assert again.example_gen == run.example_gen  # as it is cached
    with pytest.raises(InputChanged, match="span 1 is another one by now; run again"):
        inputs.resolve(config, spans={1: "0" * 32})
    with pytest.raises(InputChanged, match=r"no span 7 \(spans there: 1, 2, 10\)"):
        inputs.resolve(config, spans={7: ""})


def test_the_plain_command_reads_remote_spans_too(config) -> None:
    run = inputs.resolve(config)
    assert run.spans == (10,)
    assert {path.split("/")[-2] for path in opened} == {"span-10"}
    path = pathlib.Path("c.yaml")
    path.write_text(path.read_text().replace("/span-{SPAN}", "/span-2"))
    run = inputs.resolve(load_config(path))
    assert run.spans == ()
    assert len(files.input_files(run.example_gen["input_base"], [], "jsonl").files) == 2


def test_copies_that_no_window_needs_are_removed(config) -> None:
    found = look(config)
    put("span-2/_SUCCESS", "")
    newer = look(config)
    for spans in ((1, 10), (2, 10)):
        staging.view(config, {span: newer[span].content for span in spans})
    staged = pathlib.Path("runs/p/retrain/staged")
    (staged / ".span-3.999999999.tmp").mkdir()  # of a process that is no more
    (staged / ".span-3-f.source.999999999.tmp").write_text("")
    (staged / f".span-3.{os.getpid()}.tmp").mkdir()
    gone = staging.prune(config, [(2, newer[2].content), (10, newer[10].content), (5, "f")])
    assert gone == [found[1].folder]
    left = sorted(path.name for path in staged.iterdir() if not path.name.endswith(".source"))
    kept = [f"span-{span}-{newer[span].content}" for span in (10, 2)]
    assert left == [f".span-3.{os.getpid()}.tmp", *kept, "views"]
    [view] = (staged / "views").iterdir()
    assert sorted(os.listdir(view)) == ["span-10", "span-2"]
    assert look(config)[1] == found[1]  # and is copied again when it is needed


def test_what_cannot_be_reached_is_one_line(config, monkeypatch) -> None:
    def problem(address: str) -> str:
        with pytest.raises(InputError) as caught:
            remote.look(address)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert problem("nowhere://b/span-{SPAN}") == (
        "nowhere://b/span-{SPAN}: got nowhere://, expected a scheme that Beam knows, as gs:// and s3://"
    )
    assert "cannot be read: " in problem("memory://bucket/forbidden/{SPAN}")
    assert "403 Forbidden" in problem("memory://bucket/forbidden/{SPAN}")
    monkeypatch.setattr(remote, "_installed", lambda _: False)
    for scheme, extra in {"s3": "aws", "azfs": "azure", "hdfs": "hadoop"}.items():
        needs = f"{scheme}:// needs pip install 'apache-beam[{extra}]'"
        assert problem(f"{scheme}://b/span-{{SPAN}}") == f"{scheme}://b/span-{{SPAN}}: {needs}"
