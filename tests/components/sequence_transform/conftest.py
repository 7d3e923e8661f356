"""The helpers beside the tests can be imported."""

import pathlib
import sys

import pytest

sys.path.append(str(pathlib.Path(__file__).parent))


@pytest.fixture(scope="session")
def make_inputs(tmp_path_factory):
    """Makes input artifacts from splits {name: shards of rows}, each time in a new folder."""
    from transform_cases import write_inputs

    return lambda splits: write_inputs(tmp_path_factory.mktemp("transform"), splits)
