"""The ledger's story is beside its tests; the fake bucket is that of the tests of the cloud."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "cloud"))


@pytest.fixture
def story():
    """A ledger, empty at first, and what happens to it."""
    from retrain_story import Story

    return Story()


@pytest.fixture
def store(monkeypatch):
    """Google Cloud Storage on loopback, to which Google's client is led."""
    import fake_storage

    found = fake_storage.FakeStorage()
    with fake_storage.serving(found) as address:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", address)
        yield found
