"""What a killed run left is cleaned up at the next start, though nothing is due; and only then."""

import pathlib
import subprocess
import sys

import pytest
import test_retrain_command as pretend
from store_book import RUNNING, Book
from test_retrain_command import holding, once

from pipeline import unfinished
from pipeline.config import Config, load_config
from pipeline.retrain import leftovers
from pipeline.store.connection import Store

folder = pretend.folder
HALF = "artifacts/Transform/transform_graph/1/.temp_path/saved_model.pb"


@pytest.fixture
def config(folder) -> Config:
    return load_config("config.yaml")


@pytest.fixture
def book(folder) -> Book:
    """A Transform that runs, and half of what it makes."""
    there = folder / "runs/pretend"
    there.mkdir(parents=True)
    book = Book(there, "pretend", Store("pretend", str(there / "metadata.db")))
    book.ran("20260103-000009.123456", "Transform", state=RUNNING)
    (there / HALF).parent.mkdir(parents=True)
    (there / HALF).touch()
    return book


def killed(config: Config) -> None:
    """As a run leaves its note that is killed."""
    with pytest.raises(SystemExit), unfinished.noted(config, "20260103-000009"):
        raise SystemExit


def test_a_start_cleans_up_after_a_run_that_was_killed(book, config, capsys) -> None:
    killed(config)
    assert once() == 0
    said = capsys.readouterr().out
    assert "  cleaned up after run 20260103-000009.123456, which ended in Transform\n" in said
    assert "nothing new" in said
    assert book.states() == {1: "FAILED"}
    assert not (book.folder / HALF).exists()
    assert not unfinished.is_noted(config)


def test_without_a_sign_the_store_is_not_looked_at(book, config, monkeypatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("a process was started"))
    assert once() == 0
    assert book.states() == {1: "RUNNING"}


def test_a_run_that_goes_on_is_left_alone(book, config, capsys) -> None:
    with unfinished.noted(config, "now"), holding(book.folder / "lock"):
        assert once() == 0
    assert "cleaned up" not in capsys.readouterr().out  # nor that it was not
    assert book.states() == {1: "RUNNING"}
    assert (book.folder / HALF).exists()


def test_what_is_in_the_way_is_told_and_tried_again(book, config, capsys, monkeypatch) -> None:
    killed(config)
    good = (book.folder / "metadata.db").read_bytes()
    (book.folder / "metadata.db").write_text("no database, " * 100)
    assert once() == 0
    assert "not cleaned up: " in capsys.readouterr().out
    assert unfinished.is_noted(config)
    (book.folder / "metadata.db").write_bytes(good)
    monkeypatch.setattr(leftovers, "_MOST_SECONDS", 0.01)
    assert once() == 0
    assert "not cleaned up: that took longer than" in capsys.readouterr().out
    monkeypatch.undo()
    monkeypatch.chdir(pathlib.Path(book.folder).parents[1])
    assert once() == 0
    assert not unfinished.is_noted(config)


@pytest.mark.parametrize(
    ("error", "stays"),
    [
        (None, False),
        ("components.errors:InputError", False),
        ("components.errors:Passing", True),  # as a store that is gone
        ("builtins:ValueError", True),
        ("builtins:KeyboardInterrupt", True),
    ],
)
def test_the_note_goes_with_what_tfx_could_write_down(config, error, stays) -> None:
    import importlib

    if error is None:
        with unfinished.noted(config, "r"):
            assert unfinished.is_noted(config)
    else:
        module, name = error.split(":")
        kind = getattr(importlib.import_module(module), name)
        with pytest.raises(kind), unfinished.noted(config, "r"):
            raise kind("x")
    assert unfinished.is_noted(config) == stays
    unfinished.forget(config)
    unfinished.forget(config)
    assert not unfinished.is_noted(config)


def test_a_retrain_loads_no_store_for_it(book, config) -> None:
    killed(config)
    script = (
        "import sys; from pipeline.__main__ import main;"
        "code = main(['retrain', '--config', 'config.yaml']);"
        "print(code, sorted({'ml_metadata', 'tensorflow', 'tfx'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True,
        env={"PYTHONPATH": str(pathlib.Path(leftovers.__file__).parents[2])},
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "0 []"
    assert book.states() == {1: "FAILED"}
