"""docs/fused_loss.md: its code runs, and its constants are those of the code."""

import pathlib
import re

from components.sequence_loss import linear_chunks

TEXT = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "fused_loss.md").read_text()


def test_the_code_of_the_page_runs() -> None:
    blocks = re.findall(r"```python\n(.*?)```", TEXT, flags=re.S)
    assert blocks
    for block in blocks:
        exec(block, {})


def test_the_page_names_the_constants_as_they_are() -> None:
    assert "2²⁴ elements, but at least 512 rows" in TEXT
    assert (linear_chunks.CHUNK_ELEMENTS, linear_chunks.FEWEST_ROWS) == (2**24, 512)
    assert "no larger than a third of a chunk" in TEXT
    assert linear_chunks.PIECES == 3
