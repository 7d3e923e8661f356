"""A model is loaded once, whoever needs it, and let go at the end."""

import threading

import pytest

from components import saved_model
from components.evaluator import models
from components.evaluator.models import ModelError


@pytest.fixture
def loads(monkeypatch):
    """The folders that were loaded, in order; a name that starts with `bad` does not load."""
    found = []

    def load(path):
        found.append(path)
        if path.startswith("bad"):
            raise ValueError("no\ngraph")
        return object()

    monkeypatch.setattr(saved_model, "load", load)
    return found


def test_within_shared_a_model_is_loaded_once_by_all_threads(loads):
    found = []
    with models.shared():
        with models.shared():
            models.load("a")
        workers = [
            threading.Thread(target=lambda: found.append(models.load("a"))) for _ in range(8)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert models.load("b") is not models.load("a")
        assert set(found) == {models.load("a")}
    assert loads == ["a", "b"]


def test_afterwards_and_without_it_nothing_is_kept(loads):
    with pytest.raises(ModelError), models.shared():
        models.load("bad")
    for _ in range(2):
        models.load("a")
    with models.shared():
        models.load("a")
    models.load("a")
    assert loads == ["bad", "a", "a", "a", "a"]


def test_what_does_not_load_is_an_error_each_time(loads):
    with models.shared():
        for _ in range(2):
            with pytest.raises(ModelError, match=r"^bad: does not load \(ValueError: no graph\)$"):
                models.load("bad")
    assert loads == ["bad", "bad"]
