"""The ledger's story is beside its tests."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))


@pytest.fixture
def story():
    """A ledger, empty at first, and what happens to it."""
    from retrain_story import Story

    return Story()
