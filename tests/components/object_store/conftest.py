"""Makes the helper module beside the tests importable, and ram:// list folders as a store does."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import store_line


@pytest.fixture
def ram(tmp_path, monkeypatch) -> str:
    """An address that nothing lies at yet."""
    store_line.mend_listings(monkeypatch)
    return f"ram://{tmp_path.name}-{id(tmp_path)}"
