"""The set-up: what it refuses, in one line, and that it does not depend on where pip looks."""

import pathlib
import re
import sys

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture
def bootstrap(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(REPOSITORY))
    import bootstrap

    return bootstrap


@pytest.mark.parametrize(
    ("version", "libc", "says"),
    [
        ((3, 10), ("glibc", "2.41"), "found Python 3.10, need 3.11 to 3.13"),
        ((3, 14), ("glibc", "2.41"), "found Python 3.14, need 3.11 to 3.13"),
        ((3, 12), ("glibc", "2.36"), "runs only on Python 3.11"),
        ((3, 13), ("glibc", "2.38"), "runs only on Python 3.11"),
        ((3, 11), ("", ""), "need glibc"),
    ],
)
def test_unsuitable_machine_is_one_line(bootstrap, monkeypatch, version, libc, says) -> None:
    monkeypatch.setattr(sys, "version_info", (*version, 0, "final", 0))
    monkeypatch.setattr(bootstrap.platform, "libc_ver", lambda: libc)
    problem = bootstrap.unsuitable()
    assert says in problem
    assert "\n" not in problem


def test_missing_compiler_and_headers_are_named(bootstrap, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: None)
    assert "C++ compiler" in bootstrap.unsuitable()
    monkeypatch.undo()
    monkeypatch.setattr(bootstrap.sysconfig, "get_paths", lambda: {"include": str(tmp_path)})
    assert "headers" in bootstrap.unsuitable()


def test_this_machine_is_suitable(bootstrap) -> None:
    assert bootstrap.unsuitable() is None


def test_lock_is_hashed_and_names_no_index(bootstrap) -> None:
    lock = (REPOSITORY / "requirements.lock").read_text()
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links", lock)
    pinned = re.findall(r"^[a-z0-9._-]+==", lock, flags=re.M)
    assert len(pinned) > 150
    assert lock.count("--hash=sha256:") > len(pinned)


def test_uv_is_installed_by_the_hash_in_the_lock(bootstrap) -> None:
    lines = bootstrap.locked_uv().splitlines()
    assert lines[0].startswith("uv==")
    assert all("--hash=sha256:" in line for line in lines[1:])
