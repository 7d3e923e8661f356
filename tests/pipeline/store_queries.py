"""Whether the installed ml-metadata answers `filter_query`: that of Python 3.12 and later does not."""

import importlib.metadata

import pytest

_ANSWERS = tuple(map(int, importlib.metadata.version("ml-metadata").split(".")[:2])) < (1, 21)
# Without queries all rows are read and looked through, as docs/metadata.md says.
answered = pytest.mark.skipif(not _ANSWERS, reason="this ml-metadata answers no filter_query")
