"""Which model a candidate is compared with: an artifact, a pushed version, or none."""

import pytest
from tfx.types import standard_artifacts

from components.evaluator import executor


@pytest.mark.parametrize(
    ("uri", "folder", "expected"),
    [
        ("", "", None),
        ("/m", "", "/m/Format-Serving"),
        ("", "gs://b/served/3", "gs://b/served/3"),
        ("/m", "gs://b/served/3", "/m/Format-Serving"),
    ],
)
def test_the_baseline(uri, folder, expected) -> None:
    model = standard_artifacts.Model()
    model.uri = uri
    inputs = {"baseline_model": [model] if uri else []}
    assert executor._baseline(inputs, {"baseline_folder": folder}) == expected
