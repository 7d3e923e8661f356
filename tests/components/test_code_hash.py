"""The code hash changes with the code that is named, and with nothing else."""

import importlib
import pathlib
import shutil
import sys

import pytest

from components.code_hash import code_hash

FILES = {
    "__init__.py": "",
    "model.py": "A = 1\n",
    "left/__init__.py": "",
    "left/part.py": "L = 1\n",
    "right/__init__.py": "",
    "right/part.py": "R = 1\n",
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The folder of the package `hashed_one`, beside `hashed_other`."""
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("hashed_one", "hashed_other"):
        for file, text in FILES.items():
            path = tmp_path / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    importlib.invalidate_caches()
    yield tmp_path / "hashed_one"
    for name in [name for name in sys.modules if name.startswith("hashed_")]:
        del sys.modules[name]


def _swap_parts(folder: pathlib.Path) -> None:
    left, right = folder / "left/part.py", folder / "right/part.py"
    texts = left.read_text(), right.read_text()
    left.write_text(texts[1])
    right.write_text(texts[0])


CHANGES = {
    "edited": lambda folder: (folder / "model.py").write_text("A = 2\n"),
    "edited in a sub-folder": lambda folder: (folder / "left/part.py").write_text("L = 2\n"),
    "file added": lambda folder: (folder / "left/new.py").write_text(""),
    "file removed": lambda folder: (folder / "model.py").unlink(),
    "file renamed": lambda folder: (folder / "model.py").rename(folder / "modem.py"),
    "folder renamed": lambda folder: (folder / "left").rename(folder / "lefu"),
    "file moved to another folder": lambda folder: (folder / "left/part.py").rename(
        folder / "left_part.py"
    ),
    "files of one name swapped": _swap_parts,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_changes_with_the_package(package, change):
    before = code_hash("hashed_one")
    change(package)
    assert code_hash("hashed_one") != before


def test_a_file_cannot_pretend_to_be_two(package):
    (package / "left/part.py").write_text("x")
    (package / "left/q.py").write_text("y")
    before = code_hash("hashed_one.left")
    (package / "left/q.py").unlink()
    (package / "left/part.py").write_text("xhashed_one.left/q.py\ny")
    assert code_hash("hashed_one.left") != before


def test_is_indifferent_to_other_packages_to_data_and_to_where_the_code_lies(
    package, tmp_path, monkeypatch
):
    before = code_hash("hashed_one")
    (tmp_path / "hashed_other/model.py").write_text("B = 2\n")
    (package / "notes.txt").write_text("not code")
    (package / "__pycache__").mkdir()
    (package / "__pycache__/model.cpython-311.pyc").write_bytes(b"compiled")
    assert code_hash("hashed_one") == before

    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(package, elsewhere / "hashed_one")
    shutil.rmtree(package)
    monkeypatch.syspath_prepend(str(elsewhere))
    assert code_hash("hashed_one") == before


def test_a_module_counts_alone(package):
    before = code_hash("hashed_one.model")
    (package / "left/part.py").write_text("L = 2\n")
    assert code_hash("hashed_one.model") == before
    (package / "model.py").write_text("A = 2\n")
    assert code_hash("hashed_one.model") != before


def test_several_modules_count_together_and_in_order(package):
    both = code_hash("hashed_one", "hashed_other")
    assert both not in (code_hash("hashed_one"), code_hash("hashed_other", "hashed_one"))


@pytest.mark.parametrize("name", ["hashed_nowhere", "hashed_one.nowhere", "hashed_no.where"])
def test_an_unknown_module_is_named(package, name):
    with pytest.raises(ValueError, match=f"no module named '{name}' to hash"):
        code_hash(name)


def test_nothing_is_imported_to_hash_a_package(package):
    (package / "__init__.py").write_text("raise RuntimeError('imported')\n")
    assert len(code_hash("hashed_one")) == 16
