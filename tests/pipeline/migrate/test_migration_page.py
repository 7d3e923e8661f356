"""docs/migration.md: its code runs and prints what the page says; its table's numbers are true."""

import contextlib
import io
import os
import pathlib
import re

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest
import tensorflow as tf

from components.sequence_loss import SequenceLoss, compat, sequence_loss, sequence_loss_by_example
from pipeline.migrate.findings import examine
from pipeline.migrate.sources import Source

PAGE = pathlib.Path(__file__).resolve().parents[3] / "docs" / "migration.md"
TEXT = PAGE.read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```\n```text\n(.*?)^```", TEXT, re.M | re.S)
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in TEXT.splitlines()
    if line.startswith("| ") and not line.startswith("| old name")
]


def test_the_code_prints_what_the_page_says() -> None:
    """All blocks in one namespace, in order; each has its output below it."""
    assert len(BLOCKS) == TEXT.count("```python\n") == 8
    names: dict = {}
    for code, printed in BLOCKS:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(code, names)
        assert out.getvalue() == printed, code


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_the_table(row: list[str]) -> None:
    """Each line of ours gives the number in the last column."""
    losses = np.array([[1.0, 2.0, 3.0], [7.0, 9.0, 9.0]])
    chances = np.stack([np.exp(-losses), 1 - np.exp(-losses)], axis=-1)
    data = {
        "x": tf.constant(np.log(chances), tf.float32),
        "y": tf.zeros([2, 3], tf.int32),
        "w": tf.constant([[1.0, 1.0, 1.0], [2.0, 0.0, 0.0]]),
    }
    lists = {f"{name}s": tf.unstack(value, axis=1) for name, value in data.items()}
    ours = {
        "tf": tf,
        "compat": compat,
        "sequence_loss": sequence_loss,
        "sequence_loss_by_example": sequence_loss_by_example,
        "SequenceLoss": SequenceLoss,
    }
    lines = re.findall(r"`(.*?)`", row[2])
    assert lines
    for line in lines:
        got = eval(line, {**ours, **data, **lists})
        np.testing.assert_allclose(got, eval(row[3]), rtol=1e-5)


def test_the_table_is_whole() -> None:
    assert len(ROWS) == 19


def test_the_output_at_the_top_is_real(monkeypatch) -> None:
    """The page's first example, word for word what the command prints."""
    monkeypatch.setenv("COLUMNS", "100")
    from pipeline.migrate.command import shown

    text = "import tensorflow as tf\n" + "\n" * 5
    text += "loss    =   tf.contrib.seq2seq.sequence_loss(x, y, w, False, False, True, True)\n"
    (finding,) = examine(Source(path="model.py", text=text, encoding="utf-8")).findings
    assert "\n".join(shown(finding)) in TEXT


def test_the_page_names_the_six_examples_and_links_the_table() -> None:
    assert TEXT.count("### Example ") == 6
    link = re.search(r"\]\((\.\./[\w/]+\.py)\)", TEXT)
    assert link is not None
    assert "What differs, all of it on purpose" in (PAGE.parent / link[1]).read_text()
