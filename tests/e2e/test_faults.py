"""Rows at fault in what only VocabularyGen can see: the command line names file and line."""

import csv
import json
import pathlib

import pytest

pytestmark = pytest.mark.pipeline

WEIGHTS = """
pipeline: {name: weighed, root: runs}
task: lm
data:
  path: rows/span-{SPAN}
  spans: all
  format: csv
  columns: {text: text, weights: weights}
  split: {train: train*, eval: eval*}
"""
IDS = """
pipeline: {name: ids, root: runs}
task: lm
data:
  path: rows
  columns: {text: numbers}
  split: {train: train*, eval: eval*}
  vocab_size: 9
  max_target_length: 5
  excess_length: raise
transform: {target_tokenizer: ids}
"""


def write_csv(path: pathlib.Path, rows: list[tuple[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([("text", "weights"), *rows])


def refused(run) -> list[str]:
    """The problems that a refused run names."""
    assert run.code == 2, run.out + run.err
    return [line for line in run.err.splitlines() if "expected" in line]


def test_a_wrong_number_of_weights_is_named_by_file_and_line(tokenline, tmp_path) -> None:
    (tmp_path / "pipeline_config.yaml").write_text(WEIGHTS)
    good, short = ("a\nb c", "[1, 2, 3]"), ("a b c", "[1, 2]")  # the good one takes two lines
    for span in (2, 10):
        folder = tmp_path / f"rows/span-{span}"
        write_csv(folder / "train-1.csv", [good] * 9)
        write_csv(folder / "train-2.csv", [good, good, short, good, short])
        write_csv(folder / "eval.csv", [good] * 3 + ([short] if span == 2 else []))
    expected = "column 'weights': got 2 weights for 3 tokens, expected one for each"
    found = refused(tokenline("run", cwd=tmp_path))
    assert [line[line.index("rows/") :] for line in found] == [
        f"rows/span-2/train-2.csv:6: {expected}",
        f"rows/span-2/train-2.csv:9: {expected}",
        f"rows/span-10/train-2.csv:6: {expected}",
        f"rows/span-10/train-2.csv:9: {expected}",
        f"rows/span-2/eval.csv:8: {expected}",
    ]


def test_what_is_too_long_or_padded_is_named_by_file_and_line(tokenline, tmp_path) -> None:
    (tmp_path / "pipeline_config.yaml").write_text(IDS)
    rows = [[4, 5], [4, 5, 6, 7, 8], [6, 0, 0], [7, 8, 9], [5, 3]]
    (tmp_path / "rows").mkdir()
    for name, found in {"train": rows, "eval": rows[:1]}.items():
        text = "".join(json.dumps({"numbers": row}) + "\n" for row in found)
        (tmp_path / f"rows/{name}.jsonl").write_text(text)
    lines = refused(tokenline("run", cwd=tmp_path))
    assert [line[line.index("rows/") :] for line in lines] == [
        "rows/train.jsonl:2: column 'numbers': got 5 tokens, expected at most 4 "
        "(data.excess_length: raise)",
        "rows/train.jsonl:3: column 'numbers', item 2: got the id 0, which is data.pad_id; "
        "expected sequences without padding, or another pad_id",
        "rows/train.jsonl:4: column 'numbers', item 3: got the id 9, expected one from 0 to 8",
    ]
