"""What tests of this folder share is in `compiled`."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from compiled import Service


@pytest.fixture
def service(tmp_path: pathlib.Path) -> Service:
    """An emulated service with nothing in it."""
    return Service(tmp_path / "root")
