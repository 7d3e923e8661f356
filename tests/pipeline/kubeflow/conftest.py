"""One line, compiled once for each target; every test has a copy. What they share is beside them."""

import copy
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))


@pytest.fixture(scope="session")
def _jobs(tmp_path_factory):
    from compiled_line import compiled

    folder = tmp_path_factory.mktemp("compiled")
    return {target: compiled(folder, target=target) for target in ("vertex", "kubeflow")}


@pytest.fixture
def job(_jobs):
    """For Vertex."""
    return copy.deepcopy(_jobs["vertex"])


@pytest.fixture
def kubeflow_job(_jobs):
    """For Kubeflow Pipelines elsewhere."""
    return copy.deepcopy(_jobs["kubeflow"])
