"""Shared by the tests of ExampleGen."""

import json
import pathlib
from collections.abc import Callable
from typing import Any

import pytest

from components.example_gen.request import IngestRequest, parse_request

MakeRequest = Callable[..., IngestRequest]


@pytest.fixture
def make_request(tmp_path: pathlib.Path) -> MakeRequest:
    """Makes a request for `tmp_path`; keyword arguments are Python values of the parameters."""

    def make(**parameters: Any) -> IngestRequest:
        values = {"input_base": str(tmp_path), "format": "jsonl", "columns": {"text": "text"}}
        values |= parameters
        return parse_request(
            {
                name: json.dumps(value) if isinstance(value, dict | list) else value
                for name, value in values.items()
            }
        )

    return make
