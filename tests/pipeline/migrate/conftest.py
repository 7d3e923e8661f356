"""The example sources, by name."""

import pathlib
import re
from collections.abc import Callable

import pytest

from pipeline.migrate.findings import Finding, examine
from pipeline.migrate.sources import Source

EXAMPLES = pathlib.Path(__file__).with_name("examples.md")


def example_sources() -> dict[str, str]:
    """The Python of examples.md by heading."""
    sections = re.split(r"^## (.*)$", EXAMPLES.read_text(), flags=re.MULTILINE)[1:]
    blocks = [re.search(r"^```python\n(.*?)^```", s, re.M | re.S)[1] for s in sections[1::2]]
    return dict(zip(sections[::2], blocks, strict=True))


def _findings(text: str) -> list[Finding]:
    result = examine(Source(path="model.py", text=text, encoding="utf-8"))
    assert result.problem is None, result.problem
    return result.findings


@pytest.fixture(scope="session")
def findings() -> Callable[[str], list[Finding]]:
    """What is found in a source, as in a file that may be written."""
    return _findings


@pytest.fixture(scope="session")
def sources() -> dict[str, str]:
    """The examples' Python."""
    return example_sources()


@pytest.fixture(scope="session")
def found(sources: dict[str, str]) -> dict[str, list[Finding]]:
    """What is found in each example."""
    return {name: _findings(text) for name, text in sources.items()}
