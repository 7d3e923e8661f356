"""Components reach files by `components.storage` or TensorFlow's `gfile`, not by Python's own calls.

Those make a local folder `gs:` of an address and tell nobody.
"""

import ast
import collections
import pathlib

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
# What is of this machine alone, by module: why, and which calls.
ALLOWED = {
    "buckets": ("a copy on this machine", {"open", "os.fsync"}),
    "code_hash": ("our own source code", {"pathlib.Path"}),
    "conditional": (
        "a lock, where the document is here",
        {"os.close", "os.makedirs", "os.open"},
    ),
    "folders": ("a copy on this machine", {"open", "os.makedirs"}),
    "process": ("/proc", {"open"}),
    "pusher.rollback": (
        "the rename of a folder, where the destination is here",
        {"os.makedirs", "os.path.exists", "os.rename"},
    ),
    "pusher.versions": (
        "fsync, where the destination is here",
        {"os.close", "os.fsync", "os.open"},
    ),
    "serving_check.clean_process": ("its own process, and what that is told by", {"open"}),
    "serving_check.process": (
        "what it tells that process, and hears from it",
        {"open", "os.path.exists", "tempfile.TemporaryDirectory"},
    ),
    "storage": (
        "where it is decided",
        {
            "open", "os.close", "os.fsync", "os.listdir", "os.makedirs", "os.open", "os.path.getsize",
            "os.path.isdir", "os.path.isfile", "os.remove", "os.replace", "os.scandir", "os.walk",
            "shutil.rmtree", "tempfile.TemporaryFile",
        },
    ),
    "trainer.event_files": (
        "a folder of this machine, published when training is done",
        {"os.listdir", "os.makedirs", "os.remove"},
    ),
    "trainer.kept_lines": ("the file of this machine that lines are fetched into", {"open"}),
    "trainer.metrics_log": (
        "a folder of this machine, published when training is done",
        {"open", "os.fsync", "os.makedirs", "os.walk", "shutil.rmtree"},
    ),
    "trainer.training": ("that folder, where the state is remote", {"tempfile.mkdtemp"}),
    "tuner.search": ("KerasTuner's own notes", {"tempfile.TemporaryDirectory"}),
}  # fmt: skip
_OF_PATHS = {"exists", "isfile", "isdir", "islink", "getsize", "getmtime", "samefile", "lexists"}
_NO_FILES = {
    "os.cpu_count",
    "os.fspath",
    "os.getpid",
    "os.sched_getaffinity",
    "os.strerror",
    "os.sysconf",
}


def calls(source: str) -> set[str]:
    """The calls in a module that reach for files of the operating system, by their dotted names."""
    tree = ast.parse(source)
    names = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and node.module in ("os", "pathlib", "shutil", "tempfile")
        for alias in node.names
    }
    dotted = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    return {each for name in dotted if reaches(each := names.get(name, name))}


def reaches(name: str) -> bool:
    parts = name.split(".")
    if name in ("open", "io.open"):
        return True
    if parts[0] in ("glob", "pathlib", "shutil", "tempfile") and len(parts) == 2:
        return name != "shutil.copyfileobj"
    if parts[:2] == ["os", "path"]:
        return parts[2] in _OF_PATHS
    return parts[0] == "os" and len(parts) == 2 and name not in _NO_FILES


def test_only_what_is_of_this_machine_uses_its_files() -> None:
    found = collections.defaultdict(set)
    folder = REPOSITORY / "components"
    for path in folder.rglob("*.py"):
        module = ".".join(path.relative_to(folder).with_suffix("").parts)
        found[module] = calls(path.read_text())
    assert {module: names for module, names in found.items() if names} == {
        module: names for module, (_, names) in ALLOWED.items()
    }


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("with open(path) as file: pass", {"open"}),
        ("import os\nos.makedirs(os.path.join(a, b))", {"os.makedirs"}),
        ("import os\nif os.path.exists(path): os.environ.get('A')", {"os.path.exists"}),
        ("from pathlib import Path\nPath(path).read_text()", {"pathlib.Path"}),
        ("from os import replace as put\nput(a, b)", {"os.replace"}),
        ("import tempfile\ndef f():\n    return tempfile.mkdtemp()", {"tempfile.mkdtemp"}),
        ("tf.io.gfile.GFile(path); storage.opened(path); archive.open(path)", set()),
    ],
)
def test_such_calls_are_seen(source: str, expected: set[str]) -> None:
    assert calls(source) == expected
