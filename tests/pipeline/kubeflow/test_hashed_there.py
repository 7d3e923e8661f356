"""What runs in the cloud alone is in a code hash as well; see tests/pipeline/test_hashed_code.py."""

import pytest
from test_hashed_code import NOT_HASHED, closure, covers

from pipeline.kubeflow import line

SPAN_WINDOW = (
    "components.span_window",
    "components.example_gen.columns",
    "components.example_gen.files",
    "components.example_gen.splits",
    "components.storage",
)


@pytest.mark.parametrize(
    ("module", "hashed"),
    [
        ("components.base_model.executor", line.CODE_OF_BASE_MODEL),
        ("components.span_window.driver", SPAN_WINDOW),
        ("components.given_schema.executor", ("components.given_schema",)),
    ],
)
def test_all_that_is_run_is_hashed(module, hashed) -> None:
    ran = closure(module, but=tuple(NOT_HASHED)[1:])
    assert {name for name in ran - {*NOT_HASHED} if not covers(hashed, name)} == set()
